//! Reading the file at the start.

use std::error::Error;
use std::fmt;
use std::io::{self, Read};

use crate::redis::{Batch, Client, Server};
use crate::resp::{Parser, ProtocolError};

/// How much of the file is read at once.
const PIECE: usize = 1 << 20;

/// What was found in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Replayed {
    /// How many bytes of the file the commands take that were run.
    pub(super) len: u64,
    /// How many bytes follow that are the beginning of a command or a transaction.
    pub(super) torn: u64,
}

/// Why a file cannot be read.
#[derive(Debug)]
pub(super) enum ReplayError {
    /// The system does not let it be read.
    Io(io::Error),
    /// What is at this byte is no command.
    Protocol(u64, ProtocolError),
    /// The command at this byte was refused, in these words.
    Refused(u64, String),
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "{error}"),
            Self::Protocol(at, error) => write!(f, "no command at byte {at}: {error}"),
            Self::Refused(at, message) => write!(f, "the command at byte {at} fails: {message}"),
        }
    }
}

impl Error for ReplayError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Protocol(_, error) => Some(error),
            Self::Refused(..) => None,
        }
    }
}

/// Runs the commands in `file`.
///
/// A command or a transaction that is cut off by the end was never confirmed to a client: it is not
/// run, and the caller should remove it.
///
/// # Errors
///
/// Fails when the file cannot be read, and when there is something in it that this server has not
/// written.
pub(super) fn replay(server: &Server, mut file: impl Read) -> Result<Replayed, ReplayError> {
    let mut client = Client::of_the_log();
    let mut parser = Parser::of_log();
    let (mut bytes, mut replies) = (Vec::new(), Vec::new());
    // Where the commands end that were run, and where those of `bytes` begin.
    let mut found = Replayed { len: 0, torn: 0 };
    let (mut start, mut piece) = (0, vec![0; PIECE]);
    loop {
        let count = file.read(&mut piece).map_err(ReplayError::Io)?;
        bytes.extend_from_slice(&piece[..count]);
        let mut batch = Batch::new(server, usize::MAX);
        batch.store().stop_time();
        let mut read = 0;
        loop {
            let at = start + read as u64;
            let command = parser.parse(&bytes[read..]);
            let Some(command) = command.map_err(|error| ReplayError::Protocol(at, error))? else {
                break;
            };
            read += command.wire_len();
            replies.clear();
            let _ = batch.execute(&mut client, command, &mut replies);
            if let [b'-', message @ ..] = &*replies {
                let message = String::from_utf8_lossy(message).trim_end().to_owned();
                return Err(ReplayError::Refused(at, message));
            }
            if !client.is_in_transaction() {
                found.len = start + read as u64;
            }
        }
        bytes.drain(..read);
        start += read as u64;
        if count == 0 {
            found.torn = start + bytes.len() as u64 - found.len;
            return Ok(found);
        }
    }
}

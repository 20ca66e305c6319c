//! Why a message could not be sent.

use std::error;
use std::fmt;

/// Why a message could not be sent to a connection or a loop.
///
/// `Ok` says that the loop will find the message, not that a connection is still there for it.
/// Loops take messages before they run, and carry them out then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// As many messages wait for the loop as `mailbox_capacity` allows, or as many bytes as
    /// `mailbox_bytes` does; for `close` and `abort`, twice as many messages. Try again later.
    Full,
    /// The server does not run yet. Only `ServerHandle` of the `evio` crate says so: it has no loop
    /// to send to before.
    NotStarted,
    /// The loop has ended, or is ending and takes no new socket.
    Stopped,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "the server does not run yet",
            Self::Full => "too many messages are waiting for this loop",
            Self::Stopped => "the server has ended",
        })
    }
}

impl error::Error for SendError {}

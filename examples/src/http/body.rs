//! The bodies of replies.

use std::fmt;
use std::io::{self, Cursor};
use std::sync::Arc;

use super::Output;

/// Longest piece of a body that is handed to the output at once, in bytes. The output of one
/// connection exceeds its high watermark by no more than this, and a longer piece saves nothing:
/// the socket takes about as much at a time.
pub(super) const PIECE: usize = 64 << 10;

/// The body of a reply.
#[derive(Debug, Default)]
pub enum ReplyBody {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes that live as long as the program.
    Static(&'static [u8]),
    /// Bytes that were made for this reply; they are all in the output at once.
    Owned(Vec<u8>),
    /// Bytes that many replies share, sent without a copy and piece by piece.
    Shared(Shared),
    /// Bytes that are read when there is room for them, such as those of a file.
    Stream(Box<dyn Stream>),
}

/// A body that is read when there is room for it in the output.
pub trait Stream: fmt::Debug {
    /// Returns how many bytes are left. It is asked before the head of the reply is written, and
    /// what it says then is a promise.
    fn remaining(&self) -> u64;

    /// Puts the next bytes at the start of `buffer` and returns how many they are: at least one, as
    /// long as some are left.
    ///
    /// # Errors
    ///
    /// An error ends the connection: only that tells the peer that the body is incomplete, RFC
    /// 9112, section 8.
    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize>;
}

impl Stream for Cursor<Vec<u8>> {
    fn remaining(&self) -> u64 {
        (self.get_ref().len() as u64).saturating_sub(self.position())
    }

    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        io::Read::read(self, buffer)
    }
}

/// Bytes that many replies share, however long.
///
/// # Examples
///
/// ```
/// use evio_examples::http::Shared;
///
/// let page = Shared::from(vec![b'x'; 100_000]);
/// assert_eq!(page.len(), 100_000);
/// ```
#[derive(Clone, Default)]
pub struct Shared {
    pieces: Arc<[Arc<[u8]>]>,
    len: u64,
}

impl Shared {
    /// Returns the length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Returns a copy of the bytes in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.pieces.concat()
    }
}

impl From<Vec<u8>> for Shared {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len() as u64, pieces: bytes.chunks(PIECE).map(Arc::from).collect() }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("len", &self.len).finish_non_exhaustive()
    }
}

impl ReplyBody {
    /// Returns the length in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Static(bytes) => bytes.len() as u64,
            Self::Owned(bytes) => bytes.len() as u64,
            Self::Shared(shared) => shared.len(),
            Self::Stream(stream) => stream.remaining(),
        }
    }
}

/// A body that is not in the output as a whole yet.
#[derive(Debug)]
pub(super) enum Sending {
    Shared { body: Shared, next: usize },
    Stream(Box<dyn Stream>),
}

impl Sending {
    /// Writes a body that goes into the output at once, or returns the others.
    pub(super) fn begin(body: ReplyBody, output: &mut impl Output) -> Option<Self> {
        match body {
            ReplyBody::Empty => {}
            ReplyBody::Static(bytes) => output.write_static(bytes),
            ReplyBody::Owned(bytes) if bytes.len() <= PIECE => output.write_owned(bytes),
            ReplyBody::Owned(bytes) => return Some(Self::Stream(Box::new(Cursor::new(bytes)))),
            ReplyBody::Shared(body) => return Some(Self::Shared { body, next: 0 }),
            ReplyBody::Stream(stream) => return Some(Self::Stream(stream)),
        }
        None
    }

    /// Returns whether all of the body is in the output.
    pub(super) fn is_done(&self) -> bool {
        match self {
            Self::Shared { body, next } => *next == body.pieces.len(),
            Self::Stream(stream) => stream.remaining() == 0,
        }
    }

    /// Writes the next piece and returns its length.
    ///
    /// # Errors
    ///
    /// Those of a stream, and `UnexpectedEof` for one that ends before it has kept its promise.
    pub(super) fn write_piece(&mut self, output: &mut impl Output) -> io::Result<usize> {
        match self {
            Self::Shared { body, next } => {
                let Some(piece) = body.pieces.get(*next) else { return Ok(0) };
                *next += 1;
                output.write_shared(Arc::clone(piece));
                Ok(piece.len())
            }
            Self::Stream(stream) => {
                let left = usize::try_from(stream.remaining()).unwrap_or(usize::MAX);
                let mut piece = vec![0; left.min(PIECE)];
                let len = stream.read_piece(&mut piece)?;
                if len == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                piece.truncate(len);
                output.write_owned(piece);
                Ok(len)
            }
        }
    }
}

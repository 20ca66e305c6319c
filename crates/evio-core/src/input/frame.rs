//! What tells one message of a stream from the next.

use std::error;
use std::fmt;

/// The number before a message that says how many bytes the message has, itself not counted: for
/// [`Unread::take_prefixed`](crate::Unread::take_prefixed).
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{InputStream, LengthPrefix};
///
/// let mut stream = InputStream::new();
/// let mut input = stream.begin(b"\x05\0hello")?;
/// assert_eq!(input.take_prefixed(LengthPrefix::U16Le, 1024)?, Some(b"hello".as_slice()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LengthPrefix {
    /// One byte.
    U8,
    /// Two bytes, the high one first (network byte order).
    U16Be,
    /// Two bytes, the low one first.
    U16Le,
    /// Four bytes, the highest one first (network byte order).
    U32Be,
    /// Four bytes, the lowest one first.
    U32Le,
}

impl LengthPrefix {
    /// Reads the length of the message at the start of `input`. Returns it with the length of the
    /// prefix, or `None` while the prefix is not whole.
    pub(super) fn read(self, input: &[u8]) -> Option<(usize, usize)> {
        match self {
            Self::U8 => Some((1, usize::from(*input.first()?))),
            Self::U16Be => Some((2, usize::from(u16::from_be_bytes(*input.first_chunk()?)))),
            Self::U16Le => Some((2, usize::from(u16::from_le_bytes(*input.first_chunk()?)))),
            Self::U32Be => Some((4, u32::from_be_bytes(*input.first_chunk()?) as usize)),
            Self::U32Le => Some((4, u32::from_le_bytes(*input.first_chunk()?) as usize)),
        }
    }
}

/// A line or a message is longer than its reader allows.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{InputStream, LengthPrefix};
///
/// let mut stream = InputStream::new();
/// let mut input = stream.begin(b"\0\x01\x11\x70")?;
/// let error = input.take_prefixed(LengthPrefix::U32Be, 65_536).unwrap_err();
/// assert_eq!((error.len(), error.max_len()), (Some(70_000), 65_536));
/// assert_eq!(
///     error.to_string(),
///     "a message of 70000 bytes is longer than the limit of 65536 bytes",
/// );
/// # Ok::<(), evio::InputTooLong>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameTooLong {
    len: Option<usize>,
    max_len: usize,
}

impl FrameTooLong {
    pub(super) fn line(max_len: usize) -> Self {
        Self { len: None, max_len }
    }

    pub(super) fn message(len: usize, max_len: usize) -> Self {
        Self { len: Some(len), max_len }
    }

    /// Returns the length that a prefix announced; `None` for a line, whose end was not looked for
    /// beyond the limit.
    #[expect(clippy::len_without_is_empty, reason = "the length of a message, not of a container")]
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        self.len
    }

    /// Returns how many bytes were allowed.
    #[must_use]
    pub fn max_len(&self) -> usize {
        self.max_len
    }
}

impl fmt::Display for FrameTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len {
            Some(len) => write!(f, "a message of {len} bytes")?,
            None => f.write_str("a line")?,
        }
        write!(f, " is longer than the limit of {} bytes", self.max_len)
    }
}

impl error::Error for FrameTooLong {}

//! Input that does not end where a message ends.

use std::error;
use std::fmt;
use std::ops::Deref;

mod framing;
#[cfg(test)]
mod tests;

/// Joins what a callback left unread with what arrives next.
///
/// One belongs into the context of each connection whose messages can be split over several
/// packets. Nothing is copied while messages arrive whole; an empty stream owns no memory; and the
/// total work is linear in the input, however it is cut.
///
/// [`begin`](Self::begin) gives the unread input. [`take_line`](Unread::take_line) takes lines out
/// of it, [`take_prefixed`](Unread::take_prefixed) messages behind their length, and
/// [`consume`](Unread::consume) what a parser of one's own has read. What has no end when the peer
/// ends its output stays in the stream; [`take_line`](Unread::take_line) says what to do about it.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::InputStream;
///
/// let mut stream = InputStream::new();
/// let mut lines = Vec::new();
/// for packet in ["one\ntw", "o\nthree"] {
///     let mut input = stream.begin(packet.as_bytes())?;
///     while let Some(line) = input.take_line(512)? {
///         lines.push(line.to_vec());
///     }
/// }
/// assert_eq!(lines, [b"one", b"two"]);
/// assert!(!stream.is_empty());
/// assert_eq!(stream.len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct InputStream {
    buffer: Vec<u8>,
    /// Invariant: at most `buffer.len()`, and equal to it only when both are zero.
    start: usize,
    /// Up to where in `buffer` no line ends, from `start` on; below `start`, it says nothing.
    ///
    /// Invariant: at most `buffer.len()`.
    searched: usize,
    max_len: usize,
}

/// A message is longer than the stream may hold.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{InputStream, InputTooLong};
///
/// /// Reads like a callback that never finds the end of a message: it should close the connection.
/// fn read(stream: &mut InputStream, pieces: usize) -> Result<(), InputTooLong> {
///     for _ in 0..pieces {
///         stream.begin(b"endless ")?;
///     }
///     Ok(())
/// }
///
/// let error = read(&mut InputStream::with_max_len(16), 100).unwrap_err();
/// assert_eq!(error.to_string(), "unread input exceeds the limit of 16 bytes");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputTooLong {
    max_len: usize,
}

impl fmt::Display for InputTooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unread input exceeds the limit of {} bytes", self.max_len)
    }
}

impl error::Error for InputTooLong {}

impl InputStream {
    /// How many unread bytes a stream holds unless told otherwise: room for the requests of most
    /// protocols, and little enough for thousands of hostile peers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::InputStream;
    ///
    /// // A peer that has not logged in yet has nothing long to say.
    /// let stream = InputStream::with_max_len(InputStream::DEFAULT_MAX_LEN / 1024);
    /// assert!(stream.is_empty());
    /// ```
    pub const DEFAULT_MAX_LEN: usize = 1 << 20;

    /// Creates an empty stream with a limit of [`DEFAULT_MAX_LEN`](Self::DEFAULT_MAX_LEN) bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_max_len(Self::DEFAULT_MAX_LEN)
    }

    /// Creates an empty stream that may be left with `max_len` unread bytes. It never holds more
    /// than that and one piece of input: that it was left with more is an error of the next
    /// [`begin`](Self::begin).
    ///
    /// This bounds the memory of a connection, not a message: one that came in a single piece can
    /// be longer. That has its own limit in [`take_line`](Unread::take_line) and
    /// [`take_prefixed`](Unread::take_prefixed), or in the handler's parser.
    ///
    /// # Examples
    ///
    /// See [`InputTooLong`].
    #[must_use]
    pub const fn with_max_len(max_len: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, searched: 0, max_len }
    }

    /// Returns how many bytes are left from earlier input.
    #[must_use]
    pub fn len(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Returns whether nothing is left from earlier input.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the unread input: what was left, followed by `input`.
    ///
    /// Bytes that are not [consumed](Unread::consume) when the result is dropped are kept.
    ///
    /// # Errors
    ///
    /// Fails when what was left is more than the stream may hold; the stream stays as it was. What
    /// was left is part of a single message as long as the caller consumes those that are whole, so
    /// how the input is cut makes no message too long.
    ///
    /// # Examples
    ///
    /// See [`InputStream`].
    pub fn begin<'a>(&'a mut self, input: &'a [u8]) -> Result<Unread<'a>, InputTooLong> {
        if self.len() > self.max_len {
            return Err(InputTooLong { max_len: self.max_len });
        }
        let direct = self.is_empty();
        if !direct {
            self.make_room(input.len());
            self.buffer.extend_from_slice(input);
        }
        Ok(Unread { stream: self, direct: direct.then_some(input) })
    }

    /// Moves the unread bytes to the front before the buffer would have to grow, once at least as
    /// many have been consumed: each byte that is moved is paid for by one that is gone.
    fn make_room(&mut self, additional: usize) {
        let full = self.buffer.len() + additional > self.buffer.capacity();
        if full && self.start >= self.len() {
            self.buffer.drain(..self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
    }
}

impl Default for InputStream {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InputStream")
            .field("len", &self.len())
            .field("max_len", &self.max_len)
            .finish_non_exhaustive()
    }
}

/// The unread input of an [`InputStream`]; a slice from which the front can be consumed.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{InputStream, Unread};
///
/// /// Takes a digit, and the string of as many bytes behind it, when that is whole.
/// fn take_string(input: &mut Unread<'_>) -> Option<Vec<u8>> {
///     let len = usize::from(input.first()?.checked_sub(b'0')?);
///     let string = input.get(1..=len)?.to_vec();
///     input.consume(1 + len);
///     Some(string)
/// }
///
/// let mut stream = InputStream::new();
/// assert_eq!(take_string(&mut stream.begin(b"5hel")?), None);
/// assert_eq!(take_string(&mut stream.begin(b"lo2")?), Some(b"hello".to_vec()));
/// # Ok::<(), evio::InputTooLong>(())
/// ```
pub struct Unread<'a> {
    stream: &'a mut InputStream,
    /// The input itself, as long as the stream holds nothing.
    direct: Option<&'a [u8]>,
}

impl Unread<'_> {
    /// Drops the first `count` bytes.
    ///
    /// # Panics
    ///
    /// Panics when fewer are left.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::InputStream;
    ///
    /// let mut stream = InputStream::new();
    /// let mut input = stream.begin(b"one;two;th")?;
    /// let mut words = Vec::new();
    /// while let Some(end) = input.iter().position(|&byte| byte == b';') {
    ///     words.push(input[..end].to_vec());
    ///     input.consume(end + 1);
    /// }
    /// assert_eq!(words, [b"one", b"two"]);
    /// assert_eq!(*input, *b"th");
    /// # Ok::<(), evio::InputTooLong>(())
    /// ```
    #[inline]
    pub fn consume(&mut self, count: usize) {
        assert!(count <= self.len(), "{count} bytes consumed of {}", self.len());
        match &mut self.direct {
            Some(input) => *input = &input[count..],
            None => self.stream.start += count,
        }
    }
}

impl Deref for Unread<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self.direct {
            Some(input) => input,
            None => &self.stream.buffer[self.stream.start..],
        }
    }
}

impl Drop for Unread<'_> {
    fn drop(&mut self) {
        match self.direct {
            Some(rest) => self.stream.buffer.extend_from_slice(rest),
            None if self.stream.is_empty() => {
                // Freed, not kept: a connection between messages owns no memory.
                self.stream.buffer = Vec::new();
                self.stream.start = 0;
                self.stream.searched = 0;
            }
            None => {}
        }
    }
}

impl fmt::Debug for Unread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Unread").field(&&**self).finish()
    }
}

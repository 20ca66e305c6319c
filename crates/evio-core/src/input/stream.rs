//! Input that does not end where a message ends.

use std::error;
use std::fmt;
use std::ops::Deref;

/// Joins what a callback left unread with what arrives next.
///
/// One belongs into the context of each connection whose messages can be split over several
/// packets. Nothing is copied while messages arrive whole; an empty stream owns no memory; and the
/// total work is linear in the input, however it is cut.
///
/// # Examples
///
/// ```
/// use evio_core::InputStream;
///
/// let mut stream = InputStream::new();
/// let mut lines = Vec::new();
/// for packet in ["one\ntw", "o\nthree"] {
///     let mut input = stream.begin(packet.as_bytes())?;
///     while let Some(end) = input.iter().position(|&byte| byte == b'\n') {
///         lines.push(input[..end].to_vec());
///         input.consume(end + 1);
///     }
/// }
/// assert_eq!(lines, [b"one", b"two"]);
/// assert_eq!(stream.len(), 5);
/// # Ok::<(), evio_core::InputTooLong>(())
/// ```
pub struct InputStream {
    buffer: Vec<u8>,
    /// Invariant: at most `buffer.len()`, and equal to it only when both are zero.
    start: usize,
    max_len: usize,
}

/// A message is longer than the stream may hold.
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
    /// be longer. A handler that limits messages checks their length.
    #[must_use]
    pub const fn with_max_len(max_len: usize) -> Self {
        Self { buffer: Vec::new(), start: 0, max_len }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `message` in chunks of `chunk` bytes and consumes it in units of `unit`.
    fn relay(message: &[u8], chunk: usize, unit: usize) -> Vec<u8> {
        let mut stream = InputStream::new();
        let mut seen = Vec::new();
        for packet in message.chunks(chunk) {
            let mut input = stream.begin(packet).unwrap();
            while input.len() >= unit {
                seen.extend_from_slice(&input[..unit]);
                input.consume(unit);
            }
        }
        let rest = stream.begin(&[]).unwrap();
        seen.extend_from_slice(&rest);
        seen
    }

    #[test]
    fn every_chunking_gives_the_same_bytes() {
        let message: Vec<u8> = (0..200u8).collect();
        for chunk in 1..=message.len() {
            for unit in 1..=message.len() {
                assert_eq!(relay(&message, chunk, unit), message, "chunk {chunk}, unit {unit}");
            }
        }
    }

    #[test]
    fn whole_messages_are_not_copied() {
        let mut stream = InputStream::new();
        let packet = b"whole".as_slice();
        let mut input = stream.begin(packet).unwrap();
        assert!(std::ptr::eq(&raw const *input, packet));
        input.consume(5);
        drop(input);
        assert_eq!(stream.buffer.capacity(), 0);
    }

    #[test]
    fn memory_is_given_back_when_all_is_consumed() {
        let mut stream = InputStream::new();
        drop(stream.begin(&[0; 1000]).unwrap());
        assert!(stream.buffer.capacity() >= 1000);
        let mut input = stream.begin(&[0; 24]).unwrap();
        input.consume(1024);
        drop(input);
        assert_eq!(stream.buffer.capacity(), 0);
    }

    #[test]
    fn the_limit_is_an_error_and_loses_nothing() {
        let mut stream = InputStream::with_max_len(8);
        drop(stream.begin(b"12345").unwrap());
        drop(stream.begin(b"678").unwrap());
        let mut input = stream.begin(b"9").unwrap();
        assert_eq!(&*input, b"123456789");
        input.consume(1);
        drop(input);
        drop(stream.begin(b"0").unwrap());
        for _ in 0..2 {
            assert_eq!(stream.begin(b"").unwrap_err(), InputTooLong { max_len: 8 });
            assert_eq!(stream.len(), 9);
        }
    }

    #[test]
    fn a_growing_backlog_is_bounded_by_what_is_unread() {
        let mut stream = InputStream::new();
        drop(stream.begin(&[0; 64]).unwrap());
        for _ in 0..100_000 {
            let mut input = stream.begin(&[0; 16]).unwrap();
            input.consume(16);
        }
        assert_eq!(stream.len(), 64);
        assert!(stream.buffer.capacity() <= 2 * 64 + 16, "capacity {}", stream.buffer.capacity());
    }

    /// So the work is linear in the input, whatever the pattern.
    #[test]
    fn no_more_bytes_are_moved_than_were_consumed() {
        for unread in [1, 15, 16, 64, 1_000, 70_000] {
            let mut stream = InputStream::new();
            drop(stream.begin(&vec![0; unread]).unwrap());
            let (mut moved, mut consumed) = (0, 0);
            for _ in 0..1_000 {
                let start = stream.start;
                let mut input = stream.begin(&[0; 16]).unwrap();
                moved += if input.stream.start < start { unread } else { 0 };
                assert!(moved <= consumed, "{moved} moved, {consumed} consumed, {unread} unread");
                input.consume(16);
                consumed += 16;
            }
        }
    }

    #[test]
    fn a_stream_holds_a_mebibyte_unless_told_otherwise() {
        let mut stream = InputStream::default();
        drop(stream.begin(&vec![0; 1 << 20]).unwrap());
        drop(stream.begin(b"x").unwrap());
        assert!(stream.begin(b"").is_err());
    }

    #[test]
    #[should_panic(expected = "6 bytes consumed of 5")]
    fn consuming_too_much_is_a_bug_of_the_caller() {
        InputStream::new().begin(b"12345").unwrap().consume(6);
    }
}

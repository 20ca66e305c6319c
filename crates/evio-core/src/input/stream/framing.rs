//! Taking whole lines and messages out of unread input.

use std::ops::Range;

use super::{InputStream, Unread};
use crate::input::frame::{FrameTooLong, LengthPrefix};

/// How many bytes are reserved at most for each byte that has arrived.
///
/// The 64 KiB of the first read reserve the mebibyte that a stream holds unless told otherwise; a
/// peer that announces as much and sends ten bytes makes us reserve 160.
const RESERVED_PER_BYTE: usize = 16;

impl Unread<'_> {
    /// Takes the next line off the front, without its end. Returns `None` when no whole line is
    /// there; what is there is kept for the next [`begin`](super::InputStream::begin).
    ///
    /// A line ends with `\n`. One `\r` before it is part of the end, so `"a\r\n"` and `"a\n"` are
    /// the same line; any other `\r` is part of the line. The limit is on the line without its end.
    ///
    /// Each byte is searched once for the end, in however many pieces a line arrives.
    ///
    /// What a peer has sent behind its last `\n` when it ends its output is no line, since more may
    /// have been meant to come: it is dropped with the stream. A protocol in which it counts takes
    /// it in [`Handler::peer_closed`](crate::Handler::peer_closed), as below.
    ///
    /// # Errors
    ///
    /// Fails when the line is longer than `max_len` bytes, as soon as that is certain; how the
    /// input is cut makes no difference. Nothing is taken, and the next call fails, too: the
    /// connection should be closed.
    ///
    /// The stream must be able to hold the line with its end, or `begin` fails first: its limit
    /// should be `max_len + 2` or more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::InputStream;
    ///
    /// let mut stream = InputStream::new();
    /// let mut lines = Vec::new();
    /// for packet in ["GET a\r\nGE", "T b\n", "\nGET"] {
    ///     let mut input = stream.begin(packet.as_bytes())?;
    ///     while let Some(line) = input.take_line(512)? {
    ///         lines.push(line.to_vec());
    ///     }
    /// }
    /// assert_eq!(lines, [b"GET a".as_slice(), b"GET b", b""]);
    /// assert_eq!(stream.len(), 3);
    ///
    /// let mut input = stream.begin(b" a long name")?;
    /// let error = input.take_line(10).unwrap_err();
    /// assert_eq!(error.to_string(), "a line is longer than the limit of 10 bytes");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// The callbacks of a server that answers a last line without an end as well: `two`, of
    /// `printf 'one\ntwo' | nc`.
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, InputStream};
    ///
    /// fn answer(conn: &mut Conn<'_>, line: &[u8]) {
    ///     conn.write(line);
    ///     conn.write(b"\n");
    /// }
    ///
    /// fn data(conn: &mut Conn<'_>, stream: &mut InputStream, input: &[u8]) -> Action {
    ///     let Ok(mut input) = stream.begin(input) else { return Action::Close };
    ///     loop {
    ///         match input.take_line(512) {
    ///             Ok(Some(line)) => answer(conn, line),
    ///             Ok(None) => return Action::None,
    ///             Err(_) => return Action::Close,
    ///         }
    ///     }
    /// }
    ///
    /// fn peer_closed(conn: &mut Conn<'_>, stream: &mut InputStream) -> Action {
    ///     if let Ok(rest) = stream.begin(b"") {
    ///         if !rest.is_empty() {
    ///             answer(conn, &rest);
    ///         }
    ///     }
    ///     Action::Close
    /// }
    /// ```
    pub fn take_line(&mut self, max_len: usize) -> Result<Option<&[u8]>, FrameTooLong> {
        let range = self.range_to_search(max_len);
        let found = find_newline(&self[range.clone()]).map(|at| range.start + at);
        let end = found.unwrap_or(range.end);
        // A `\r` at the end of what is there may belong to the end of the line.
        let line = self[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len);
        if line > max_len {
            return Err(FrameTooLong::line(max_len));
        }
        if found.is_none() {
            self.remember_search();
            return Ok(None);
        }
        Ok(Some(&self.take_front(end + 1)[..line]))
    }

    /// Takes the next message off the front, without the `prefix` that says how long the message
    /// is. Returns `None` when it is not whole; what is there is kept for the next
    /// [`begin`](super::InputStream::begin), with the memory for the rest reserved as
    /// [`expect`](Self::expect) does.
    ///
    /// # Errors
    ///
    /// Fails when the prefix announces more than `max_len` bytes. Nothing is taken or reserved, and
    /// the next call fails, too: the connection should be closed.
    ///
    /// The stream must be able to hold the message with its prefix, or `begin` fails first: its
    /// limit should be `max_len + 4` or more.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{InputStream, LengthPrefix};
    ///
    /// let mut stream = InputStream::new();
    /// let mut messages = Vec::new();
    /// for packet in [b"\0\x03one\0".as_slice(), b"\x03tw", b"o\0\0"] {
    ///     let mut input = stream.begin(packet)?;
    ///     while let Some(message) = input.take_prefixed(LengthPrefix::U16Be, 1024)? {
    ///         messages.push(message.to_vec());
    ///     }
    /// }
    /// assert_eq!(messages, [b"one".as_slice(), b"two", b""]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn take_prefixed(
        &mut self,
        prefix: LengthPrefix,
        max_len: usize,
    ) -> Result<Option<&[u8]>, FrameTooLong> {
        let Some((prefix_len, len)) = prefix.read(self) else { return Ok(None) };
        if len > max_len {
            return Err(FrameTooLong::message(len, max_len));
        }
        let whole = self.take_exact(prefix_len.saturating_add(len));
        Ok(whole.map(|whole| &whole[prefix_len..]))
    }

    /// Takes `len` bytes off the front. Returns `None` when fewer are there; these are kept for the
    /// next [`begin`](super::InputStream::begin), with the memory for the rest reserved as
    /// [`expect`](Self::expect) does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::InputStream;
    ///
    /// let mut stream = InputStream::new();
    /// let mut input = stream.begin(b"headbo")?;
    /// assert_eq!(input.take_exact(4), Some(b"head".as_slice()));
    /// assert_eq!(input.take_exact(4), None);
    /// drop(input);
    /// let mut input = stream.begin(b"dy")?;
    /// assert_eq!(input.take_exact(4), Some(b"body".as_slice()));
    /// # Ok::<(), evio::InputTooLong>(())
    /// ```
    pub fn take_exact(&mut self, len: usize) -> Option<&[u8]> {
        if self.len() < len {
            self.expect(len);
            return None;
        }
        Some(self.take_front(len))
    }

    /// Reserves memory for `len` bytes of unread input, those that are there included: for a
    /// handler that knows the length of a message of which the rest is still to come. The stream
    /// then grows once for it, and not several times.
    ///
    /// It is no promise. A peer that announces much and sends little does not get the memory: no
    /// more than 16 times what has arrived is reserved, and no more than the stream may hold.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::InputStream;
    ///
    /// let mut stream = InputStream::new();
    /// let mut input = stream.begin(b"300000 bytes follow: abc")?;
    /// input.expect(300_021);
    /// assert_eq!(*input, *b"300000 bytes follow: abc");
    /// # Ok::<(), evio::InputTooLong>(())
    /// ```
    pub fn expect(&mut self, len: usize) {
        let arrived = self.len();
        let most = arrived.saturating_mul(RESERVED_PER_BYTE).min(self.stream.max_len);
        // While as much again finds room, growing can wait: so the stream grows a few times at
        // most, also when this is called with each piece.
        let soon = len.min(2 * arrived);
        if arrived < len && self.stream.buffer.capacity() - self.stream.start < soon {
            self.keep(len.min(most).max(arrived));
        }
    }

    /// Moves the input into the stream, unless it lies there, with room for `len` bytes.
    fn keep(&mut self, len: usize) {
        let additional = len - self.len();
        let stream = &mut *self.stream;
        match self.direct.take() {
            Some(input) => {
                stream.buffer.reserve(len);
                stream.buffer.extend_from_slice(input);
            }
            None => {
                stream.make_room(additional);
                stream.buffer.reserve(additional);
            }
        }
    }

    /// Returns where the end of the first line can be, as far as it was not searched before: from
    /// there to where the line would be too long.
    fn range_to_search(&self, max_len: usize) -> Range<usize> {
        let end = self.len().min(max_len.saturating_add(b"\r\n".len()));
        let searched = match self.direct {
            Some(_) => 0,
            None => self.stream.searched.saturating_sub(self.stream.start),
        };
        searched.min(end)..end
    }

    /// Notes that no line ends in the input that is there; the stream keeps both.
    fn remember_search(&mut self) {
        if !self.is_empty() {
            self.keep(self.len());
            self.stream.searched = self.stream.buffer.len();
        }
    }

    /// Consumes the first `count` bytes and returns them.
    fn take_front(&mut self, count: usize) -> &[u8] {
        match &mut self.direct {
            Some(input) => {
                let (front, rest) = input.split_at(count);
                *input = rest;
                front
            }
            None => {
                let InputStream { buffer, start, .. } = &mut *self.stream;
                let front = &buffer[*start..][..count];
                *start += count;
                front
            }
        }
    }
}

/// How many bytes are looked at together: what one vector register holds on every processor.
const CHUNK: usize = 16;

/// Finds the first `\n`. A loop that ends at a byte looks at one after the other; here the compiler
/// compares a whole chunk at once. Lines of 64 bytes take half of the time, those of 512 a sixth,
/// and less than with the search of std, which `BufRead::skip_until` gives access to.
fn find_newline(bytes: &[u8]) -> Option<usize> {
    let is_end = |byte: &u8| *byte == b'\n';
    let has_end = |chunk: &[u8]| chunk.iter().fold(false, |found, byte| found | is_end(byte));
    let chunks = bytes.chunks_exact(CHUNK).position(has_end).unwrap_or(bytes.len() / CHUNK);
    let start = chunks * CHUNK;
    bytes[start..].iter().position(is_end).map(|at| start + at)
}

#[cfg(test)]
mod tests;

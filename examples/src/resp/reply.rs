//! Writing replies.

use super::ProtocolError;

const CRLF: &[u8] = b"\r\n";

/// The room that an output keeps when a reply is taken back.
const MAX_SPARE: usize = 64 * 1024;

/// What a client understands: the version that it has named in `HELLO`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Strings, errors, integers and arrays.
    #[default]
    Resp2,
    /// Maps, sets, doubles, booleans, nulls and pushes besides.
    Resp3,
}

/// Appends replies to an output.
///
/// The output is a vector, and not a connection: a reply is appended in the pieces it has, which
/// costs a few instructions each, and all replies to a batch of commands are sent as one.
///
/// Strings that would make the output too long are left out;
/// [`is_too_long`](Self::is_too_long) tells.
#[derive(Debug)]
pub struct Reply<'a> {
    output: &'a mut Vec<u8>,
    protocol: Protocol,
    max_len: usize,
    is_too_long: bool,
}

impl<'a> Reply<'a> {
    /// Creates a writer of RESP2 replies of any length that appends to `output`.
    pub fn new(output: &'a mut Vec<u8>) -> Self {
        Self::with_max_len(output, Protocol::Resp2, usize::MAX)
    }

    /// Creates a writer of replies that leaves out what would make the output too long.
    #[inline]
    pub fn with_max_len(output: &'a mut Vec<u8>, protocol: Protocol, max_len: usize) -> Self {
        Self { output, protocol, max_len, is_too_long: false }
    }

    /// Returns the protocol that the client understands.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Changes the protocol, from the next reply on.
    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Tells whether something was left out, so that what was written is no reply.
    #[must_use]
    pub fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// Says that something was left out.
    pub fn mark_too_long(&mut self, is_too_long: bool) {
        self.is_too_long |= is_too_long;
    }

    /// Returns a writer for a part of this reply.
    pub fn reborrow(&mut self) -> Reply<'_> {
        let Self { protocol, max_len, .. } = *self;
        Reply::with_max_len(self.output, protocol, max_len)
    }

    /// Returns the length of the output, for [`take_back`](Self::take_back).
    #[must_use]
    pub fn position(&self) -> usize {
        self.output.len()
    }

    /// Removes what was appended since the output had this length.
    pub fn take_back(&mut self, position: usize) {
        self.output.truncate(position);
        // A reply that was too long is not to keep its memory.
        self.output.shrink_to(2 * position.max(MAX_SPARE));
        self.is_too_long = false;
    }

    /// Appends `OK`, the answer of commands that have none.
    pub fn ok(&mut self) {
        self.write(b"+OK\r\n");
    }

    /// Appends `PONG`, the answer to a sign of life.
    pub fn pong(&mut self) {
        self.write(b"+PONG\r\n");
    }

    /// Appends the answer for what does not exist.
    pub fn null(&mut self) {
        self.write(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// Appends the answer for a list that does not exist.
    pub fn null_array(&mut self) {
        self.write(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// Appends the start of a map, which `len` pairs of replies complete.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.array(2 * len),
            Protocol::Resp3 => self.number(b'%', signed(len)),
        }
    }

    /// Appends the start of a set, which `len` more replies complete.
    pub fn set(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'~' } else { b'*' }, signed(len));
    }

    /// Appends the start of a message that answers nothing, which `len` more replies complete.
    pub fn push(&mut self, len: usize) {
        self.number(if self.is_resp3() { b'>' } else { b'*' }, signed(len));
    }

    /// Appends a number with a fraction, as it is to be read.
    pub fn double(&mut self, text: impl AsRef<[u8]>) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => self.text(b',', text.as_ref()),
        }
    }

    /// Appends a text for people to read.
    pub fn verbatim(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        if !self.is_resp3() {
            return self.bulk(text);
        }
        self.number(b'=', signed(4 + text.len()));
        self.write(b"txt:");
        self.write(text);
        self.write(CRLF);
    }

    /// Appends what is a reply already.
    pub fn raw(&mut self, reply: &[u8]) {
        if self.has_room(reply.len()) {
            self.write(reply);
        }
    }

    /// Appends a text of this side's own choice, which must hold no line end.
    pub fn status(&mut self, text: &'static str) {
        self.text(b'+', text.as_bytes());
    }

    /// Appends an error. Line ends in `message`, which would break the frame, become blanks.
    pub fn error(&mut self, message: impl AsRef<[u8]>) {
        let mut message = message.as_ref().to_vec();
        for byte in &mut message {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.text(b'-', &message);
    }

    /// Appends the error that a client is told before its connection is closed.
    pub fn protocol_error(&mut self, error: &ProtocolError) {
        self.error(format!("ERR Protocol error: {error}"));
    }

    /// Appends an integer.
    pub fn integer(&mut self, value: i64) {
        self.number(b':', value);
    }

    /// Appends a number of things as an integer.
    pub fn count(&mut self, value: usize) {
        self.number(b':', signed(value));
    }

    /// Appends the start of an array, which `len` more replies complete.
    pub fn array(&mut self, len: usize) {
        self.number(b'*', signed(len));
    }

    /// Appends the start of an array of `len` pairs, or of single strings: pairs are arrays of
    /// their own in RESP3, each begun by [`pair`](Self::pair), and lie flat in RESP2.
    pub fn pairs(&mut self, len: usize, are_pairs: bool) {
        self.array(if are_pairs && !self.is_resp3() { 2 * len } else { len });
    }

    /// Appends the start of an element of [`pairs`](Self::pairs).
    pub fn pair(&mut self, is_pair: bool) {
        if is_pair && self.is_resp3() {
            self.array(2);
        }
    }

    /// Appends a string of any bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if self.has_room(bytes.len()) {
            self.number(b'$', signed(bytes.len()));
            self.write(bytes);
            self.write(CRLF);
        }
    }

    /// Tells whether so many bytes more are within the limit.
    #[inline]
    fn has_room(&mut self, len: usize) -> bool {
        let has_room = len <= self.max_len.saturating_sub(self.output.len());
        self.is_too_long |= !has_room;
        has_room
    }

    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    fn text(&mut self, marker: u8, text: &[u8]) {
        self.write(&[marker]);
        self.write(text);
        self.write(CRLF);
    }

    /// Appends a line with a number; the small ones, which most are, as one piece.
    #[inline]
    fn number(&mut self, marker: u8, number: i64) {
        match number {
            0..10 => self.write(&[marker, b'0' + number as u8, b'\r', b'\n']),
            10..100 => {
                let (tens, ones) = (number as u8 / 10, number as u8 % 10);
                self.write(&[marker, b'0' + tens, b'0' + ones, b'\r', b'\n']);
            }
            _ => self.large_number(marker, number),
        }
    }

    #[inline(never)]
    fn large_number(&mut self, marker: u8, number: i64) {
        self.text(marker, itoa::Buffer::new().format(number).as_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }
}

/// Converts a length; no collection in memory is too long for it.
fn signed(len: usize) -> i64 {
    len as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    type Append = fn(&mut Reply<'_>);

    fn written(append: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut output = Vec::new();
        append(&mut Reply::new(&mut output));
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn replies_are_framed() {
        let cases: [(Append, &str); 9] = [
            (|reply| reply.ok(), "+OK\r\n"),
            (|reply| reply.pong(), "+PONG\r\n"),
            (|reply| reply.null(), "$-1\r\n"),
            (|reply| reply.null_array(), "*-1\r\n"),
            (|reply| reply.status("list"), "+list\r\n"),
            (|reply| reply.error("ERR a\r\nb"), "-ERR a  b\r\n"),
            (|reply| reply.count(600), ":600\r\n"),
            (|reply| reply.array(0), "*0\r\n"),
            (|reply| reply.bulk("a\r\n\0"), "$4\r\na\r\n\0\r\n"),
        ];
        for (append, expected) in cases {
            assert_eq!(written(append), expected);
        }
    }

    #[test]
    fn the_types_of_resp3_are_arrays_and_strings_in_resp2() {
        let cases: [(Append, &str, &str); 7] = [
            (|reply| reply.null(), "$-1\r\n", "_\r\n"),
            (|reply| reply.null_array(), "*-1\r\n", "_\r\n"),
            (|reply| reply.map(2), "*4\r\n", "%2\r\n"),
            (|reply| reply.set(2), "*2\r\n", "~2\r\n"),
            (|reply| reply.push(3), "*3\r\n", ">3\r\n"),
            (|reply| reply.double("1.5"), "$3\r\n1.5\r\n", ",1.5\r\n"),
            (|reply| reply.verbatim("a\nb"), "$3\r\na\nb\r\n", "=7\r\ntxt:a\nb\r\n"),
        ];
        for (append, resp2, resp3) in cases {
            assert_eq!(written(append), resp2);
            assert_eq!(
                written(|reply| (reply.set_protocol(Protocol::Resp3), append(reply)).1),
                resp3
            );
        }
    }

    #[test]
    fn a_reply_ends_at_its_limit() {
        let mut output = b"before".to_vec();
        let mut reply = Reply::with_max_len(&mut output, Protocol::Resp2, 100);
        let start = reply.position();
        reply.array(1000);
        reply.bulk([b'x'; 50]);
        assert!(!reply.is_too_long());
        for _ in 0..1000 {
            reply.bulk([b'x'; 50]);
        }
        assert!(reply.is_too_long() && reply.position() < 200);
        reply.take_back(start);
        assert!(!reply.is_too_long());
        assert_eq!(output, b"before");
    }

    #[test]
    fn numbers_of_any_size_are_framed() {
        for number in (-200..2000).chain([i64::MIN, i64::MAX]) {
            assert_eq!(written(|reply| reply.integer(number)), format!(":{number}\r\n"));
        }
        for len in (0..300).chain([65_536]) {
            let text = "x".repeat(len);
            assert_eq!(written(|reply| reply.bulk(&text)), format!("${len}\r\n{text}\r\n"));
        }
    }

    #[test]
    fn a_protocol_error_cannot_break_its_frame() {
        let error = ProtocolError::ExpectedBulk(b'\n');
        let bytes = written(|reply| reply.protocol_error(&error));
        assert_eq!(bytes, "-ERR Protocol error: expected '$', got ' '\r\n");
    }
}

//! Writing replies.

use super::ProtocolError;

const CRLF: &[u8] = b"\r\n";

/// Appends replies to an output.
///
/// The output is a vector, and not a connection: a reply is appended in the pieces it has, which
/// costs a few instructions each, and all replies to a batch of commands are sent as one.
#[derive(Debug)]
pub struct Reply<'a> {
    output: &'a mut Vec<u8>,
}

impl<'a> Reply<'a> {
    /// Creates a writer of replies that appends to `output`.
    pub fn new(output: &'a mut Vec<u8>) -> Self {
        Self { output }
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
        self.write(b"$-1\r\n");
    }

    /// Appends the answer for a list that does not exist.
    pub fn null_array(&mut self) {
        self.write(b"*-1\r\n");
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

    /// Appends a string of any bytes.
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.number(b'$', signed(bytes.len()));
        self.write(bytes);
        self.write(CRLF);
    }

    fn text(&mut self, marker: u8, text: &[u8]) {
        self.write(&[marker]);
        self.write(text);
        self.write(CRLF);
    }

    /// Appends a line with a number; the small ones, which most are, as one piece.
    fn number(&mut self, marker: u8, number: i64) {
        match number {
            0..10 => self.write(&[marker, b'0' + number as u8, b'\r', b'\n']),
            10..100 => {
                let (tens, ones) = (number as u8 / 10, number as u8 % 10);
                self.write(&[marker, b'0' + tens, b'0' + ones, b'\r', b'\n']);
            }
            _ => self.text(marker, itoa::Buffer::new().format(number).as_bytes()),
        }
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

//! The preformatted replies of a server.

use std::io::{self, Write};
use std::time::SystemTime;

use super::date::{DATE_LEN, Date};
use super::{Persistence, Status};

/// Bodies up to this length are stored behind each head, so that a reply is one append.
///
/// Beyond a page, the copies of the body would cost more memory than the second append costs time.
const MAX_STORED_BODY: usize = 4096;

/// What every successful reply starts with; the date follows.
const HEAD_START: &[u8] = b"HTTP/1.1 200 OK\r\nDate: ";

/// The reply to `Expect: 100-continue`.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The replies of a server whose every success has the same body.
///
/// One value serves all connections of an event loop. Nothing is formatted per request; the caller
/// keeps the date right by calling [`refresh`](Self::refresh) about once a second.
#[derive(Debug)]
pub struct Responses {
    implied: Response,
    confirmed: Response,
    close: Response,
    /// The body, if it is too long to be stored behind each head.
    long_body: Vec<u8>,
    date: Date,
}

impl Responses {
    /// Formats the replies with `body` and the date `now`.
    pub fn new(body: Vec<u8>, now: SystemTime) -> Self {
        let date = Date::new(now);
        let format = |persistence| Response::new(persistence, &body, &date);
        Self {
            implied: format(Persistence::Implied),
            confirmed: format(Persistence::Confirmed),
            close: format(Persistence::Close),
            long_body: if body.len() > MAX_STORED_BODY { body } else { Vec::new() },
            date,
        }
    }

    /// Sets the date of all replies, unless it is still the same second.
    pub fn refresh(&mut self, now: SystemTime) {
        if self.date.is_at(now) {
            return;
        }
        self.date = Date::new(now);
        for response in [&mut self.implied, &mut self.confirmed, &mut self.close] {
            response.set_date(&self.date);
        }
    }

    /// Writes a 200 (OK), with its body unless `head_only`, and returns its length.
    ///
    /// # Errors
    ///
    /// Those of `output`.
    pub fn write_ok(
        &self,
        persistence: Persistence,
        head_only: bool,
        output: &mut impl Write,
    ) -> io::Result<usize> {
        let response = match persistence {
            Persistence::Implied => &self.implied,
            Persistence::Confirmed => &self.confirmed,
            Persistence::Close => &self.close,
        };
        if head_only {
            let head = &response.bytes[..response.head_len];
            output.write_all(head)?;
            return Ok(head.len());
        }
        output.write_all(&response.bytes)?;
        if !self.long_body.is_empty() {
            output.write_all(&self.long_body)?;
        }
        Ok(response.bytes.len() + self.long_body.len())
    }

    /// Writes a 100 (Continue) and returns its length.
    ///
    /// # Errors
    ///
    /// Those of `output`.
    pub fn write_continue(&self, output: &mut impl Write) -> io::Result<usize> {
        output.write_all(CONTINUE)?;
        Ok(CONTINUE.len())
    }

    /// Writes the refusal of a request, which announces the end of the connection, and returns its
    /// length.
    ///
    /// It has no body, so that it is right for a HEAD request too.
    ///
    /// # Errors
    ///
    /// Those of `output`.
    pub fn write_error(&self, status: Status, output: &mut impl Write) -> io::Result<usize> {
        let mut bytes =
            format!("HTTP/1.1 {} {}\r\nDate: ", status.code(), status.reason()).into_bytes();
        bytes.extend_from_slice(self.date.as_bytes());
        bytes.extend_from_slice(b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        output.write_all(&bytes)?;
        Ok(bytes.len())
    }
}

/// A formatted reply.
#[derive(Debug)]
struct Response {
    /// The head, and the body behind it if that is short.
    bytes: Vec<u8>,
    head_len: usize,
}

impl Response {
    fn new(persistence: Persistence, body: &[u8], date: &Date) -> Self {
        let connection = match persistence {
            Persistence::Implied => "",
            Persistence::Confirmed => "Connection: keep-alive\r\n",
            Persistence::Close => "Connection: close\r\n",
        };
        let fields = format!(
            "\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n{connection}\r\n",
            body.len()
        );
        let mut bytes = [HEAD_START, date.as_bytes(), fields.as_bytes()].concat();
        let head_len = bytes.len();
        if body.len() <= MAX_STORED_BODY {
            bytes.extend_from_slice(body);
        }
        Self { bytes, head_len }
    }

    fn set_date(&mut self, date: &Date) {
        self.bytes[HEAD_START.len()..][..DATE_LEN].copy_from_slice(date.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// Counts the appends that a reply takes.
    #[derive(Default)]
    struct Counted {
        bytes: Vec<u8>,
        writes: usize,
    }

    impl Write for Counted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            self.bytes.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn reply(responses: &Responses, head_only: bool) -> Counted {
        let mut output = Counted::default();
        let len = responses.write_ok(Persistence::Implied, head_only, &mut output).unwrap();
        assert_eq!(len, output.bytes.len());
        output
    }

    #[test]
    fn appends_per_reply() {
        let cases = [(0, 1), (1, 1), (MAX_STORED_BODY, 1), (MAX_STORED_BODY + 1, 2)];
        for (body_len, writes) in cases {
            let responses = Responses::new(vec![b'x'; body_len], UNIX_EPOCH);
            let whole = reply(&responses, false);
            assert_eq!(whole.writes, writes);
            let head = reply(&responses, true).bytes;
            assert_eq!(whole.bytes, [&head[..], &vec![b'x'; body_len]].concat());
            let text = String::from_utf8(head).unwrap();
            assert!(text.contains(&format!("\r\nContent-Length: {body_len}\r\n")));
        }
    }

    #[test]
    fn dates() {
        let cases = [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
            // The clock was set back.
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (253_402_300_799, "Fri, 31 Dec 9999 23:59:59 GMT"),
            (253_402_300_800, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        let mut responses = Responses::new(Vec::new(), UNIX_EPOCH - Duration::from_secs(1));
        for (second, date) in cases {
            responses.refresh(UNIX_EPOCH + Duration::from_millis(second * 1000 + 999));
            for persistence in [Persistence::Implied, Persistence::Confirmed, Persistence::Close] {
                let mut output = Vec::new();
                responses.write_ok(persistence, false, &mut output).unwrap();
                responses.write_error(Status::BadRequest, &mut output).unwrap();
                let text = String::from_utf8(output).unwrap();
                assert_eq!(text.matches(&format!("\r\nDate: {date}\r\n")).count(), 2, "{text}");
            }
        }
    }
}

//! A reply that is formatted once and sent often.

use super::date::{DATE_LEN, Date};
use super::{Output, Persistence, Shared};

/// Bodies up to this length are stored behind each head, so that a reply is one append.
///
/// Beyond a page, the copies of the body would cost more memory than the second append costs time.
const MAX_STORED_BODY: usize = 4096;

/// What every page starts with; the date follows.
const HEAD_START: &[u8] = b"HTTP/1.1 200 OK\r\nDate: ";

/// A successful reply with a body that is always the same.
///
/// One value serves all connections of an event loop. Nothing is formatted per request; a service
/// keeps the date right by calling [`set_date`](Self::set_date) when it is
/// [told](super::Service::set_date) to. Copies share a long body.
#[derive(Clone, Debug)]
pub struct Page {
    implied: Formatted,
    confirmed: Formatted,
    close: Formatted,
    /// The body, if it is too long to be stored behind each head.
    long_body: Shared,
    body_len: u64,
}

impl Page {
    /// Formats a page with `body`, of which `content_type` says what it is.
    #[must_use]
    pub fn new(content_type: &str, body: Vec<u8>, date: &Date) -> Self {
        let format = |persistence| Formatted::new(persistence, content_type, &body, date);
        Self {
            implied: format(Persistence::Implied),
            confirmed: format(Persistence::Confirmed),
            close: format(Persistence::Close),
            body_len: body.len() as u64,
            long_body: if body.len() > MAX_STORED_BODY { body.into() } else { Shared::default() },
        }
    }

    /// Sets the date of all replies from now on.
    pub fn set_date(&mut self, date: &Date) {
        for reply in [&mut self.implied, &mut self.confirmed, &mut self.close] {
            reply.set_date(date);
        }
    }

    /// Returns the length of the body.
    #[must_use]
    pub fn body_len(&self) -> u64 {
        self.body_len
    }

    /// Writes the head, and the body behind it if that is short. Returns how many bytes that are,
    /// and the body that is still to be sent.
    #[inline]
    pub(super) fn write(
        &self,
        persistence: Persistence,
        head_only: bool,
        output: &mut impl Output,
    ) -> (usize, Option<&Shared>) {
        let reply = match persistence {
            Persistence::Implied => &self.implied,
            Persistence::Confirmed => &self.confirmed,
            Persistence::Close => &self.close,
        };
        if head_only {
            output.write(&reply.bytes[..reply.head_len]);
            return (reply.head_len, None);
        }
        output.write(&reply.bytes);
        (reply.bytes.len(), (!self.long_body.is_empty()).then_some(&self.long_body))
    }
}

/// A formatted reply.
#[derive(Clone, Debug)]
struct Formatted {
    /// The head, and the body behind it if that is short.
    bytes: Vec<u8>,
    head_len: usize,
}

impl Formatted {
    fn new(persistence: Persistence, content_type: &str, body: &[u8], date: &Date) -> Self {
        let fields = format!(
            "\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{}\r\n",
            body.len(),
            persistence.field(),
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
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use super::*;

    fn page(body: Vec<u8>, now: SystemTime) -> Page {
        Page::new("text/plain", body, &Date::new(now))
    }

    #[test]
    fn a_short_body_stands_behind_the_head_and_a_long_one_is_shared() {
        for body_len in [0, 1, MAX_STORED_BODY, MAX_STORED_BODY + 1] {
            let page = page(vec![b'x'; body_len], UNIX_EPOCH);
            let [mut whole, mut head] = [Vec::new(), Vec::new()];
            let (len, shared) = page.write(Persistence::Implied, false, &mut whole);
            assert_eq!(len, whole.len());
            assert_eq!(
                shared.map_or(0, Shared::len),
                [0, body_len as u64][usize::from(body_len > 4096)]
            );
            assert_eq!(page.write(Persistence::Implied, true, &mut head).0, head.len());
            let stored = if body_len > MAX_STORED_BODY { 0 } else { body_len };
            assert_eq!(whole, [&head[..], &vec![b'x'; stored]].concat());
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
        let mut page = page(Vec::new(), UNIX_EPOCH - Duration::from_secs(1));
        for (second, text) in cases {
            let date = Date::new(UNIX_EPOCH + Duration::from_millis(second * 1000 + 999));
            assert_eq!(date.as_str(), text);
            page.set_date(&date);
            for persistence in [Persistence::Implied, Persistence::Confirmed, Persistence::Close] {
                let mut output = Vec::new();
                page.write(persistence, false, &mut output);
                let reply = String::from_utf8(output).unwrap();
                assert_eq!(reply.matches(&format!("\r\nDate: {text}\r\n")).count(), 1, "{reply}");
            }
        }
    }
}

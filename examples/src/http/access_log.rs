//! Who asked for what, and what was answered.

use std::borrow::Cow;

use evio::Conn;

use super::Date;
use crate::logger::Lines;

/// The access log of a server, in the Common Log Format that began with NCSA httpd: a line for each
/// reply, with the client's address, the time, the request line, the status and the length of the
/// body.
///
/// A line is written when the reply begins. That all of it was sent is not known then.
#[derive(Clone, Debug)]
pub struct AccessLog {
    lines: Lines,
}

impl AccessLog {
    /// Logs to `lines`.
    #[must_use]
    pub fn new(lines: Lines) -> Self {
        Self { lines }
    }

    pub(super) fn write(
        &self,
        conn: &Conn<'_>,
        date: &Date,
        request_line: &str,
        code: u16,
        length: u64,
    ) {
        let peer = conn.peer_addr().ok().and_then(|peer| peer.as_inet());
        let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.ip().to_string());
        let time = time(date);
        // A request line holds no quote: the grammar of targets refuses it.
        let request_line = shortened(request_line);
        self.lines.write(format_args!("{peer} - - [{time}] \"{request_line}\" {code} {length}"));
    }
}

/// The longest request line that is logged in full, in bytes: the status behind it must not be cut
/// off by the limit of a line.
const MAX_REQUEST_LINE: usize = 2048;

fn shortened(request_line: &str) -> Cow<'_, str> {
    if request_line.len() <= MAX_REQUEST_LINE {
        return request_line.into();
    }
    let end = (0..=MAX_REQUEST_LINE).rev().find(|&end| request_line.is_char_boundary(end));
    format!("{}...", &request_line[..end.unwrap_or(0)]).into()
}

/// Writes the time in the order of that format.
fn time(date: &Date) -> String {
    // Sun, 06 Nov 1994 08:49:37 GMT
    let text = date.as_str();
    format!("{}/{}/{}:{} +0000", &text[5..7], &text[8..11], &text[12..16], &text[17..25])
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_long_request_line_is_cut_and_says_so() {
        let line = format!("GET /{} HTTP/1.1", "a".repeat(8000));
        let cut = shortened(&line);
        assert!(cut.starts_with("GET /aaa") && cut.ends_with("aaa..."), "{cut:.20}");
        assert_eq!(cut.len(), MAX_REQUEST_LINE + 3);
        assert_eq!(shortened("GET / HTTP/1.1"), "GET / HTTP/1.1");
    }

    #[test]
    fn times() {
        let date = Date::new(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(time(&date), "06/Nov/1994:08:49:37 +0000");
    }
}

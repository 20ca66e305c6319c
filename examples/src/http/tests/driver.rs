//! Plays sessions against [`Exchange`] the way the server does, and compares them with a table.

use std::time::{Duration, UNIX_EPOCH};

use crate::http::{
    Answer, Date, Exchange, Flow, MAX_HEAD, Page, Persistence, Reply as Replied, Request, Service,
};

/// A body limit small enough to reach in a test.
pub(super) const MAX_BODY: u64 = 1000;

/// A valid request, which is answered with [`Reply::OK`].
pub(super) const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// What a client sends, and what must come back.
pub(super) struct Case {
    pub(super) input: Vec<u8>,
    pub(super) replies: Vec<Reply>,
}

/// One reply, written down here independently of the code under test.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reply {
    Ok(Persistence),
    OkToHead(Persistence),
    Continue,
    Error(&'static str),
    /// The same, to a HEAD request.
    ErrorToHead(&'static str),
}

/// Answers every request with the same page, once its body is there.
pub(super) struct Site(pub(super) Page);

impl Site {
    pub(super) fn new(body: Vec<u8>) -> Self {
        Self(Page::new("text/plain", body, &test_date()))
    }
}

impl Service for Site {
    type Pending = ();

    fn begin(&mut self, _: &Request<'_>) -> Answer<()> {
        Answer::Later(())
    }

    fn finish(&mut self, (): ()) -> Replied<'_> {
        (&self.0).into()
    }
}

/// What came back.
#[derive(PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) bytes: Vec<u8>,
    pub(super) closed: bool,
}

impl Reply {
    pub(super) const OK: Self = Self::Ok(Persistence::Implied);
    pub(super) const OK_KEEP_ALIVE: Self = Self::Ok(Persistence::Confirmed);
    pub(super) const OK_CLOSE: Self = Self::Ok(Persistence::Close);
    pub(super) const BAD_REQUEST: Self = Self::Error("400 Bad Request");
    pub(super) const TOO_LARGE: Self = Self::Error("413 Content Too Large");
    pub(super) const URI_TOO_LONG: Self = Self::Error("414 URI Too Long");
    pub(super) const NOT_EXPECTED: Self = Self::Error("417 Expectation Failed");
    pub(super) const FIELDS_TOO_LARGE: Self = Self::Error("431 Request Header Fields Too Large");
    pub(super) const NOT_IMPLEMENTED: Self = Self::Error("501 Not Implemented");
    pub(super) const BAD_VERSION: Self = Self::Error("505 HTTP Version Not Supported");

    fn to_bytes(self) -> Vec<u8> {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
        let head = |persistence| {
            let connection = match persistence {
                Persistence::Implied => "",
                Persistence::Confirmed => "Connection: keep-alive\r\n",
                Persistence::Close => "Connection: close\r\n",
            };
            format!(
                "HTTP/1.1 200 OK\r\n{date}\r\nContent-Type: text/plain\r\nContent-Length: 14\r\n\
                 {connection}\r\n"
            )
        };
        let error_head = |status: &str| {
            let length = status.len() + 1;
            format!(
                "HTTP/1.1 {status}\r\n{date}\r\nContent-Type: text/plain\r\n\
                 Content-Length: {length}\r\nConnection: close\r\n\r\n"
            )
        };
        let text = match self {
            Self::Ok(persistence) => head(persistence) + "Hello World!\r\n",
            Self::OkToHead(persistence) => head(persistence),
            Self::Continue => "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
            Self::Error(status) => error_head(status) + status + "\n",
            Self::ErrorToHead(status) => error_head(status),
        };
        text.into_bytes()
    }

    fn closes(self) -> bool {
        match self {
            Self::Ok(persistence) | Self::OkToHead(persistence) => {
                persistence == Persistence::Close
            }
            Self::Continue => false,
            Self::Error(_) | Self::ErrorToHead(_) => true,
        }
    }
}

/// The moment that all replies of the tests are dated: the example of RFC 9110, section 5.6.7.
pub(super) fn test_date() -> Date {
    Date::new(UNIX_EPOCH + Duration::from_secs(784_111_777))
}

pub(super) fn case(input: impl AsRef<[u8]>, replies: &[Reply]) -> Case {
    Case { input: input.as_ref().to_vec(), replies: replies.to_vec() }
}

/// A GET request with one more field line.
pub(super) fn with_field(line: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", line.as_ref(), b"\r\n\r\n"].concat()
}

/// A POST request with more field lines, and a body.
pub(super) fn post(lines: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n");
    [head.as_bytes(), body.as_ref()].concat()
}

/// A POST request with a chunked body.
pub(super) fn chunked(body: impl AsRef<[u8]>) -> Vec<u8> {
    post("Transfer-Encoding: chunked", body)
}

/// A request with this request line.
pub(super) fn with_line(line: impl AsRef<[u8]>) -> Vec<u8> {
    [line.as_ref(), b"\r\nHost: a\r\n\r\n"].concat()
}

/// Sends `chunks` one after the other, as the server sees them, and collects the replies.
///
/// `room` is what the output may take before the server waits for the client to read.
pub(super) fn session<'a>(chunks: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Outcome {
    let date = test_date();
    let mut site = Site::new(b"Hello World!\r\n".to_vec());
    let mut exchange = Exchange::new(MAX_BODY);
    let mut kept = Vec::new();
    let mut bytes = Vec::new();
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        loop {
            let progress = exchange.advance(&kept, &mut site, &date, &mut bytes, room);
            kept.drain(..progress.consumed);
            match progress.flow {
                Flow::Continue => break,
                Flow::Blocked => assert!(progress.consumed > 0, "blocked without progress"),
                Flow::Finished => panic!("the server does not end"),
                Flow::Abort => panic!("a page can be completed"),
                Flow::Close => {
                    assert!(kept.is_empty(), "input is left over after the end");
                    let end = bytes.len();
                    let _ = exchange.advance(GET, &mut site, &date, &mut bytes, room);
                    assert_eq!(bytes.len(), end, "a request was executed after the end");
                    return Outcome { bytes, closed: true };
                }
            }
        }
        assert!(kept.len() <= MAX_HEAD + 32, "{} bytes kept", kept.len());
    }
    Outcome { bytes, closed: false }
}

/// Gives up a request that is not whole, the first one or that behind a HEAD, however it was split.
pub(super) fn check_timeout(input: &[u8], is_first: bool, reply: Reply) {
    let date = test_date();
    let before = [Reply::OkToHead(Persistence::Implied)];
    let replies = before[usize::from(is_first)..].iter().chain([&reply]);
    let expected: Vec<u8> = replies.flat_map(|reply| reply.to_bytes()).collect();
    for size in [input.len(), 1] {
        let mut site = Site::new(b"Hello World!\r\n".to_vec());
        let mut exchange = Exchange::new(MAX_BODY);
        let (mut kept, mut bytes) = (Vec::new(), Vec::new());
        for chunk in input.chunks(size) {
            kept.extend_from_slice(chunk);
            let progress = exchange.advance(&kept, &mut site, &date, &mut bytes, usize::MAX);
            assert_eq!(progress.flow, Flow::Continue);
            kept.drain(..progress.consumed);
        }
        exchange.time_out(&kept, &date, &mut bytes);
        let shown = (bytes.escape_ascii(), input.escape_ascii());
        assert!(bytes == expected, "{} to {}", shown.0, shown.1);
    }
}

/// Plays each case whole, cut in two everywhere, byte by byte, and behind a valid request.
pub(super) fn check(cases: impl IntoIterator<Item = Case>) {
    for Case { input, replies } in cases {
        check_ways_to_send(&input, &replies);
        check_ways_to_send(&[GET, &input].concat(), &[&[Reply::OK], &replies[..]].concat());
        if replies.last().is_some_and(|reply| reply.closes()) {
            check_ways_to_send(&[&input, GET].concat(), &replies);
        }
    }
}

fn check_ways_to_send(input: &[u8], replies: &[Reply]) {
    let expected = Outcome {
        bytes: replies.iter().flat_map(|reply| reply.to_bytes()).collect(),
        closed: replies.last().is_some_and(|reply| reply.closes()),
    };
    expect(&expected, &session([input], usize::MAX), input, "whole");
    expect(&expected, &session([input], 1), input, "one reply at a time");
    expect(&expected, &session(input.chunks(1), usize::MAX), input, "byte by byte");
    for cut in cuts(input.len()) {
        let (left, right) = input.split_at(cut);
        expect(&expected, &session([left, right], usize::MAX), input, &format!("cut at {cut}"));
    }
}

/// Every place to cut an input, or, if it is long, those near its ends and a sample between.
fn cuts(len: usize) -> impl Iterator<Item = usize> {
    (1..len).filter(move |&cut| len < 1000 || cut < 20 || len - cut < 20 || cut % 2003 == 0)
}

fn expect(expected: &Outcome, actual: &Outcome, input: &[u8], way: &str) {
    let show = |bytes: &[u8]| bytes[..bytes.len().min(600)].escape_ascii().to_string();
    assert!(
        expected == actual,
        "input ({way}): {}\nexpected (closed: {}): {}\nactual (closed: {}): {}",
        show(input),
        expected.closed,
        show(&expected.bytes),
        actual.closed,
        show(&actual.bytes),
    );
}

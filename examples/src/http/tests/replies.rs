//! Services whose replies are made for each request, and do not fit into the output at once.

use std::io;

use super::driver::{GET, MAX_BODY, post, test_date, with_field};
use crate::http::{
    Answer, Exchange, Flow, Phase, Progress, Reply, ReplyBody, Request, Response, Service, Shared,
    Status, Stream,
};

/// Bytes that count up, of which fewer may come than were promised.
#[derive(Debug)]
struct Counting {
    next: u64,
    promised: u64,
    there: u64,
}

impl Stream for Counting {
    fn remaining(&self) -> u64 {
        self.promised - self.next
    }

    fn read_piece(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Never more than a prime number, so that no length fits by chance.
        let len = (self.there - self.next).min(buffer.len() as u64).min(1009);
        (self.next..self.next + len).zip(buffer).for_each(|(number, byte)| *byte = number as u8);
        self.next += len;
        Ok(len as usize)
    }
}

const LONG: u64 = 300_000;

/// Answers as the path says.
struct Paths;

impl Service for Paths {
    type Pending = Vec<u8>;

    fn begin(&mut self, request: &Request<'_>) -> Answer<Vec<u8>> {
        let stream = |there| {
            let body = Counting { next: 0, promised: LONG, there };
            Answer::Now(Response::new(Status::OK).body(ReplyBody::Stream(Box::new(body))))
        };
        match request.path() {
            "/stream" => stream(LONG),
            "/short" => stream(LONG / 2),
            "/shared" => {
                let body = Shared::from(vec![b's'; LONG as usize]);
                Answer::Now(Response::new(Status::OK).body(ReplyBody::Shared(body)))
            }
            "/none" => Answer::Now(Response::new(Status::NO_CONTENT)),
            "/forged" => Answer::Now(Response::new(Status::OK).field("X", "a\r\nSet-Cookie: b")),
            _ => Answer::Later(Vec::new()),
        }
    }

    fn body(&mut self, body: &mut Vec<u8>, piece: &[u8]) -> Result<(), Status> {
        if piece.contains(&b'!') {
            return Err(Status::new(422));
        }
        body.extend_from_slice(piece);
        Ok(())
    }

    fn finish(&mut self, body: Vec<u8>) -> Reply<'_> {
        Response::new(Status::OK).body(ReplyBody::Owned(body)).into()
    }
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}

/// Sends `input` whole and takes `room` bytes of output at a time, or a little more.
fn play(input: &[u8], room: usize) -> (Vec<u8>, Flow) {
    let mut exchange = Exchange::new(MAX_BODY);
    let (mut rest, mut all) = (input, Vec::new());
    loop {
        let mut output = Vec::new();
        let Progress { consumed, flow } =
            exchange.advance(rest, &mut Paths, &test_date(), &mut output, room);
        rest = &rest[consumed..];
        assert!(output.len() < room.saturating_add(70_000), "{} bytes at once", output.len());
        all.extend_from_slice(&output);
        if flow != Flow::Blocked {
            return (all, flow);
        }
        assert_eq!(exchange.phase(flow, rest.len()), Phase::Reply);
    }
}

fn body_of(reply: &[u8]) -> &[u8] {
    let end = reply.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    &reply[end + 4..]
}

#[test]
fn long_bodies_come_piece_by_piece_and_whole() {
    let counted: Vec<u8> = (0..LONG).map(|number| number as u8).collect();
    for (path, expected) in [("/stream", counted), ("/shared", vec![b's'; LONG as usize])] {
        for room in [1, 100_000, LONG as usize + 1000, usize::MAX] {
            let (reply, flow) = play(&get(path), room);
            assert!(body_of(&reply) == expected, "{path} with room for {room}");
            assert_eq!(flow, Flow::Continue);
            // The next request waits for the end of the body, and is then answered.
            let (replies, flow) = play(&[&get(path)[..], GET].concat(), room);
            assert!(replies.starts_with(&reply), "{path} with room for {room}");
            assert!(replies.ends_with(b"Content-Length: 0\r\n\r\n") && flow == Flow::Continue);
        }
        let last = format!("GET {path} HTTP/1.0\r\n\r\n");
        let (reply, flow) = play(&[last.as_bytes(), GET].concat(), 1);
        assert!(body_of(&reply) == expected && flow == Flow::Close);
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let (reply, flow) = play(head.as_bytes(), 1);
        let text = String::from_utf8(reply).unwrap();
        assert!(text.ends_with("Content-Length: 300000\r\n\r\n") && flow == Flow::Continue);
    }
}

/// A clean end would look like a whole body to a client that does not count.
#[test]
fn a_body_that_cannot_be_completed_aborts() {
    for room in [1, usize::MAX] {
        let (reply, flow) = play(&[&get("/short")[..], GET].concat(), room);
        assert_eq!((body_of(&reply).len() as u64, flow), (LONG / 2, Flow::Abort));
    }
}

/// HEAD has almost no output, and a service may do as much for it as for GET.
#[test]
fn what_costs_more_than_it_writes_uses_up_the_room_too() {
    let count = |path, requests: usize, room| {
        let request = format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let input = request.repeat(requests);
        let (mut exchange, mut output) = (Exchange::new(MAX_BODY), Vec::new());
        let progress =
            exchange.advance(input.as_bytes(), &mut Paths, &test_date(), &mut output, room);
        assert_eq!(progress.flow, Flow::Blocked, "{path}");
        assert_eq!(exchange.phase(progress.flow, 0), Phase::Reply);
        let replies = output.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
        assert_eq!(progress.consumed, replies * request.len(), "{path}");
        replies
    };
    assert_eq!(count("/stream", 300, 256 << 10), 1);
    assert_eq!(count("/shared", 300, 256 << 10), 1);
    assert!((50..=64).contains(&count("/none", 300, 256 << 10)));
    // The last one too: what follows it is not read before its turn.
    assert_eq!(count("/stream", 1, 1), 1);
}

#[test]
fn a_response_that_needs_no_body_waits_for_its_end() {
    let request = post("Content-Length: 3", "abc");
    let request = [&b"POST /none"[..], &request[b"POST /".len()..]].concat();
    let (reply, flow) = play(&[&request, GET].concat(), usize::MAX);
    let text = String::from_utf8(reply).unwrap();
    assert!(text.starts_with("HTTP/1.1 204 No Content\r\n") && flow == Flow::Continue);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 2);
    assert_eq!(text.matches("Content-Length").count(), 1, "a 204 has none: {text}");
    for cut in 1..request.len() {
        let mut exchange = Exchange::new(MAX_BODY);
        let mut output = Vec::new();
        let progress = exchange.advance(&request[..cut], &mut Paths, &test_date(), &mut output, 1);
        assert!(output.is_empty() && progress.flow == Flow::Continue, "cut at {cut}");
    }
}

#[test]
fn a_service_refuses_a_body_in_the_middle_of_it() {
    let (reply, flow) = play(&post("Content-Length: 9", "ab!"), usize::MAX);
    assert!(reply.starts_with(b"HTTP/1.1 422 ") && flow == Flow::Close);
    assert!(String::from_utf8(reply).unwrap().contains("\r\nConnection: close\r\n"));
}

#[test]
fn a_field_value_cannot_begin_another_field() {
    let (reply, _) = play(&get("/forged"), usize::MAX);
    assert!(String::from_utf8(reply).unwrap().contains("\r\nX: a  Set-Cookie: b\r\n"));
}

/// The last reply says so if it has not begun, and all that was asked is answered.
#[test]
fn the_last_replies_of_a_server_that_ends() {
    let close = "\r\nConnection: close\r\n";
    let mut exchange = Exchange::new(MAX_BODY);
    let mut output = Vec::new();
    let input = [&get("/stream")[..], GET, &get("/none")].concat();
    let progress = exchange.advance(&input, &mut Paths, &test_date(), &mut output, 1);
    assert_eq!(progress.flow, Flow::Blocked);
    exchange.finish();
    let rest = &input[progress.consumed..];
    let progress = exchange.advance(rest, &mut Paths, &test_date(), &mut output, usize::MAX);
    assert_eq!(progress, Progress { consumed: rest.len(), flow: Flow::Close });
    let text = String::from_utf8_lossy(&output);
    assert_eq!((text.matches("HTTP/1.1 2").count(), text.matches(close).count()), (3, 1));
    assert!(text.ends_with("\r\nConnection: close\r\n\r\n"));
    // One that has nothing to answer is finished at once; one in the middle of a request goes on.
    for (input, flow) in [(&b""[..], Flow::Finished), (b"GET", Flow::Continue)] {
        let mut exchange = Exchange::new(MAX_BODY);
        exchange.finish();
        let mut output = Vec::new();
        let progress = exchange.advance(input, &mut Paths, &test_date(), &mut output, 1);
        assert_eq!((progress.flow, output.len()), (flow, 0));
    }
}

#[test]
fn phases() {
    let cases: [(Vec<u8>, Phase); 6] = [
        (Vec::new(), Phase::Idle),
        (GET.to_vec(), Phase::Idle),
        (b"\r\n".to_vec(), Phase::Idle),
        (b"GET ".to_vec(), Phase::Head),
        (post("Content-Length: 3", "ab"), Phase::Body),
        (post("Transfer-Encoding: chunked", "1\r\na\r\n0\r\n"), Phase::Body),
    ];
    for (input, phase) in cases {
        let mut exchange = Exchange::new(MAX_BODY);
        let progress =
            exchange.advance(&input, &mut Paths, &test_date(), &mut Vec::new(), usize::MAX);
        let unread = input.len() - progress.consumed;
        assert_eq!(exchange.phase(progress.flow, unread), phase, "{}", input.escape_ascii());
    }
}

#[test]
fn targets_and_fields_as_a_service_sees_them() {
    let mut parser = crate::http::Parser::new(MAX_BODY);
    let parsed = |input: &[u8], parser: &mut crate::http::Parser| {
        let mut rest = input;
        match parser.step(&mut rest) {
            crate::http::Step::Request(request) => {
                let fields = request
                    .fields()
                    .map(|(name, value)| format!("{name}={}", value.escape_ascii()));
                let all = fields.collect::<Vec<_>>().join(" ");
                let seen = format!("{} {:?} {all}", request.path(), request.query());
                assert_eq!(parser.step(&mut rest), crate::http::Step::End);
                seen
            }
            step => panic!("{step:?}"),
        }
    };
    let cases = [
        ("/a/b?c=d?e", "/a/b Some(\"c=d?e\")"),
        ("/?", "/ Some(\"\")"),
        ("/a://b?c", "/a://b Some(\"c\")"),
        ("http://a:80", "/ None"),
        ("HTTP://a?b://c/d", "/ Some(\"b://c/d\")"),
        ("https://[::1]/x/", "/x/ None"),
    ];
    for (target, expected) in cases {
        let request = format!("GET {target} HTTP/1.1\r\nHost:\ta \r\nX:\r\ny:z:\t\r\n\r\n");
        let seen = parsed(request.as_bytes(), &mut parser);
        assert_eq!(seen, format!("{expected} Host=a X= y=z:"));
    }
    let request = with_field("A: 1\r\na: 2\r\nB: \u{e9}");
    let seen = parsed(&request, &mut parser);
    assert_eq!(seen, "/ None Host=a A=1 a=2 B=\\xc3\\xa9");
}

//! Everything a peer can make grow, at its limit and one past it.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::driver::{
    GET, MAX_BODY, Reply, Site, case, check, chunked, post, session, test_date, with_field,
    with_line,
};
use crate::http::files::{Config, Files};
use crate::http::{
    Answer, Exchange, Flow, MAX_CHUNK_OVERHEAD, MAX_FIELDS, MAX_HEAD, MAX_TARGET, Reply as Replied,
    Request, Service,
};

/// A GET request whose head has `len` bytes.
fn head_of(len: usize) -> Vec<u8> {
    let padding = len - with_field("X: ").len();
    with_field(format!("X: {}", "x".repeat(padding)))
}

fn fields(count: usize) -> Vec<u8> {
    let others: Vec<String> = (1..count).map(|i| format!("X-{i}: {i}")).collect();
    with_field(others.join("\r\n"))
}

fn target(len: usize) -> Vec<u8> {
    with_line(format!("GET /{} HTTP/1.1", "a".repeat(len - 1)))
}

/// Chunks with `overhead` bytes of extensions and trailers, some of each.
fn overhead(overhead: usize) -> Vec<u8> {
    let extension = format!(";{}", "e".repeat(5999));
    let trailer_len = overhead - 2 * extension.len();
    let trailer = format!("T: {}\r\n", "t".repeat(trailer_len - "T: \r\n".len()));
    chunked(format!("1{extension}\r\nx\r\n1{extension}\r\nx\r\n0\r\n{trailer}\r\n"))
}

#[test]
fn heads() {
    check([
        case(head_of(MAX_HEAD), &[Reply::OK]),
        case(head_of(MAX_HEAD + 1), &[Reply::FIELDS_TOO_LARGE]),
        case(fields(MAX_FIELDS), &[Reply::OK]),
        case(fields(MAX_FIELDS + 1), &[Reply::FIELDS_TOO_LARGE]),
        case(target(MAX_TARGET), &[Reply::OK]),
        case(target(MAX_TARGET + 1), &[Reply::URI_TOO_LONG]),
        case(target(2 * MAX_HEAD), &[Reply::URI_TOO_LONG]),
        case([b"\r\n\r\n\r\n\r\n\r\n", GET].concat(), &[Reply::BAD_REQUEST]),
    ]);
}

/// Blank lines before a request do not shorten what its head may be.
#[test]
fn blank_lines_do_not_count() {
    check([case([b"\r\n\r\n", &head_of(MAX_HEAD)[..]].concat(), &[Reply::OK])]);
}

/// The fault that comes first decides, whether or not the rest has arrived.
#[test]
fn several_faults() {
    let long = |start: &str| format!("{start}{}", "X: y\r\n".repeat(MAX_HEAD / 6));
    check([
        case(long("GET admin HTTP/1.1\r\n"), &[Reply::BAD_REQUEST]),
        case(long("GET / HTTP/3.0\r\n"), &[Reply::BAD_VERSION]),
        case(long("GET / HTTP/1.1\r\nX[]: y\r\n"), &[Reply::FIELDS_TOO_LARGE]),
        case(long("GET / HTTP/1.1\r\nX: \x01\r\n"), &[Reply::BAD_REQUEST]),
        case([&target(9000)[..], b"X: \x01\r\n\r\n"].concat(), &[Reply::URI_TOO_LONG]),
        case(with_line(format!("GET /{}\x01 HTTP/1.1", "a".repeat(9000))), &[Reply::BAD_REQUEST]),
    ]);
}

#[test]
fn bodies() {
    let too_large = |input: Vec<u8>| case(input, &[Reply::TOO_LARGE]);
    let max = "x".repeat(MAX_BODY as usize);
    check([
        case(post("Content-Length: 1000", &max), &[Reply::OK]),
        too_large(post("Content-Length: 1001", &max)),
        too_large(post("Content-Length: 9223372036854775807", "")),
        too_large(post("Expect: 100-continue\r\nContent-Length: 1001", "")),
        case(chunked(format!("3e8\r\n{max}\r\n0\r\n\r\n")), &[Reply::OK]),
        too_large(chunked(format!("3e8\r\n{max}\r\n1\r\nx\r\n0\r\n\r\n"))),
        too_large(chunked("3e9\r\n")),
        too_large(chunked("7fffffffffffffff\r\n")),
        too_large(chunked(format!("{}2\r\nxx\r\n", "1\r\nx\r\n".repeat(999)))),
    ]);
}

#[test]
fn chunk_overhead() {
    let bad = |body: String| case(chunked(body), &[Reply::BAD_REQUEST]);
    check([
        case(overhead(MAX_CHUNK_OVERHEAD), &[Reply::OK]),
        case(overhead(MAX_CHUNK_OVERHEAD + 1), &[Reply::BAD_REQUEST]),
        bad(format!("1;{}\r\nx\r\n0\r\n\r\n", "e".repeat(MAX_CHUNK_OVERHEAD))),
        bad(format!("1;{}\r\nx\r\n", "e".repeat(127)).repeat(MAX_CHUNK_OVERHEAD / 128 + 1)),
        bad(format!("0\r\nX: {}\r\n\r\n", "x".repeat(MAX_CHUNK_OVERHEAD))),
        bad(format!("0\r\n{}\r\n", "X: y\r\n".repeat(MAX_FIELDS + 1))),
        bad("5".repeat(2 * MAX_CHUNK_OVERHEAD)),
    ]);
}

/// Junk ends the connection after a bounded number of bytes, however much of it there is.
#[test]
fn junk() {
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x5a\x0d\x0a\x0d\x0a";
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    let mebibyte = 1024 * 1024;
    let junk: [Vec<u8>; 6] = [
        hello.to_vec(),
        (0..mebibyte).map(|_| random()).collect(),
        b"\r\n".repeat(mebibyte / 2),
        vec![0; mebibyte],
        vec![b'A'; mebibyte],
        vec![b'\n'; mebibyte],
    ];
    for bytes in junk {
        let outcomes = [1, 1000, mebibyte].map(|size| session(bytes.chunks(size), usize::MAX));
        for outcome in &outcomes {
            assert!(outcome.closed && outcome.bytes.starts_with(b"HTTP/1.1 4"));
            assert!(*outcome == outcomes[0]);
        }
        let bounded = session([&bytes[..bytes.len().min(MAX_HEAD)]], usize::MAX);
        assert!(bounded == outcomes[0], "needs more than {MAX_HEAD} bytes");
    }
}

/// A page of requests cannot make one call write without end.
#[test]
fn output_of_one_call() {
    let (mut site, date) = (Site::new(vec![b'x'; 10_000]), test_date());
    let input = GET.repeat(1000);
    let mut exchange = Exchange::new(MAX_BODY);
    let (mut output, mut rest, mut calls) = (Vec::new(), &input[..], 0);
    while !rest.is_empty() {
        output.clear();
        let progress = exchange.advance(rest, &mut site, &date, &mut output, 50_000);
        assert!(output.len() < 50_000 + 11_000);
        rest = &rest[progress.consumed..];
        calls += 1;
        assert_eq!(progress.flow, Flow::Blocked);
    }
    let progress = exchange.advance(rest, &mut site, &date, &mut output, 50_000);
    assert_eq!(progress.flow, Flow::Continue);
    assert_eq!(calls, 200);
}

/// Directories of links that lead nowhere: much work, and next to no output.
#[test]
fn entries_that_were_looked_at_take_room() {
    const DIRECTORIES: usize = 20;
    let base = TempDir::new().unwrap();
    for number in 0..DIRECTORIES {
        let dir = base.path().join(number.to_string());
        fs::create_dir(&dir).unwrap();
        for link in 0..100 {
            symlink("gone", dir.join(link.to_string())).unwrap();
        }
    }
    let config = Config { list_directories: true, ..Config::default() };
    let mut site = Directory(Files::open(base.path(), config).unwrap());
    let get = |number: usize| with_line(format!("GET /{number}/ HTTP/1.1"));
    let input: Vec<u8> = (0..DIRECTORIES).flat_map(get).collect();
    let calls = |site: &mut Directory| {
        let mut exchange = Exchange::new(MAX_BODY);
        let (mut rest, mut calls) = (&input[..], 0);
        while !rest.is_empty() {
            let progress = exchange.advance(rest, site, &test_date(), &mut Vec::new(), 256 << 10);
            rest = &rest[progress.consumed..];
            calls += 1;
        }
        calls
    };
    assert_eq!(calls(&mut site), 4, "for some 500 entries each");
    assert_eq!(calls(&mut site), 1, "the lists are there");
}

/// Answers with the files of a directory.
struct Directory(Files);

impl Service for Directory {
    type Pending = ();

    fn begin(&mut self, request: &Request<'_>) -> Answer<()> {
        Answer::Now(self.0.respond(request, &test_date()))
    }

    fn finish(&mut self, (): ()) -> Replied<'_> {
        unreachable!("each request is answered at once")
    }
}

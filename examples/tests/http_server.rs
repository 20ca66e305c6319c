//! `http-server`, with curl and with bytes of our own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};

use util::{Server, exchange, installed, run, socket_path};

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

fn count(haystack: &[u8], needle: &str) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle.as_bytes()).count()
}

#[test]
fn pipelined_requests_are_answered_one_by_one() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "100000"], 1);
    let request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200);
    let last = "GET /?a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\n";
    let reply = exchange(&server, (request + last).as_bytes());
    assert_eq!(count(&reply, "HTTP/1.1 200 OK\r\n"), 201);
    // Each head has one more, in `text/plain`.
    let exes = reply.iter().filter(|&&byte| byte == b'x').count();
    assert_eq!(exes, 201 * (100_000 + 1));
}

#[test]
fn every_split_of_two_requests_gives_the_same_replies() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "3"], 1);
    let request = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nhello\r\n0\r\n\r\n\
        GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for split in 1..request.len() {
        let mut client = server.connect();
        client.set_nodelay(true).unwrap();
        client.write_all(&request[..split]).unwrap();
        client.write_all(&request[split..]).unwrap();
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
        assert_eq!(count(&reply, "HTTP/1.1 200 OK\r\n"), 2, "split at {split}");
        assert_eq!(count(&reply, "\r\n\r\nhello"), 1, "split at {split}");
        assert_eq!(count(&reply, "\r\n\r\nxxx"), 1, "split at {split}");
    }
}

#[test]
fn errors_are_answered_and_end_the_connection() {
    let server = Server::start(HTTP_SERVER, &["--port", "0"], 1);
    let cases: [(&[u8], &str); 4] = [
        (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        (b"nonsense\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "HTTP/1.1 505 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n", "HTTP/1.1 413 "),
    ];
    for (request, expected) in cases {
        let reply = exchange(&server, request);
        assert!(reply.starts_with(expected.as_bytes()), "{}", String::from_utf8_lossy(&reply));
        assert_eq!(count(&reply, "HTTP/1.1 "), 1, "nothing after an error is answered");
        // In words too, for somebody who looks at it in a browser.
        let reason = &reply[b"HTTP/1.1 ".len()..].split(|&byte| byte == b'\r').next().unwrap();
        assert!(reply.ends_with(&[reason, &b"\n"[..]].concat()));
    }
}

#[test]
fn methods() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "3"], 1);
    let cases = [
        ("GET /any", "", "200", ""),
        ("HEAD /any", "", "200", ""),
        ("POST /echo", "abc", "200", ""),
        ("POST /any", "abc", "405", "Allow: GET, HEAD, OPTIONS\r\n"),
        ("DELETE /any", "", "405", "Allow: GET, HEAD, OPTIONS\r\n"),
        ("GET /echo", "", "405", "Allow: POST, OPTIONS\r\n"),
        ("OPTIONS /any", "", "204", "Allow: GET, HEAD, OPTIONS\r\n"),
        ("OPTIONS *", "", "204", "Allow: GET, HEAD, POST, OPTIONS\r\n"),
    ];
    for (start, body, code, allow) in cases {
        let length = body.len();
        let request =
            format!("{start} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}");
        // The connection goes on, and what follows is found: the body was read.
        let next = "GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        let reply = String::from_utf8(exchange(&server, (request + next).as_bytes())).unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {code} ")), "{start}: {reply}");
        assert!(reply.contains(allow), "{start}: {reply}");
        assert_eq!(reply.contains("Allow"), !allow.is_empty(), "{start}: {reply}");
        assert!(reply.ends_with("Connection: close\r\n\r\nxxx"), "{start}: {reply}");
        assert_eq!(reply.matches("HTTP/1.1 ").count(), 2, "{start}: {reply}");
    }
}

/// RFC 9110, section 10.1.1: the final status comes instead of a 100, and the body never does.
#[test]
fn a_client_that_waits_to_be_told_is_told_what_will_become_of_its_body() {
    let server = Server::start(HTTP_SERVER, &["--port", "0"], 1);
    let head = "HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n";
    let reply = exchange(&server, format!("POST /any {head}").as_bytes());
    assert!(reply.starts_with(b"HTTP/1.1 405 "));
    assert_eq!(count(&reply, "Connection: close\r\n"), 1);
    let mut client = server.connect();
    client.write_all(format!("POST /echo {head}").as_bytes()).unwrap();
    let mut told = *b"HTTP/1.1 100 Continue\r\n\r\n";
    client.read_exact(&mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert!(reply.starts_with(b"HTTP/1.1 200 ") && reply.ends_with(b"\r\n\r\nhello"));
}

#[test]
fn curl() {
    if !installed("curl") {
        return;
    }
    let path = socket_path("http");
    let server =
        Server::start(HTTP_SERVER, &["--port", "0", "--loops", "2", "--unix-socket", &path], 2);
    let url = format!("http://127.0.0.1:{}/", server.port());
    let curl =
        |arguments: &[&str]| run("curl", &[&["-sS", "--max-time", "20"], arguments].concat());
    assert_eq!(curl(&[&url]), "Hello World!\r\n");
    assert_eq!(curl(&["--unix-socket", &path, "http://localhost/"]), "Hello World!\r\n");
    let echo = format!("{url}echo");
    assert_eq!(curl(&["-d", "some=form", &echo]), "some=form");
    let chunked = ["-H", "Transfer-Encoding: chunked", "-d", "some body", &echo];
    assert_eq!(curl(&chunked), "some body");
    let expecting = ["-H", "Expect: 100-continue", "-d", "some body", &echo];
    assert_eq!(curl(&expecting), "some body");
    assert_eq!(curl(&["-g", &format!("{url}?ids[]=1&q=a|b^`{{}}")]), "Hello World!\r\n");
    assert!(curl(&["-I", &url]).contains("Content-Length: 14\r\n"));
    // Two requests on one connection.
    assert_eq!(curl(&[&url, &url]), "Hello World!\r\n".repeat(2));
}

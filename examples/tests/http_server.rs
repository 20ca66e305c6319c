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
    let request = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
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
        assert_eq!(count(&reply, "\r\n\r\nxxx"), 2, "split at {split}");
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
    }
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
    assert_eq!(curl(&["-d", "some=form", &url]), "Hello World!\r\n");
    let chunked = ["-H", "Transfer-Encoding: chunked", "-d", "some body", &url];
    assert_eq!(curl(&chunked), "Hello World!\r\n");
    assert!(curl(&["-I", &url]).contains("Content-Length: 14\r\n"));
    // Two requests on one connection.
    assert_eq!(curl(&[&url, &url]), "Hello World!\r\n".repeat(2));
}

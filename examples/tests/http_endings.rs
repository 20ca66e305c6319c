//! How connections of `http-server` end: no reply is lost, and SIGTERM leaves none half sent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::sys::signal::Signal;
use util::{DEADLINE, Server, exchange, socket_path};

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

const LAST: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

fn read_all(client: &mut TcpStream) -> Vec<u8> {
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    reply
}

/// Reads a reply without a body, or the head of one with a body.
fn read_head(client: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// RFC 9112, section 2.2: old clients send an empty line behind a request. A connection that is
/// closed with it unread, or before it comes, is reset, and the reply may be lost with it.
#[test]
fn a_stray_line_end_behind_the_last_request_does_not_reset_the_reply() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "3000000"], 1);
    let expected = exchange(&server, LAST.as_bytes()).len();
    assert!(expected > 3_000_000);
    for stray in ["\r\n", "\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        for first in [LAST.to_owned(), LAST.replace("1.1", "1.0")] {
            let mut client = server.connect();
            client.set_nodelay(true).unwrap();
            client.write_all(first.as_bytes()).unwrap();
            // The server has answered by then, and has sent what the sockets hold.
            let mut byte = [0];
            client.peek(&mut byte).unwrap();
            client.write_all(stray.as_bytes()).unwrap();
            assert!(read_all(&mut client).len() > 3_000_000, "{stray:?} behind {first:?}");
        }
    }
}

/// The reply is short here, so that nothing but the line end is left when the server closes.
#[test]
fn a_stray_line_end_may_come_at_any_time() {
    let server = Server::start(HTTP_SERVER, &["--port", "0"], 1);
    let expected = exchange(&server, LAST.as_bytes()).len();
    for _ in 0..200 {
        let mut client = server.connect();
        client.set_nodelay(true).unwrap();
        client.write_all(LAST.as_bytes()).unwrap();
        client.peek(&mut [0]).unwrap();
        client.write_all(b"\r\n").unwrap();
        client.write_all(b"\r\n").unwrap();
        assert_eq!(read_all(&mut client).len(), expected);
    }
}

#[test]
fn an_upload_that_is_refused_does_not_reset_the_refusal() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--max-body", "10"], 1);
    let mut client = server.connect();
    let head = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000000\r\n\r\n";
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(&vec![b'x'; 20_000_000]).unwrap();
    let reply = String::from_utf8(read_all(&mut client)).unwrap();
    assert!(reply.starts_with("HTTP/1.1 413 ") && reply.contains("\r\nConnection: close\r\n"));
}

/// A client that ends its output has asked its last question, not taken back the ones before.
#[test]
fn a_client_that_ends_its_output_gets_all_replies() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "3000000"], 1);
    let mut client = server.connect();
    client.write_all("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5).as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert!(read_all(&mut client).len() > 15_000_000);
}

/// The head is out and half of the body is not: it is sent to its end.
#[test]
fn a_download_goes_on_during_sigterm_until_it_is_whole() {
    let mut server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "30000000"], 1);
    let [mut idle, mut download, mut pipelined] = [(); 3].map(|()| server.connect());
    let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    idle.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_head(&mut idle);
    download.write_all(get).unwrap();
    read_head(&mut download);
    pipelined.write_all(&get.repeat(3)).unwrap();
    read_head(&mut pipelined);
    server.signal(Signal::SIGTERM);
    // What was asked for nothing is over at once, although the others are not.
    assert!(read_all(&mut idle).is_empty());
    assert_eq!(read_all(&mut download).len(), 30_000_000);
    let reply = read_all(&mut pipelined);
    assert!(reply.len() > 90_000_000, "{} bytes of three pages", reply.len());
    let last = String::from_utf8_lossy(&reply[reply.len() - 30_000_200..]).into_owned();
    assert!(last.contains("\r\nConnection: close\r\n\r\nxxx"));
    assert!(server.wait().success());
}

/// A request that is not whole yet was asked too; the answer says that it is the last one.
#[test]
fn a_request_that_has_begun_is_answered_during_sigterm() {
    let mut server = Server::start(HTTP_SERVER, &["--port", "0"], 1);
    let mut upload = server.connect();
    let head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n";
    upload.write_all(head.as_bytes()).unwrap();
    read_head(&mut upload);
    let mut idle = server.connect();
    idle.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_head(&mut idle);
    server.signal(Signal::SIGTERM);
    assert!(read_all(&mut idle).is_empty());
    upload.write_all(b"foobar").unwrap();
    let reply = String::from_utf8(read_all(&mut upload)).unwrap();
    assert!(reply.contains("\r\nConnection: close\r\n\r\nfoobar"), "{reply}");
    assert!(server.wait().success());
}

/// The server, stopped meanwhile, reads half of the requests before it finds that it is to end: the
/// connection looks idle then, and is not.
#[test]
fn requests_that_came_just_before_sigterm_are_answered() {
    // As many of them as the server reads at once, 64 KiB.
    const AT_ONCE: usize = 1024;
    let path = socket_path("http-endings");
    let arguments = ["--port", "0", "--unix-socket", &path];
    let mut server = Server::start(HTTP_SERVER, &arguments, 2);
    let mut client = UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert!(client.read(&mut [0; 1000]).unwrap() > 0);
    let request = format!("HEAD /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(36));
    assert_eq!(request.len() * AT_ONCE, 64 << 10);
    server.stop();
    let half = request.repeat(AT_ONCE / 2);
    if (0..4).any(|_| client.write_all(half.as_bytes()).is_err()) {
        eprintln!("skipped: sockets of this system hold less than 128 KiB");
        return;
    }
    server.signal(Signal::SIGTERM);
    server.signal(Signal::SIGCONT);
    let mut replies = String::new();
    client.read_to_string(&mut replies).unwrap();
    assert_eq!(replies.matches("HTTP/1.1 200 ").count(), 2 * AT_ONCE);
    drop(client);
    assert!(server.wait().success());
}

/// The reply before it is all written, so that the server seems to have nothing to do; but much of
/// it waits to be sent, and so the server has not read the request.
#[test]
fn a_request_behind_a_long_reply_is_answered_during_sigterm() {
    let mut server = Server::start(HTTP_SERVER, &["--port", "0", "--body", "30000000"], 1);
    let mut clients: Vec<TcpStream> = (0..8).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        read_head(client);
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    server.signal(Signal::SIGTERM);
    for client in &mut clients {
        let replies = read_all(client);
        assert!(replies.len() > 60_000_000, "{} bytes of two pages", replies.len());
        let last = String::from_utf8_lossy(&replies[replies.len() - 30_000_200..]).into_owned();
        assert!(last.contains("\r\nConnection: close\r\n\r\nxxx"));
    }
    assert!(server.wait().success());
}

/// A slow client, which the drain timeout cuts off; the reset says that the body is not whole.
#[test]
fn a_download_that_takes_too_long_during_sigterm_is_visibly_not_whole() {
    let arguments = ["--port", "0", "--body", "30000000", "--drain-timeout", "200ms"];
    let mut server = Server::start(HTTP_SERVER, &arguments, 1);
    let mut client = server.connect();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    read_head(&mut client);
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    let mut rest = Vec::new();
    assert!(client.read_to_end(&mut rest).is_err() || rest.len() < 30_000_000);
}

#[test]
fn the_access_log_has_a_line_for_each_reply() {
    let path = format!("{}/access-{}.log", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let mut server = Server::start(HTTP_SERVER, &["--port", "0", "--access-log", &path], 1);
    let requests = [
        "GET /a?b=c HTTP/1.1\r\nHost: a\r\n\r\n",
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "DELETE / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /\"\r\n\r\n",
    ];
    let reply = String::from_utf8(exchange(&server, requests.concat().as_bytes())).unwrap();
    assert_eq!(reply.matches("HTTP/1.1 ").count(), 5);
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    let log = std::fs::read_to_string(&path).unwrap();
    let ends = [
        "\"GET /a?b=c HTTP/1.1\" 200 14",
        "\"HEAD / HTTP/1.1\" 200 0",
        "\"POST /echo HTTP/1.1\" 200 3",
        "\"DELETE / HTTP/1.0\" 405 23",
        "\"-\" 400 16",
    ];
    assert_eq!(log.lines().count(), ends.len(), "{log}");
    for (line, end) in log.lines().zip(ends) {
        let time = line.strip_prefix("127.0.0.1 - - [").and_then(|line| line.strip_suffix(end));
        let time = time.and_then(|time| time.strip_suffix(" +0000] "));
        assert_eq!(time.map(str::len), Some("28/Nov/2026:12:00:00".len()), "{line}");
    }
    std::fs::remove_file(path).unwrap();
}

//! What `http-server` has in store for clients that are slow, silent, greedy or too many.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use util::{DEADLINE, Server, exchange, socket_path};

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

fn read_all(client: &mut TcpStream) -> String {
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    String::from_utf8(reply).unwrap()
}

/// Sends `text` byte by byte, again and again, until the server closes; returns what it has said.
fn drip(mut client: TcpStream, start: &str, text: &str) -> String {
    client.write_all(start.as_bytes()).unwrap();
    client.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let mut said = Vec::new();
    for byte in text.bytes().cycle() {
        let mut buffer = [0; 1000];
        match client.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => said.extend_from_slice(&buffer[..len]),
            // The read timeout is the pace of the drip.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("the reply is reset: {error}"),
        }
        // Fails when the server has closed, as the next read says.
        let _ = client.write_all(&[byte]);
    }
    String::from_utf8(said).unwrap()
}

#[test]
fn dripping_clients_are_dropped_while_others_are_answered() {
    let timeouts = ["--header-timeout", "500ms", "--body-timeout", "500ms"];
    let server = Server::start(HTTP_SERVER, &[&["--port", "0"][..], &timeouts].concat(), 1);
    let drips = [
        ("", "X", "HTTP/1.1 408 "),
        ("GET / HTTP/1.1\r\nHost: a\r\n", "X: y\r\n", "HTTP/1.1 408 "),
        ("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n", "x", "HTTP/1.1 408 "),
        (
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\nx\r\n",
            "HTTP/1.1 408 ",
        ),
    ];
    thread::scope(|scope| {
        let dripping: Vec<_> = drips
            .into_iter()
            .flat_map(|drip| [drip; 10])
            .map(|(start, text, expected)| {
                let client = server.connect();
                (expected, scope.spawn(move || drip(client, start, text)))
            })
            .collect();
        let mut good = server.connect();
        while dripping.iter().any(|(_, thread)| !thread.is_finished()) {
            good.write_all(GET.as_bytes()).unwrap();
            let mut reply = [0; 1000];
            let len = good.read(&mut reply).unwrap();
            assert!(reply[..len].starts_with(b"HTTP/1.1 200 "));
        }
        for (expected, thread) in dripping {
            let said = thread.join().unwrap();
            assert!(said.starts_with(expected), "{said:?}");
            assert!(said.contains("\r\nConnection: close\r\n"), "{said}");
            assert!(said.ends_with("\r\n\r\n408 Request Timeout\n"), "{said}");
        }
    });
}

/// RFC 9110, section 9.3.2: a client that has sent HEAD takes what follows the head of the reply
/// for another reply.
#[test]
fn a_slow_request_for_a_head_gets_no_body() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--header-timeout", "300ms"], 1);
    for (request, end) in [("GET /", "\r\n\r\n408 Request Timeout\n"), ("HEAD /", "\r\n\r\n")] {
        let mut client = server.connect();
        client.write_all(request.as_bytes()).unwrap();
        let said = read_all(&mut client);
        assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
        let head = said.find("\r\n\r\n").unwrap();
        assert_eq!(&said[head..], end, "{request}");
    }
}

/// RFC 9112, section 9.5: nothing was asked, so nothing is said.
#[test]
fn silent_clients_are_closed_without_a_word() {
    let timeouts = ["--header-timeout", "200ms", "--keep-alive-timeout", "300ms"];
    let server = Server::start(HTTP_SERVER, &[&["--port", "0"][..], &timeouts].concat(), 1);
    let [mut silent, mut idle] = [(); 2].map(|()| server.connect());
    idle.write_all(GET.as_bytes()).unwrap();
    assert_eq!(read_all(&mut silent), "");
    let said = read_all(&mut idle);
    assert_eq!(said.matches("HTTP/1.1 ").count(), 1, "{said}");
}

/// Each deadline begins when its wait does: a slow client that goes on is not dropped.
#[test]
fn a_client_that_keeps_each_deadline_stays() {
    let timeouts = ["--header-timeout", "2s", "--keep-alive-timeout", "3s", "--body-timeout", "2s"];
    let server = Server::start(HTTP_SERVER, &[&["--port", "0"][..], &timeouts].concat(), 1);
    let mut client = server.connect();
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    for piece in request.as_bytes().chunks(request.len() / 3 + 1).cycle().take(18) {
        // Acts out a slow client: three pieces take longer than one deadline.
        thread::sleep(Duration::from_millis(200));
        client.write_all(piece).unwrap();
    }
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(read_all(&mut client).matches("\r\n\r\nhi").count(), 6);
}

/// A client that is still taking a reply is not idle; what it asks for meanwhile may wait in its
/// socket, which the server does not read.
#[test]
fn the_time_between_requests_begins_when_the_reply_has_gone() {
    let path = socket_path("http-limits");
    let timeouts = ["--keep-alive-timeout", "500ms", "--unix-socket", &path];
    let arguments = [&["--port", "0", "--body", "131072"][..], &timeouts].concat();
    let _server = Server::start(HTTP_SERVER, &arguments, 2);
    // With some of the lengths, the end of the reply is what the output has no room for.
    let mut clients: Vec<_> = (3..10)
        .map(|count| {
            let mut client = UnixStream::connect(&path).unwrap();
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            client.write_all(GET.repeat(count).as_bytes()).unwrap();
            // The reply has begun.
            client.read_exact(&mut [0; 20_000]).unwrap();
            (count, client)
        })
        .collect();
    // Acts out clients that are slow, by more than the timeout.
    thread::sleep(Duration::from_secs(1));
    for (count, client) in &mut clients {
        client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut rest = Vec::new();
        client.read_to_end(&mut rest).unwrap();
        assert!(rest.len() > (*count + 1) * 131_072 - 20_000, "{count} requests, and one more");
    }
}

#[test]
fn what_is_too_long() {
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--max-body", "5"], 1);
    let post = |length: usize| {
        let body = "x".repeat(length);
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    let cases = [
        (format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(9000)), "414"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(17_000)), "431"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(101)), "431"),
        (post(6), "413"),
        (post(5) + "GET / HTTP/1.0\r\n\r\n", "200"),
    ];
    for (request, code) in cases {
        let reply = String::from_utf8(exchange(&server, request.as_bytes())).unwrap();
        assert!(reply.starts_with(&format!("HTTP/1.1 {code} ")), "{reply}");
        assert!(reply.contains("\r\nConnection: close\r\n"), "{reply}");
    }
}

/// More than a connection may have waiting, whatever its watermarks.
#[test]
fn a_page_above_the_output_limit_arrives_whole() {
    const LENGTH: usize = 70 << 20;
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", &LENGTH.to_string()], 1);
    let mut client = server.connect();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    client.read_to_end(&mut reply).unwrap();
    assert_eq!(reply.iter().rev().take_while(|&&byte| byte == b'x').count(), LENGTH);
}

/// What waits for them is the one page that the server has, and not a copy for each.
#[test]
fn clients_that_take_nothing_of_a_long_page_cost_little_memory() {
    const LENGTH: usize = 60_000_000;
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", &LENGTH.to_string()], 1);
    let Some(before) = server.memory() else { return };
    let clients: Vec<TcpStream> = (0..30).map(|_| server.connect()).collect();
    for mut client in &clients {
        client.write_all(GET.repeat(3).as_bytes()).unwrap();
        // The reply has begun.
        client.peek(&mut [0]).unwrap();
    }
    // The page is in memory once, from the start.
    let after = server.memory().unwrap();
    assert!(after < before + (10 << 20), "{} bytes more", after - before);
    for mut client in clients {
        let mut buffer = vec![0; 1 << 16];
        let mut left = 3 * LENGTH;
        while left > 0 {
            let len = client.read(&mut buffer).unwrap();
            assert!(len > 0, "{left} bytes are missing");
            left = left.saturating_sub(len);
        }
    }
    let after = server.memory().unwrap();
    assert!(after < before + (10 << 20), "{} bytes more", after - before);
}

/// The replies pile up, and the requests behind them wait, until the client reads.
#[test]
fn thousands_of_pipelined_requests_never_hang() {
    for (body, count) in [("100", 20_000), ("1000", 2_300), ("5000", 2_300), ("70000", 500)] {
        let server = Server::start(HTTP_SERVER, &["--port", "0", "--body", body], 1);
        let mut client = server.connect();
        let mut sender = client.try_clone().unwrap();
        let thread = thread::spawn(move || {
            sender.write_all(GET.repeat(count).as_bytes()).unwrap();
            sender.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        });
        let reply = read_all(&mut client);
        assert_eq!(reply.matches("HTTP/1.1 200 OK\r\n").count(), count + 1, "pages of {body}");
        thread.join().unwrap();
    }
}

/// More than a connection may have of output.
#[test]
fn a_large_echo_comes_back_whole() {
    const LEN: usize = 70 << 20;
    let server = Server::start(HTTP_SERVER, &["--port", "0", "--max-body", "100000000"], 1);
    let mut stream = server.connect();
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {LEN}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b'x'; LEN]).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let body = reply.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    assert_eq!(reply.len() - body, LEN);
}

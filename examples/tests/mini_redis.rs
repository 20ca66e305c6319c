//! `mini-redis`, as a client sees it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::time::Instant;

use util::{DEADLINE, Server, installed, run};

const MINI_REDIS: &str = env!("CARGO_BIN_EXE_mini-redis");

fn start() -> Server {
    Server::start(MINI_REDIS, &["--port", "0"], 1)
}

/// Sends `request` and asserts that exactly `expected` comes back, with a `PING` behind it.
fn assert_replies(server: &Server, request: &str, expected: &str) {
    let mut client = server.connect();
    client.write_all(format!("{request}\r\nPING\r\n").as_bytes()).unwrap();
    let expected = format!("{expected}\r\n+PONG\r\n");
    let mut replies = vec![0; expected.len()];
    client.read_exact(&mut replies).unwrap();
    assert_eq!(String::from_utf8(replies).unwrap(), expected, "{request}");
}

#[test]
fn its_commands() {
    let server = start();
    for (request, expected) in [
        ("ping", "+PONG"),
        ("GET k", "$-1"),
        ("SET k v", "+OK"),
        ("GET k", "$1\r\nv"),
        ("DEL k other k", ":1"),
        ("GET k", "$-1"),
        ("INCR n", ":1"),
        ("INCR n", ":2"),
        ("SET n 9223372036854775807", "+OK"),
        ("INCR n", "-ERR increment or decrement would overflow"),
        ("SET n x", "+OK"),
        ("INCR n", "-ERR value is not an integer or out of range"),
        ("COMMAND DOCS", "*0"),
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("GETS a b", "-ERR unknown command 'GETS'"),
        ("EXPIRE none 10", ":0"),
        ("EXPIRE n soon", "-ERR value is not an integer or out of range"),
        ("EXPIRE n 9223372036854775807", "-ERR invalid expire time in 'expire' command"),
        ("\r\nGET n", "$1\r\nx"),
    ] {
        assert_replies(&server, request, expected);
    }
}

#[test]
fn a_key_expires_unless_it_is_set_again() {
    let server = start();
    assert_replies(&server, "SET k 1\r\nEXPIRE k 0\r\nGET k", "+OK\r\n:1\r\n$-1");
    assert_replies(&server, "SET k 1\r\nEXPIRE k -1\r\nINCR k", "+OK\r\n:1\r\n:1");
    assert_replies(&server, "SET k v\r\nEXPIRE k 1\r\nSET k w", "+OK\r\n:1\r\n+OK");
    assert_replies(&server, "SET n 1\r\nEXPIRE n 1\r\nINCR n", "+OK\r\n:1\r\n:2");
    let mut client = server.connect();
    let deadline = Instant::now() + DEADLINE;
    let mut reply = [0; 4];
    while reply != *b"$-1\r" {
        assert!(Instant::now() < deadline, "n does not expire");
        client.write_all(b"GET n\r\n").unwrap();
        client.read_exact(&mut reply).unwrap();
        let rest = if reply == *b"$-1\r" { 1 } else { 3 };
        client.read_exact(&mut [0; 3][..rest]).unwrap();
    }
    assert_replies(&server, "GET k", "$1\r\nw");
}

/// Keys that nobody asks for again are removed, and so do not use memory for ever.
#[test]
fn expired_keys_give_their_memory_back() {
    let server = start();
    if server.memory().is_none() {
        return;
    }
    let value = "v".repeat(900_000);
    let deadline = Instant::now() + 3 * DEADLINE;
    for round in 0..40 {
        let mut requests = String::new();
        for key in 0..10 {
            requests +=
                &format!("*3\r\n$3\r\nSET\r\n$5\r\n{round:02}:{key:02}\r\n$900000\r\n{value}\r\n");
            requests += &format!("EXPIRE {round:02}:{key:02} 0\r\n");
        }
        let mut client = server.connect();
        client.write_all(requests.as_bytes()).unwrap();
        client.read_exact(&mut [0; 10 * 9]).unwrap();
        assert!(Instant::now() < deadline, "too slow to tell");
    }
    // 360 MB were stored.
    let memory = || server.memory().unwrap();
    while memory() > 100 << 20 {
        assert!(Instant::now() < deadline, "{} bytes are kept", memory());
        std::thread::yield_now();
    }
}

#[test]
fn every_split_of_a_pipeline_gives_the_same_replies() {
    let server = start();
    let request =
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n";
    for split in 1..request.len() {
        let mut client = server.connect();
        client.set_nodelay(true).unwrap();
        client.write_all(&request[..split]).unwrap();
        client.write_all(&request[split..]).unwrap();
        let mut reply = [0; 23];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n$5\r\nhello\r\n+PONG\r\n", "split at {split}");
    }
}

/// 100 MB of replies are far more than may pile up: the server has to stop and go on.
#[test]
fn a_slow_reader_gets_every_reply() {
    const COUNT: usize = 10_000;
    let server = start();
    let value = "v".repeat(10_000);
    assert_replies(&server, &format!("SET k {value}"), "+OK");
    let mut client = server.connect();
    let mut writer = client.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || writer.write_all("GET k\r\n".repeat(COUNT).as_bytes()).unwrap());
        let expected = format!("$10000\r\n{value}\r\n");
        let mut reply = vec![0; expected.len()];
        for _ in 0..COUNT {
            client.read_exact(&mut reply).unwrap();
            assert!(reply == expected.as_bytes());
        }
    });
    if let Some(memory) = server.memory() {
        assert!(memory < 50 << 20, "{memory} bytes");
    }
}

#[test]
fn a_protocol_error_is_answered_and_ends_the_connection() {
    let server = start();
    let expected = b"+PONG\r\n-ERR Protocol error: invalid multibulk length\r\n";
    assert_eq!(util::exchange(&server, b"PING\r\n*x\r\nPING\r\n"), expected);
}

#[test]
fn redis_cli() {
    if !installed("redis-cli") {
        return;
    }
    let server = start();
    let port = server.port().to_string();
    let cli = |arguments: &[&str]| run("redis-cli", &[&["-p", &port], arguments].concat());
    assert_eq!(cli(&["SET", "key", "a value"]), "OK\n");
    assert_eq!(cli(&["GET", "key"]), "a value\n");
    assert_eq!(cli(&["EXPIRE", "key", "100"]), "1\n");
}

//! `redis-server`, with redis' own clients.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};

use nix::sys::signal::Signal;
use util::{Server, exchange, installed, run, socket_path};

const REDIS_SERVER: &str = env!("CARGO_BIN_EXE_redis-server");

#[test]
fn commands_of_the_original() {
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    let commands = "PING|ECHO hi|SET k v|GET k|WAKE|DEL k|GET k|FLUSHDB|QUIT|SET k w|";
    let request = commands.replace('|', "\r\n");
    let reply = b"+PONG\r\n$2\r\nhi\r\n+OK\r\n$1\r\nv\r\n+OK\r\n:1\r\n$-1\r\n+OK\r\n+OK\r\n";
    assert_eq!(exchange(&server, request.as_bytes()), reply);
    assert_eq!(exchange(&server, b"GET k\r\nQUIT\r\n"), b"$-1\r\n+OK\r\n", "nothing after QUIT");
}

#[test]
fn shutdown_ends_the_process() {
    let mut server = Server::start(REDIS_SERVER, &["--port", "0", "--loops", "2"], 1);
    exchange(&server, b"SHUTDOWN\r\n");
    assert!(server.wait().success());
}

#[test]
fn every_split_of_a_pipeline_gives_the_same_replies() {
    let request = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n\
        *2\r\n$3\r\nGET\r\n$4\r\nnone\r\nPING\r\n";
    let expected = b"+OK\r\n$5\r\nhello\r\n$-1\r\n+PONG\r\n";
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    every_split_gives(&server, request, expected);
    // So many keys that a server looks for those of several commands at once.
    let pairs: String = (0..5_000).map(|key| format!(" {key} v")).collect();
    let mut client = server.connect();
    client.write_all(format!("MSET{pairs}\r\n").as_bytes()).unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    every_split_gives(&server, request, expected);
}

fn every_split_gives(server: &Server, request: &[u8], expected: &[u8]) {
    for split in 1..request.len() {
        let mut client = server.connect();
        client.set_nodelay(true).unwrap();
        client.write_all(&request[..split]).unwrap();
        client.write_all(&request[split..]).unwrap();
        let mut reply = vec![0; expected.len()];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(reply, expected, "split at {split}");
    }
}

/// 50,000 replies of 1 KiB are far more than may pile up: the server has to stop and go on.
#[test]
fn a_long_pipeline_is_answered_whole_to_a_slow_reader() {
    const COUNT: usize = 50_000;
    let server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    let mut client = server.connect();
    let value = "v".repeat(1024);
    client.write_all(format!("SET k {value}\r\n").as_bytes()).unwrap();
    let mut writer = client.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            writer.write_all("GET k\r\n".repeat(COUNT).as_bytes()).unwrap();
            writer.write_all(b"QUIT\r\n").unwrap();
        });
        let mut reply = Vec::new();
        client.read_to_end(&mut reply).unwrap();
        let expected = format!("$1024\r\n{value}\r\n").repeat(COUNT);
        assert!(reply == format!("+OK\r\n{expected}+OK\r\n").as_bytes(), "{} bytes", reply.len());
    });
}

#[test]
fn redis_cli() {
    if !installed("redis-cli") {
        return;
    }
    let mut server = Server::start(REDIS_SERVER, &["--port", "0"], 1);
    let port = server.port().to_string();
    let cli = |arguments: &[&str]| run("redis-cli", &[&["-p", &port], arguments].concat());
    assert_eq!(cli(&["PING"]), "PONG\n");
    assert_eq!(cli(&["SET", "key", "a value"]), "OK\n");
    assert_eq!(cli(&["GET", "key"]), "a value\n");
    assert_eq!(cli(&["RPUSH", "list", "a", "b", "c"]), "3\n");
    assert_eq!(cli(&["LRANGE", "list", "0", "-1"]), "a\nb\nc\n");
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
}

#[test]
fn redis_benchmark_with_every_test_it_has() {
    if !installed("redis-benchmark") {
        return;
    }
    let path = socket_path("redis");
    let server =
        Server::start(REDIS_SERVER, &["--port", "0", "--loops", "2", "--unix-socket", &path], 2);
    let port = server.port().to_string();
    let tcp = run("redis-benchmark", &["-p", &port, "-n", "3000", "--csv"]);
    // A line of headings, and one for each of its 20 tests.
    assert_eq!(tcp.lines().count(), 21, "{tcp}");
    assert!(!tcp.contains("rror"), "{tcp}");
    run("redis-benchmark", &["-p", &port, "-n", "50000", "-P", "16", "-t", "set,get", "--csv"]);
    run("redis-benchmark", &["-s", &path, "-n", "3000", "-t", "set,get,lrange", "--csv"]);
}

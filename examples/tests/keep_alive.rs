//! A peer that vanishes is noticed, though it is not sent anything: TCP asks for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::io::{Read, Write};

use util::Server;

/// What each server is asked, and how its answer begins.
const SERVERS: [(&str, &str, &str); 4] = [
    (env!("CARGO_BIN_EXE_echo-server"), "hello", "hello"),
    (env!("CARGO_BIN_EXE_chat-server"), "", "Type /nick NAME"),
    (env!("CARGO_BIN_EXE_http-server"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"),
    (env!("CARGO_BIN_EXE_redis-server"), "PING\r\n", "+PONG\r\n"),
];

/// The system says of each socket which of its timers runs: 2 is that of keep-alive, `proc_net_tcp`
/// in the kernel's documentation.
#[test]
fn connections_have_a_keep_alive_timer() {
    for (program, request, answer) in SERVERS {
        let server = Server::start(program, &["--port", "0"], 1);
        let mut client = server.connect();
        client.write_all(request.as_bytes()).unwrap();
        client.read_exact(&mut vec![0; answer.len()]).unwrap();
        let Ok(sockets) = fs::read_to_string("/proc/net/tcp") else {
            eprintln!("skipped: this system does not tell which timers run");
            return;
        };
        let port = |port: u16| format!("0100007F:{port:04X}");
        let ends = [port(server.port()), port(client.local_addr().unwrap().port())];
        let rows = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let row = rows.into_iter().find(|row| row[1..3] == ends).expect("the server's end");
        // "02:000074CF": the timer, and when it is due.
        assert!(row[5].starts_with("02:"), "{program}: {row:?}");
    }
}

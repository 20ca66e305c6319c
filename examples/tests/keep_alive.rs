//! A peer that vanishes is noticed, though it is not sent anything: TCP asks for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::io::{Read, Write};
use std::thread;
use std::time::Instant;

use util::{DEADLINE, SERVERS, Server};

/// Returns which timer runs for the connection between these ports, at the end of the first one: 2
/// is that of keep-alive, as proc_net_tcp in the documentation of the kernel has it. Nothing where
/// the system does not tell.
fn timer(local: u16, peer: u16) -> Option<String> {
    let sockets = fs::read_to_string("/proc/net/tcp").ok()?;
    let ends = [local, peer].map(|port| format!("0100007F:{port:04X}"));
    let mut rows = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row[1..3] == ends).expect("the connection is there");
    // "02:000074CF": the timer, and when it is due.
    row[5].split(':').next().map(str::to_owned)
}

#[test]
fn connections_have_a_keep_alive_timer() {
    for (program, request, answer) in SERVERS {
        let server = Server::start(program, &["--port", "0"], 1);
        let mut client = server.connect();
        client.write_all(request.as_bytes()).unwrap();
        client.read_exact(&mut vec![0; answer.len()]).unwrap();
        let port = client.local_addr().unwrap().port();
        // Until the answer is acknowledged, that of retransmission runs.
        let deadline = Instant::now() + DEADLINE;
        while timer(server.port(), port).is_some_and(|timer| timer != "02") {
            assert!(Instant::now() < deadline, "{program} has no keep-alive");
            thread::yield_now();
        }
    }
}

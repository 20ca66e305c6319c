//! Many idle connections: each is closed when its time is up, and not before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use evio_sys::{Events, Interest, Poller, Token};
use evio_twins::{Client, Program};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// As many as one process has descriptors for on most systems, when it asks for them; the server
/// is another process.
const CLIENTS: usize = 10_000;

/// Longer than it takes to connect all of them.
const IDLE: Duration = Duration::from_secs(2);

/// By when all must have been closed. It is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(30);

/// Raises the limit of descriptors, which the server inherits, and returns how many clients there
/// is room for.
fn room_for_clients() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    // Each of the processes has a few others.
    CLIENTS.min(usize::try_from(hard).unwrap_or(CLIENTS) - 64)
}

#[test]
fn every_idle_connection_is_closed_in_its_time() {
    let count = room_for_clients();
    let program = Program::new(env!("CARGO_BIN_EXE_healthy"));
    let server = program.with(&["--idle", &IDLE.as_millis().to_string()]).start().unwrap();
    let poller = Poller::new().unwrap();
    let mut clients: Vec<Option<(Client, Instant)>> = Vec::with_capacity(count);
    for number in 0..count {
        let begin = Instant::now();
        let client = server.connect().unwrap();
        poller.register(&client.as_fd(), Token(number as u64), Interest::READABLE).unwrap();
        clients.push(Some((client, begin)));
    }
    let connected = Instant::now();

    let mut events = Events::with_capacity(1024);
    let (mut left, mut latest) = (count, Duration::ZERO);
    while left > 0 {
        assert!(connected.elapsed() < DEADLINE, "{left} of {count} are still open");
        poller.poll(&mut events, Some(DEADLINE)).unwrap();
        let now = Instant::now();
        for event in &events {
            let (client, begin) = clients[event.token().0 as usize].take().unwrap();
            let silent = now - begin;
            assert!(silent >= IDLE, "closed after {silent:?}");
            latest = latest.max(silent - IDLE);
            assert!(client.receive_to_end().unwrap().is_empty());
            left -= 1;
        }
    }
    println!("{count} connections, the latest {latest:?} after its time");

    let mut closed = HashSet::new();
    while closed.len() < count {
        let report = server.next_report().unwrap();
        if let Some(number) = report.strip_prefix("closed ") {
            assert!(closed.insert(number.to_owned()), "{report} is reported twice");
        }
    }
}

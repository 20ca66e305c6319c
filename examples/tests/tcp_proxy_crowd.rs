//! `tcp-proxy` and clients by the thousand, most of which are up to no good.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};

use proxy_util::{ECHO_SERVER, TCP_PROXY, number, proxy_of, reset, stats, wait_for_stats};
use util::{DEADLINE, Server, socket_path};

/// Raises the limit of this process; returns whether it allows so many descriptors.
fn has_descriptors(count: u64) -> bool {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let count = count as nix::libc::rlim_t;
    if hard < count {
        eprintln!("skipped: this needs {count} descriptors, and the limit is {hard}");
    }
    hard >= count
}

fn echo() -> (Server, String) {
    let echo = Server::start(ECHO_SERVER, &["--port", "0"], 1);
    let address = format!("127.0.0.1:{}", echo.port());
    (echo, address)
}

/// The proxy is stopped meanwhile, so that it finds all of them reset.
#[test]
fn clients_that_reset_at_once_cost_no_upstream_connection() {
    const RESETS: u64 = 1000;
    if std::env::consts::OS != "linux" {
        return println!("left out: accept gives no connection that was reset");
    }
    let (_echo, upstream) = echo();
    let path = socket_path("resets");
    for loops in ["1", "2"] {
        let flags = ["--loops", loops, "--stats", &path];
        let proxy = proxy_of(std::slice::from_ref(&upstream), &flags);
        proxy.stop();
        for _ in 0..RESETS {
            reset(proxy.connect());
        }
        let mut client = proxy.connect();
        proxy.signal(Signal::SIGCONT);
        client.write_all(b"hello").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
        // The other loop may not be through yet with those that it accepted before this client.
        let stats = wait_for_stats(&path, |stats| {
            number(stats, "clients", "gone") == RESETS && number(stats, "clients", "open") == 1
        });
        assert_eq!(number(&stats, &upstream, "connected"), 1, "{stats}");
    }
}

/// Each takes two descriptors, of which there are too few at first.
#[test]
fn silent_clients_keep_nobody_out() {
    const SILENT: usize = 1_100;
    if !has_descriptors(4 * SILENT as u64) {
        return;
    }
    let (_echo, upstream) = echo();
    let script = "ulimit -S -n 1024; exec \"$0\" --listen 127.0.0.1:0 --upstream \"$1\"";
    let mut command = Command::new("sh");
    let proxy = Server::start_command(command.args(["-c", script, TCP_PROXY, &upstream]), 1);
    let silent: Vec<TcpStream> = (0..SILENT).map(|_| proxy.connect()).collect();
    let mut client = proxy.connect();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop(silent);
}

/// With as few descriptors as there are, clients wait for one another and none is turned away.
#[test]
fn clients_that_there_are_no_descriptors_for_wait() {
    let (_echo, upstream) = echo();
    let script = "ulimit -n 120; exec \"$0\" --listen 127.0.0.1:0 --upstream \"$1\"";
    let mut command = Command::new("sh");
    let proxy = Server::start_command(command.args(["-c", script, TCP_PROXY, &upstream]), 1);
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                let mut client = proxy.connect();
                client.write_all(b"hello").unwrap();
                client.read_exact(&mut [0; 5]).unwrap();
            });
        }
    });
}

/// Ends the flood, whatever becomes of the test.
struct Killed<'a>(&'a Server);

impl Drop for Killed<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::SIGKILL);
    }
}

const GOOD: usize = 100;
const OF_EACH_KIND: usize = 1000;

/// Good clients are served at all times, silent ones and those that do not read are gone when their
/// time is up, and memory is bounded. One that drips is like a slow client to a proxy, which knows
/// no messages: it may stay.
#[test]
fn good_clients_are_served_beside_a_crowd() {
    if !has_descriptors(4 * 3 * OF_EACH_KIND as u64) {
        return;
    }
    let path = socket_path("crowd");
    let (_echo, upstream) = echo();
    let flags = ["--idle-timeout", "8s", "--write-timeout", "4s", "--stats", &path];
    let proxy = proxy_of(std::slice::from_ref(&upstream), &flags);
    let silent: Vec<TcpStream> = (0..OF_EACH_KIND).map(|_| proxy.connect()).collect();
    let unread: Vec<TcpStream> = (0..OF_EACH_KIND).map(|_| non_reading(&proxy)).collect();
    let mut dripping: Vec<TcpStream> = (0..OF_EACH_KIND).map(|_| proxy.connect()).collect();
    let flood = proxy.connect();
    let mut good: Vec<TcpStream> = (0..GOOD).map(|_| proxy.connect()).collect();
    let begun = Instant::now();
    let mut rounds = 0;
    let mut peak = 0;
    thread::scope(|scope| {
        let mut flood = (flood.try_clone().unwrap(), flood);
        scope.spawn(move || while flood.0.write(&[b'x'; 65536]).is_ok_and(|_| true) {});
        scope.spawn(move || while flood.1.read(&mut [0; 65536]).is_ok_and(|count| count > 0) {});
        let _end = Killed(&proxy);
        let is_crowded =
            || number(&stats(&path), "clients", "open") > (OF_EACH_KIND + GOOD + 100) as u64;
        while is_crowded() || rounds < 20 {
            assert!(begun.elapsed() < 3 * DEADLINE, "the bad ones stay: {}", stats(&path));
            for client in &mut dripping {
                client.write_all(b"x").unwrap();
            }
            for client in &mut good {
                client.write_all(b"hello").unwrap();
                client.read_exact(&mut [0; 5]).unwrap();
            }
            rounds += 1;
            peak = peak.max(proxy.memory().unwrap_or(0));
        }
    });
    println!("{rounds} rounds in {:?}, {} KiB at most", begun.elapsed(), peak >> 10);
    // 3,101 pairs, of which a third may hold 64 KiB and one read.
    assert!(peak < 300 << 20, "{peak} bytes");
    drop((silent, unread));
}

/// A client that has been sent more than it takes.
fn non_reading(proxy: &Server) -> TcpStream {
    let mut client = proxy.connect();
    setsockopt(&client, sockopt::RcvBuf, &4096).unwrap();
    client.set_write_timeout(Some(Duration::from_millis(1))).unwrap();
    let mut left = 8;
    while left > 0 {
        match client.write(&[b'x'; 32 << 10]) {
            Ok(_) => left -= 1,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
    }
    client
}

//! What a server asks of the kernel, seen by strace.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::process::Command;

use nix::sys::signal::Signal;
use util::{Server, installed, socket_path};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

const HTTP_SERVER: &str = env!("CARGO_BIN_EXE_http-server");

/// Starts a server as strace's child. `-f` follows the loops' threads, `-D` makes the server
/// itself the child that is waited for, and `-qq` leaves strace's own remarks out of the log.
fn traced(log: &str, server: &str, arguments: &[&str]) -> Server {
    let strace = ["-D", "-f", "-qq", "-o", log, server, "--port", "0"];
    Server::start_command(Command::new("strace").args(strace).args(arguments), 1)
}

/// Returns the names of the calls in the log, in the order in which they began.
fn calls(log: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap();
    let name = |line: &str| {
        let (_pid, call) = line.split_once(' ')?;
        let name = call.trim_start().split('(').next()?;
        // The second line of a call that another thread interrupted, and signals, are no calls.
        name.starts_with(|first: char| first.is_ascii_lowercase()).then(|| name.to_owned())
    };
    text.lines().filter_map(name).collect()
}

fn count(calls: &[String], names: &[&str]) -> usize {
    calls.iter().filter(|call| names.contains(&call.as_str())).count()
}

#[test]
fn a_round_trip_is_one_read_and_one_write() {
    if util::left_out_on_kqueue("its calls are others") {
        return;
    }
    const ROUND_TRIPS: usize = 1_000;
    if !installed("strace") {
        return;
    }
    let log = socket_path("round-trips.log");
    let server = traced(&log, ECHO_SERVER, &[]);
    let mut client = server.connect();
    client.set_nodelay(true).unwrap();
    let mut round_trip = || {
        client.write_all(&[7; 64]).unwrap();
        client.read_exact(&mut [0; 64]).unwrap();
    };
    // The first reply tells that the connection has been set up.
    round_trip();
    let before = calls(&log);
    for _ in 0..ROUND_TRIPS {
        round_trip();
    }
    let after = calls(&log);
    let made = &after[before.len()..];
    assert_eq!(count(made, &["epoll_ctl"]), 0);
    assert_eq!(count(made, &["sendto", "write", "writev", "sendmsg"]), ROUND_TRIPS);
    // The last one may or may not be in the log yet: it is waiting in the next poll.
    let reads = count(made, &["recvfrom", "read", "readv", "recvmsg"]);
    assert!((ROUND_TRIPS..=ROUND_TRIPS + 1).contains(&reads), "{reads} reads");
    assert!(made.len() <= 3 * ROUND_TRIPS + 2, "{} calls", made.len());
    drop(server);
    std::fs::remove_file(&log).unwrap();
}

/// The reply waits for the end that follows it, and so both are one segment. The socket is closed
/// only when the client has ended its side too, even one that has announced its last request: what
/// it sends all the same, such as a stray line end, would have the reply destroyed by a reset.
#[test]
fn a_last_reply_leaves_together_with_the_end() {
    if util::left_out_on_kqueue("its calls are others") {
        return;
    }
    if !installed("strace") {
        return;
    }
    let polite = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    for request in [polite, "nonsense\r\n\r\n"] {
        let log = socket_path("last-reply.log");
        let server = traced(&log, HTTP_SERVER, &[]);
        let reply = util::exchange(&server, request.as_bytes());
        assert!(reply.starts_with(b"HTTP/1.1 "), "{}", reply.escape_ascii());
        drop(server);
        let text = std::fs::read_to_string(&log).unwrap();
        let mut lines = text.lines().skip_while(|line| !line.contains("MSG_MORE"));
        assert!(lines.next().is_some_and(|line| line.contains("sendmsg(")), "{text}");
        let ending = |line: &&str| ["close(", "shutdown("].iter().any(|call| line.contains(call));
        assert!(lines.find(ending).is_some_and(|line| line.contains("shutdown(")), "{text}");
        std::fs::remove_file(&log).unwrap();
    }
}

/// The window is the one of `IDLE`; nothing is waited for in it, that is the point.
#[test]
fn an_idle_server_makes_no_call() {
    const IDLE: std::time::Duration = std::time::Duration::from_secs(10);
    if !installed("strace") {
        return;
    }
    let log = socket_path("idle.log");
    let server = traced(&log, ECHO_SERVER, &["--loops", "4"]);
    // A connection to each loop shows that all of them are up and polling.
    let mut clients: Vec<_> = (0..32).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
    }
    let quiet = |log: &str| loop {
        let before = calls(log).len();
        std::thread::park_timeout(std::time::Duration::from_millis(200));
        if calls(log).len() == before {
            return before;
        }
    };
    let before = quiet(&log);
    std::thread::park_timeout(IDLE);
    let after = calls(&log);
    assert_eq!(&after[before..], &[] as &[String], "an idle server is woken");
    drop(server);
    std::fs::remove_file(&log).unwrap();
}

/// While the socket is open, nobody takes its file for a stale one, and no other file can have its
/// inode number. A server that begins at that moment would lose its own file otherwise.
#[test]
fn a_socket_file_is_removed_before_its_socket_is_closed() {
    if !installed("strace") {
        return;
    }
    let (log, path) = (socket_path("ends.log"), socket_path("ends"));
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-o", &log, ECHO_SERVER, "--port", "0"]);
    let mut server = Server::start_command(command.args(["--unix-socket", &path]), 2);
    // Once it serves, it is ready for the signal too.
    let mut client = server.connect();
    client.write_all(b"x").unwrap();
    client.read_exact(&mut [0]).unwrap();
    drop(client);
    server.signal(Signal::SIGINT);
    assert!(server.wait().success());
    let text = std::fs::read_to_string(&log).unwrap();
    let (before, after) = text.split_once(", {sa_family=AF_UNIX, sun_path=").unwrap();
    let (_, socket) = before.rsplit_once("bind(").unwrap();
    // Processors that Linux came to late, such as aarch64, have the second one alone.
    let removals = [format!("unlink(\"{path}\")"), format!("unlinkat(AT_FDCWD, \"{path}\", 0)")];
    let removed = removals.iter().find_map(|removal| after.find(removal)).expect(&text);
    let closed = after.find(&format!("close({socket})")).expect(&text);
    assert!(removed < closed, "{after}");
    std::fs::remove_file(&log).unwrap();
}

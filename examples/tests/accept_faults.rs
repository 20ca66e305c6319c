//! Accepts that fail, as strace has them fail: whatever the error and whichever accept it is, the
//! server lives and serves everybody.
//!
//! An injected call is not made, so the connection that it was for is still waiting.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use util::{Server, injected, installed, socket_path};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

const ERRORS: [&str; 8] =
    ["EMFILE", "ENFILE", "ECONNABORTED", "EPROTO", "ENOBUFS", "ENOMEM", "EINTR", "EPERM"];
const POSITIONS: usize = 8;
const CLIENTS: usize = 10;

/// Starts a server whose accepts with these numbers fail; `when` is an expression of strace.
///
/// `accept4` of musl calls `accept` after EINVAL, which some kernels had for its flags. strace
/// counts the calls of each, so the first `accept` fails as the first `accept4` does.
fn failing(error: &str, when: &str, log: &str, arguments: &[&str]) -> Server {
    let inject = format!("inject=accept,accept4:error={error}:when={when}");
    let strace = ["-D", "-f", "-qq", "-e", "trace=accept,accept4", "-e", &inject, "-o", log];
    let mut command = Command::new("strace");
    command.args(strace).args([ECHO_SERVER, "--port", "0"]).args(arguments);
    let addresses = 1 + arguments.iter().filter(|argument| **argument == "--unix-socket").count();
    Server::start_command(command.stdin(Stdio::null()), addresses)
}

/// Connects and has `bytes` echoed; fails if the server ends the connection before that.
fn echo(server: &Server, bytes: &[u8]) -> std::io::Result<TcpStream> {
    let mut client = server.connect();
    client.write_all(bytes)?;
    let mut reply = vec![0; bytes.len()];
    client.read_exact(&mut reply)?;
    assert!(reply == bytes, "other bytes came back");
    Ok(client)
}

/// Has several clients served, and returns how many faults there were.
fn serve(error: &str, when: &str, may_turn_away: bool) -> usize {
    let log = socket_path(&format!("{error}-{when}.log"));
    let server = failing(error, when, &log, &[]);
    for number in 0..CLIENTS {
        let bytes: Vec<u8> = (0..3_000 + number).map(|index| (index * number) as u8).collect();
        while let Err(lost) = echo(&server, &bytes) {
            assert!(may_turn_away, "{error} at {when}, client {number}: {lost}");
        }
    }
    drop(server);
    let faults = injected(&log, error);
    std::fs::remove_file(&log).unwrap();
    faults
}

#[test]
fn an_accept_that_fails_costs_nobody_anything() {
    if !installed("strace") {
        return;
    }
    let faults = AtomicUsize::new(0);
    thread::scope(|scope| {
        for errors in ERRORS.chunks(2) {
            let faults = &faults;
            scope.spawn(move || {
                for error in errors {
                    for position in 1..=POSITIONS {
                        let fired = serve(error, &position.to_string(), false);
                        assert_eq!(fired, 1, "{error} at {position}");
                        faults.fetch_add(fired, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    println!("{} faults", faults.into_inner());
}

/// Who waits while there is no descriptor for a while is turned away, and served when it comes
/// again.
#[test]
fn accepts_that_fail_in_a_row_do_not_end_the_server() {
    if !installed("strace") {
        return;
    }
    thread::scope(|scope| {
        for error in ERRORS {
            scope.spawn(move || {
                let when = format!("1..{POSITIONS}");
                let fired = serve(error, &when, ["EMFILE", "ENFILE"].contains(&error));
                assert_eq!(fired, POSITIONS, "{error}");
            });
        }
    });
}

/// `accept4` looks for a descriptor before it looks whether anybody waits. Nobody does when the
/// server asks for the second of those that it has learned to expect, so what begins there is no
/// time of waiting, and the next one has all of it.
#[test]
fn the_first_to_wait_is_not_turned_away_for_nobody() {
    // A turn with one connection each: the second, the fifth and so on try whether there are two.
    const ONE_BY_ONE: usize = 5;
    // The `accept` of the fifth turn for which nobody waits: the second turn has made one, too.
    const FOR_NOBODY: usize = ONE_BY_ONE + 2;
    if !installed("strace") {
        return;
    }
    let log = socket_path("nobody.log");
    let when = format!("{FOR_NOBODY}..{}", FOR_NOBODY + 1);
    let server = failing("EMFILE", &when, &log, &[]);
    // None of them ends: that would let others in.
    let mut clients = Vec::new();
    for number in 0..ONE_BY_ONE {
        assert_eq!(injected(&log, "EMFILE"), 0, "before client {number}");
        clients.push(echo(&server, b"served at once").unwrap());
    }
    clients.push(echo(&server, b"served after a while").unwrap());
    drop(server);
    assert_eq!(injected(&log, "EMFILE"), 2);
    std::fs::remove_file(&log).unwrap();
}

/// The TCP listener is given up; the server says so, and the Unix socket is served as before.
#[test]
fn a_listener_that_is_broken_is_given_up_alone() {
    if !installed("strace") {
        return;
    }
    let (log, path) = (socket_path("EINVAL.log"), socket_path("EINVAL"));
    let server = failing("EINVAL", "1", &log, &["--unix-socket", &path]);
    let mut refused = server.connect();
    refused.write_all(b"x").unwrap();
    let said = server.next_line();
    assert!(said.starts_with("error: address 0: not listening any more: "), "{said}");
    assert!(refused.read(&mut [0; 1]).map_or(true, |len| len == 0), "nobody serves it");
    let mut client = std::os::unix::net::UnixStream::connect(&path).unwrap();
    client.set_read_timeout(Some(util::DEADLINE)).unwrap();
    client.write_all(b"still there").unwrap();
    let mut reply = [0; 11];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"still there");
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    drop(server);
    let calls = if cfg!(target_env = "musl") { 2 } else { 1 };
    assert_eq!(injected(&log, "EINVAL"), calls, "one accept fails, and one that repeats it");
    std::fs::remove_file(&log).unwrap();
}

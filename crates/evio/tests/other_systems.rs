//! What differs in other systems' calls, on Linux: each test runs once more by itself, with a
//! library preloaded whose calls do what theirs do.

mod util;

use std::env;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;

use evio::{Action, Error, Events, ListenOptions, Server};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use util::{TCP, bind, hold, installed, is_alone, reports, run_alone, start, unix_address};

/// Returns whether the test is to run: it has the library. If not, runs it in a process that has.
fn is_elsewhere(test: &str) -> bool {
    if is_alone() {
        return true;
    }
    if !fs::exists("/proc/self/maps").unwrap_or(false) || !installed("cc") {
        return false;
    }
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/other_systems/preload.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
    assert!(compiler.status().expect("the compiler starts").success());
    let mut program = Command::new(env::current_exe().expect("the system tells"));
    run_alone(test, program.env("LD_PRELOAD", library));
    false
}

/// macOS accepts it, with an address of no length. The listener has not failed, and rests for
/// nobody.
#[test]
fn a_connection_that_was_reset_before_it_is_accepted_concerns_nobody_else() {
    if evio::BACKEND == "epoll" {
        return println!("left out on epoll: accept gives an address");
    }
    if !is_elsewhere("a_connection_that_was_reset_before_it_is_accepted_concerns_nobody_else") {
        return;
    }
    let (holds, held) = hold();
    let (fails, failed) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .data(move |conn, (), input| {
                if input == b"hold" {
                    holds.wait();
                }
                conn.write(input);
                Action::None
            })
            .listener_failed(move |_, _, error| {
                fails.send(error.to_string()).expect("the test waits");
                std::ops::ControlFlow::Continue(())
            })
    });
    let control = server.connect();
    control.send(b"hold");
    held.wait();
    for _ in 0..20 {
        server.connect().reset();
    }
    let client = server.connect();
    held.release();
    client.echo(b"served");
    server.stop();
    assert_eq!(failed.rest(), Vec::<String>::new());
}

/// A connection to it is refused on the BSDs, as if nobody listened; its place is not free.
#[test]
fn a_unix_socket_with_a_full_backlog_is_alive() {
    if !is_elsewhere("a_unix_socket_with_a_full_backlog_is_alive") {
        return;
    }
    let address = unix_address();
    let options = ListenOptions::default().backlog(1);
    let server = Server::bind_with(&options, [&address]).expect("the path is free");
    let path = UnixAddr::new(address.trim_start_matches("unix://")).expect("it is short");
    let mut waiting = Vec::new();
    let refused = loop {
        let flags = SockFlag::empty();
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
        fcntl(&client, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("the flag is known");
        match connect(client.as_raw_fd(), &path) {
            Ok(()) => waiting.push(client),
            Err(errno) => break errno,
        }
        assert!(waiting.len() < 1_000, "the backlog has no end");
    };
    assert_eq!(refused, Errno::ECONNREFUSED);
    let error = Server::bind([&address]).expect_err("the path is taken");
    let Error::Bind { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), std::io::ErrorKind::AddrInUse, "{source}");
    drop(server);
}

//! What differs in other systems' calls, on Linux: each test runs once more by itself, with a
//! library preloaded whose calls do what theirs do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::env;
use std::fs;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{self, Command};

use evio_sys::Interest;
use evio_sys::net::{AcceptError, ListenOptions, Listener, Stream, UnixName};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use util::{address_of, listener, wait_for};

/// In the environment of a test that has the library: the system whose calls it has.
const ELSEWHERE: &str = "EVIO_TEST_ELSEWHERE";

/// Returns whether the test is to run: it has the library. If not, runs it in a process that has.
fn is_on(system: &str, test: &str) -> bool {
    if env::var_os(ELSEWHERE).is_some() {
        return true;
    }
    let is_static = cfg!(target_feature = "crt-static");
    if is_static || !fs::exists("/proc/self/maps").unwrap() {
        println!("left out: no library can be preloaded");
        return false;
    }
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/other_systems/preload.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
    // Rust links with it.
    assert!(compiler.status().expect("there is a C compiler").success());
    let mut program = Command::new(env::current_exe().unwrap());
    program.args([test, "--exact", "--nocapture"]);
    let output = program.env("LD_PRELOAD", library).env(ELSEWHERE, system).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// macOS accepts it, with an address of no length. That concerns the connection, not the listener.
#[test]
fn a_connection_that_was_reset_before_it_is_accepted_concerns_nobody_else() {
    if evio_sys::BACKEND == "epoll" {
        return println!("left out on epoll: each connection has an address");
    }
    if !is_on("macos", "a_connection_that_was_reset_before_it_is_accepted_concerns_nobody_else") {
        return;
    }
    let listener = listener();
    let client = TcpStream::connect(address_of(&listener)).unwrap();
    Stream::from(client).reset().unwrap();
    let _client = TcpStream::connect(address_of(&listener)).unwrap();
    wait_for(&listener, Interest::READABLE);
    let error = listener.accept().unwrap_err();
    assert!(matches!(error, AcceptError::Connection(_)), "{error:?}");
    assert!(listener.accept().is_ok());
}

/// A connection to it is refused on the BSDs, as if nobody listened; its place is not free.
#[test]
fn a_unix_socket_with_a_full_backlog_is_alive() {
    if !is_on("bsd", "a_unix_socket_with_a_full_backlog_is_alive") {
        return;
    }
    let path = env::temp_dir().join(format!("evio-sys-full-{}", process::id()));
    let listen = || Listener::unix(UnixName::Path(&path), &ListenOptions::default().backlog(1));
    let _listener = listen().unwrap();
    let address = UnixAddr::new(&path).unwrap();
    let mut waiting = Vec::new();
    let refused = loop {
        let client =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        fcntl(&client, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        match connect(client.as_raw_fd(), &address) {
            Ok(()) => waiting.push(client),
            Err(errno) => break errno,
        }
        assert!(waiting.len() < 1_000, "the backlog has no end");
    };
    assert_eq!(refused, Errno::ECONNREFUSED);
    assert_eq!(listen().unwrap_err().kind(), ErrorKind::AddrInUse);
}

/// There a datagram is refused whatever the type of the other socket is.
#[test]
fn a_live_unix_socket_is_alive_in_gvisor() {
    if !is_on("gvisor", "a_live_unix_socket_is_alive_in_gvisor") {
        return;
    }
    let path = env::temp_dir().join(format!("evio-sys-gvisor-{}", process::id()));
    let listen = || Listener::unix(UnixName::Path(&path), &ListenOptions::default());
    let listener = listen().unwrap();
    let address = UnixAddr::new(&path).unwrap();
    let client = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None).unwrap();
    assert_eq!(connect(client.as_raw_fd(), &address), Err(Errno::ECONNREFUSED));
    assert_eq!(listen().unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(listener);
}

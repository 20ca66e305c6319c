//! SIGTERM while clients are still served: what they were owed arrives whole, or visibly not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use util::{DEADLINE, Server};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// A client that takes nothing for so long has made the server stop reading: its echoes are up to
/// the high watermark.
const STANDSTILL: Duration = Duration::from_millis(300);

/// Returns a client that is owed more than the sockets of both sides hold.
fn owed(server: &Server) -> TcpStream {
    let mut client = server.connect();
    client.set_write_timeout(Some(STANDSTILL)).unwrap();
    let message = vec![b'x'; 1 << 20];
    let error = loop {
        if let Err(error) = client.write(&message) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

fn read_all(client: &mut TcpStream) -> io::Result<usize> {
    let mut echo = Vec::new();
    client.read_to_end(&mut echo)
}

/// The other end of the connection is still open, so nobody is cut off.
#[test]
fn what_has_been_received_is_echoed_in_full() {
    let mut server = Server::start(ECHO_SERVER, &["--port", "0"], 1);
    let mut client = owed(&server);
    server.signal(Signal::SIGTERM);
    let echoed = read_all(&mut client).unwrap();
    assert!(echoed > 64 << 10, "{echoed} bytes were owed");
    assert!(server.wait().success());
}

#[test]
fn a_client_that_takes_nothing_is_reset_when_the_time_is_up() {
    let mut server = Server::start(ECHO_SERVER, &["--port", "0", "--drain-timeout", "100ms"], 1);
    let mut client = owed(&server);
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
    assert_eq!(read_all(&mut client).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let mut server = Server::start(ECHO_SERVER, &["--port", "0", "--drain-timeout", "1h"], 1);
    let client = owed(&server);
    server.signal(Signal::SIGTERM);
    // The first one has been taken in when there is no listener any more.
    let address = ("127.0.0.1", server.port());
    while TcpStream::connect(address).is_ok() {
        thread::yield_now();
    }
    server.signal(Signal::SIGTERM);
    let status = server.wait();
    assert_eq!((status.code(), status.signal()), (Some(128 + 15), None));
    drop(client);
}

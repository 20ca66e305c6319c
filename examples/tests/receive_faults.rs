//! Datagrams that cannot be received, as strace has the receiving fail: whatever the error is and
//! however long it lasts, the server lives, and serves everybody as soon as it is over.
//!
//! An injected call is not made, so the datagram that it was for is still waiting.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use util::{DEADLINE, Server, injected, installed, socket_path};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// Those of one peer, and those of the system.
const ERRORS: [&str; 8] =
    ["ECONNREFUSED", "EHOSTUNREACH", "EMSGSIZE", "EINTR", "EAGAIN", "ENOMEM", "EPERM", "EIO"];

/// The system call that an address is received from with: a wildcard asks for more.
const HOSTS: [(&str, &str); 2] = [("127.0.0.1", "recvfrom"), ("*", "recvmsg")];

/// A server that does not receive while its calls have numbers of `when`, an expression of strace.
struct Failing {
    server: Server,
    client: UdpSocket,
    log: String,
    error: &'static str,
}

impl Failing {
    fn start(error: &'static str, when: &str, (host, call): (&str, &str)) -> Self {
        let log = socket_path(&format!("receive-{call}-{error}-{when}.log"));
        let inject = format!("inject={call}:error={error}:when={when}");
        let trace = format!("trace={call}");
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-qq", "-e", &trace, "-e", &inject, "-o", &log]);
        command.args([ECHO_SERVER, "--udp", "--port", "0", "--host", host]);
        let server = Server::start_command(command.stdin(Stdio::null()), 1);
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.connect(("127.0.0.1", server.port())).unwrap();
        Self { server, client, log, error }
    }

    fn echo(&self, byte: u8) {
        self.client.send(&[byte]).unwrap();
        self.receive(byte);
    }

    fn receive(&self, byte: u8) {
        let mut reply = [0; 2];
        let len = self.client.recv(&mut reply).unwrap();
        assert_eq!(reply[..len], [byte], "{}", self.error);
    }

    fn faults(&self) -> usize {
        injected(&self.log, self.error)
    }
}

impl Drop for Failing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.log);
    }
}

#[test]
fn receives_that_fail_in_a_row_lose_no_datagram() {
    if util::left_out_on_kqueue("faults are counted in a call that it does not make") {
        return;
    }
    if !installed("strace") {
        return;
    }
    thread::scope(|scope| {
        for host in HOSTS {
            scope.spawn(move || {
                for error in ERRORS {
                    // A few, and more than are borne before the socket is left alone for a while.
                    for faults in [3, 200] {
                        let failing = Failing::start(error, &format!("1..{faults}"), host);
                        for byte in 0..5 {
                            failing.echo(byte);
                        }
                        assert_eq!(failing.faults(), faults, "{error}");
                    }
                }
            });
        }
    });
}

/// The bound is a matter of how long it was, not of how fast anything is: so and so many attempts
/// before the first rest, and after each that there was time for.
#[test]
fn a_receive_that_fails_for_ever_is_not_tried_all_the_time() {
    const REST: Duration = Duration::from_millis(50);
    const ATTEMPTS: usize = 64;
    if !installed("strace") {
        return;
    }
    for error in ["EPERM", "EAGAIN"] {
        let failing = Failing::start(error, "1+", HOSTS[0]);
        let start = Instant::now();
        failing.client.send(b"x").unwrap();
        let mut attempts = 0;
        while attempts <= 4 * ATTEMPTS {
            assert!(start.elapsed() < DEADLINE, "{error}: tried {attempts} times and no more");
            attempts = failing.faults();
        }
        let rests = start.elapsed().as_nanos() / REST.as_nanos();
        let most = ATTEMPTS * (rests as usize + 1);
        assert!(attempts <= most, "{error}: tried {attempts} times, with time for {rests} rests");
    }
}

/// The socket is closed, and the server says so.
#[test]
fn a_socket_that_is_broken_is_given_up() {
    if !installed("strace") {
        return;
    }
    let failing = Failing::start("EBADF", "2", HOSTS[0]);
    failing.echo(1);
    let said = failing.server.next_line();
    assert!(said.starts_with("error: address 0: not listening any more: "), "{said}");
    // Nobody has the port any more.
    let port = failing.server.port();
    while UdpSocket::bind(("127.0.0.1", port)).is_err() {
        thread::yield_now();
    }
    assert_eq!(failing.faults(), 1);
}

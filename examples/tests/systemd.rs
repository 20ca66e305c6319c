//! Starts as systemd makes them: the sockets are there before the server is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use util::{DEADLINE, Server, socket_path};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// Has a shell hand over its standard input and output as the sockets 3 and 4: their numbers are
/// all that makes them special, and a shell keeps its process number through `exec`.
const ACTIVATE: &str = "export LISTEN_PID=$$ LISTEN_FDS=2; \
                        exec \"$0\" --systemd \"$@\" 3<&0 4<&1 0</dev/null 1>&2";

fn activated(first: impl Into<OwnedFd>, second: impl Into<OwnedFd>, arguments: &[&str]) -> Server {
    let mut shell = Command::new("sh");
    shell.args(["-c", ACTIVATE, ECHO_SERVER]).args(arguments);
    shell.stdin(Stdio::from(first.into())).stdout(Stdio::from(second.into()));
    Server::start_command(&mut shell, 2)
}

fn check_echo(mut stream: impl Read + Write) {
    stream.write_all(b"hello").unwrap();
    let mut reply = [0; 5];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"hello");
}

/// The server takes over with nobody refused, and leaves the sockets to the next one.
#[test]
fn sockets_are_taken_over_and_left_to_the_next() {
    let path = socket_path("systemd");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let address = tcp.local_addr().unwrap();
    for loops in ["1", "3"] {
        // Connected before there is a server.
        let early = TcpStream::connect(address).unwrap();
        early.set_read_timeout(Some(DEADLINE)).unwrap();
        let (first, second) = (tcp.try_clone().unwrap(), unix.try_clone().unwrap());
        let mut server = activated(first, second, &["--loops", loops]);
        assert_eq!(server.addresses, [format!("tcp://{address}"), format!("unix://{path}")]);
        check_echo(early);
        check_echo(server.connect());
        let stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        check_echo(stream);
        server.signal(Signal::SIGTERM);
        assert!(server.wait().success());
        assert!(Path::new(&path).exists(), "the socket file is not the server's");
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn datagram_sockets_are_taken_over_too() {
    let (first, second) =
        (UdpSocket::bind("127.0.0.1:0").unwrap(), UdpSocket::bind("[::1]:0").unwrap());
    let addresses = [first.local_addr().unwrap(), second.local_addr().unwrap()];
    let server = activated(first, second, &[]);
    assert_eq!(server.addresses, addresses.map(|address| format!("udp://{address}")));
    for address in addresses {
        let client = UdpSocket::bind((address.ip(), 0)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        client.send_to(b"hello", address).unwrap();
        let mut reply = [0; 8];
        let len = client.recv(&mut reply).unwrap();
        assert_eq!(reply[..len], *b"hello");
    }
}

/// What is meant for another process is not taken, and the server says why it does not begin.
#[test]
fn without_sockets_it_does_not_begin() {
    for variables in [&[][..], &[("LISTEN_FDS", "1"), ("LISTEN_PID", "1")][..]] {
        let mut command = Command::new(ECHO_SERVER);
        command.arg("--systemd").env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
        let output = command.envs(variables.iter().copied()).output().unwrap();
        assert!(!output.status.success());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("LISTEN_FDS"), "{stderr}");
    }
}

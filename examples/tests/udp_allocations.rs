//! What a datagram costs in memory, seen by valgrind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{IpAddr, UdpSocket};
use std::process::Command;

use nix::sys::signal::Signal;
use util::{DEADLINE, Server, installed, socket_path};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// Has so many datagrams echoed by a server on `host`, and returns how many allocations it made in
/// all of its life.
fn allocations(host: &str, client: &str, datagrams: usize) -> u64 {
    let log = socket_path(&format!("allocations-{datagrams}.log"));
    let mut command = Command::new("valgrind");
    command.args([&format!("--log-file={log}"), ECHO_SERVER, "--udp", "--port", "0"]);
    let mut server = Server::start_command(command.args(["--host", host]), 1);
    let client: IpAddr = client.parse().unwrap();
    let socket = UdpSocket::bind((client, 0)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect((client, server.port())).unwrap();
    for number in 0..datagrams {
        let bytes = number.to_be_bytes();
        socket.send(&bytes).unwrap();
        let mut reply = [0; 100];
        let len = socket.recv(&mut reply).unwrap();
        assert_eq!(reply[..len], bytes);
    }
    server.signal(Signal::SIGINT);
    let status = server.wait();
    assert!(status.success(), "{status}");
    let text = std::fs::read_to_string(&log).unwrap();
    std::fs::remove_file(&log).unwrap();
    let (_, usage) = text.split_once("total heap usage: ").expect("valgrind's summary");
    let (allocations, _) = usage.split_once(" allocs").unwrap();
    allocations.replace(',', "").parse().unwrap()
}

/// Be it bound to one address, or to all of them, where each reply names the one that it is from.
#[test]
fn a_datagram_is_answered_without_an_allocation() {
    if !installed("valgrind") {
        return;
    }
    for (host, client) in [("127.0.0.1", "127.0.0.1"), ("*", "127.0.0.1"), ("*", "::1")] {
        let few = allocations(host, client, 10);
        let many = allocations(host, client, 1_010);
        println!("{host} to {client}: {few} for 10 datagrams, {many} for 1,010");
        assert!(many < few + 100, "{few} for 10 datagrams, {many} for 1,010 to {host}");
    }
}

//! `echo-server`, from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::thread;

use nix::sys::signal::Signal;
use util::{DEADLINE, Server, socket_path};

const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// A stream of bytes that is different for each client and the same each time.
fn payload(client: u64, len: usize) -> Vec<u8> {
    let mut state = client.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Writes in chunks of many sizes while another thread reads, then ends the output.
fn pipe(
    mut writer: impl Write + Send,
    mut reader: impl Read,
    sent: &[u8],
    end: impl FnOnce() + Send,
) {
    let mut seen = Vec::new();
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut rest = sent;
            let mut size = 1;
            while !rest.is_empty() {
                let (chunk, tail) = rest.split_at(size.min(rest.len()));
                writer.write_all(chunk).unwrap();
                rest = tail;
                size = size * 7 % 1_048_583 + 1;
            }
            end();
        });
        reader.read_to_end(&mut seen).unwrap();
    });
    assert_eq!(seen.len(), sent.len());
    assert!(seen == sent, "the bytes differ");
}

#[test]
fn ten_clients_get_their_bytes_back_over_tcp_and_unix() {
    let path = socket_path("echo");
    for loops in ["1", "2", "5"] {
        for balance in ["random", "round-robin", "least-connections"] {
            let flags =
                ["--port", "0", "--loops", loops, "--balance", balance, "--unix-socket", &path];
            let server = Server::start(ECHO_SERVER, &flags, 2);
            thread::scope(|scope| {
                for client in 0..10 {
                    let (server, path) = (&server, &path);
                    scope.spawn(move || echo_one(server, path, client));
                }
            });
        }
    }
}

/// Every other client comes over the Unix socket.
fn echo_one(server: &Server, path: &str, client: u64) {
    let sent = payload(client, 3 << 20);
    if client % 2 == 0 {
        let stream = server.connect();
        pipe(&stream, &stream, &sent, || stream.shutdown(Shutdown::Write).unwrap());
    } else {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        pipe(&stream, &stream, &sent, || stream.shutdown(Shutdown::Write).unwrap());
    }
}

#[test]
fn datagrams_come_back_over_ipv4_and_ipv6() {
    for host in ["127.0.0.1", "::1"] {
        let server = Server::start(ECHO_SERVER, &["--port", "0", "--udp", "--host", host], 1);
        assert!(server.addresses[0].starts_with("udp://"));
        let address: SocketAddr = server.addresses[0]["udp://".len()..].parse().unwrap();
        let client = UdpSocket::bind((host, 0)).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut buffer = vec![0; 65_535];
        for len in [1, 2, 512, 1_472, 9_000, 60_000, 0] {
            let sent = payload(len as u64, len);
            client.send_to(&sent, address).unwrap();
            let (count, peer) = client.recv_from(&mut buffer).unwrap();
            assert_eq!(peer, address);
            assert!(buffer[..count] == sent, "{len} bytes");
        }
    }
}

#[test]
fn signals_end_it_cleanly() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let path = socket_path("signal");
        let mut server = Server::start(ECHO_SERVER, &["--port", "0", "--unix-socket", &path], 2);
        let mut client = server.connect();
        client.write_all(b"x").unwrap();
        assert_eq!(client.read(&mut [0; 2]).unwrap(), 1);
        server.signal(signal);
        assert!(server.wait().success());
        assert_eq!(client.read(&mut [0; 2]).unwrap(), 0, "the connection ends with a FIN");
        assert!(!std::path::Path::new(&path).exists(), "the socket file is removed");
    }
}

#[test]
fn several_processes_share_a_port() {
    if util::left_out_on_kqueue("sockets that share a port are not balanced") {
        return;
    }
    let first = Server::start(ECHO_SERVER, &["--port", "0", "--reuseport"], 1);
    let port = first.port().to_string();
    let _second = Server::start(ECHO_SERVER, &["--port", &port, "--reuseport", "--loops", "2"], 1);
    for client in 0..20 {
        let stream = first.connect();
        let sent = payload(client, 1_000);
        pipe(&stream, &stream, &sent, || stream.shutdown(Shutdown::Write).unwrap());
    }
}

//! The baseline servers that the echo tests do not reach: io_uring, datagrams, and HTTP.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

/// How long a server may take for anything, on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server in a process of its own, which ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Kept so that the server can go on writing to it.
    _stderr: BufReader<ChildStderr>,
}

impl Server {
    fn start(program: &str, scheme: &str) -> Self {
        Self::try_start(program, scheme).unwrap_or_else(|line| panic!("{program} says {line:?}"))
    }

    /// Starts a server, or returns what it says instead of where it listens.
    fn try_start(program: &str, scheme: &str) -> Result<Self, String> {
        let mut command = Command::new(program);
        let mut child = command.args(["--port", "0"]).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let start = format!("listening on {scheme}://");
        match line.trim_end().strip_prefix(&start).and_then(|text| text.parse().ok()) {
            Some(address) => Ok(Self { child, address, _stderr: stderr }),
            None => {
                child.wait().unwrap();
                Err(line)
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn io_uring_sends_back_every_byte() {
    let server = match Server::try_start(env!("CARGO_BIN_EXE_monoio-echo"), "tcp") {
        Ok(server) => server,
        Err(line) if line.contains("io_uring is not available") => {
            eprintln!("left out: {line}");
            return;
        }
        Err(line) => panic!("monoio-echo says {line:?}"),
    };
    // One byte; a size that no buffer is a multiple of; one that no socket takes at once.
    for length in [1, 1000, 4 << 20] {
        let sent: Vec<u8> = (0..length).map(|place: usize| (place % 251) as u8).collect();
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let copy = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&copy).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == sent, "{length} bytes sent, {} or others received", received.len());
    }
}

#[test]
fn datagrams_come_back_to_who_sent_them() {
    for program in [env!("CARGO_BIN_EXE_floor-udp"), env!("CARGO_BIN_EXE_tokio-udp")] {
        let server = Server::start(program, "udp");
        let clients = [0; 3].map(|_| UdpSocket::bind("127.0.0.1:0").unwrap());
        for round in 0..20 {
            for (number, client) in clients.iter().enumerate() {
                client.set_read_timeout(Some(PATIENCE)).unwrap();
                // An empty one first, at last the largest that loopback carries.
                let message = vec![number as u8 + 1; round * 65_507 / 19];
                client.send_to(&message, server.address).unwrap();
                let mut answer = vec![0; 65_536];
                let (length, from) = client.recv_from(&mut answer).unwrap();
                assert_eq!((length, from), (message.len(), server.address), "{program}");
                assert!(answer[..length] == message, "{program}: another datagram came back");
            }
        }
    }
}

#[test]
fn a_peer_that_is_gone_disturbs_nobody() {
    for program in [env!("CARGO_BIN_EXE_floor-udp"), env!("CARGO_BIN_EXE_tokio-udp")] {
        let server = Server::start(program, "udp");
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        for _ in 0..20 {
            let gone = UdpSocket::bind("127.0.0.1:0").unwrap();
            gone.send_to(b"no answer wanted", server.address).unwrap();
            drop(gone);
            client.send_to(b"hello", server.address).unwrap();
            let mut answer = [0; 16];
            let (length, _) = client.recv_from(&mut answer).unwrap();
            assert_eq!(&answer[..length], b"hello", "{program}");
        }
    }
}

#[test]
fn requests_in_one_packet_are_all_answered() {
    let server = Server::start(env!("CARGO_BIN_EXE_hyper-http"), "tcp");
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let ask = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{ask}{ask}{last}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();

    let replies: Vec<&str> = text.split_inclusive("\r\n\r\nHello World!\r\n").collect();
    assert_eq!(replies.len(), 3, "{text:?}");
    for reply in replies {
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply:?}");
        let fields = reply.to_ascii_lowercase();
        for field in ["content-type: text/plain\r\n", "content-length: 14\r\n", "date: "] {
            assert!(fields.contains(field), "{reply:?}");
        }
    }
}

/// Sends `request` on a connection of its own and returns what comes back until the end.
fn ask(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut replies = String::new();
    stream.read_to_string(&mut replies).unwrap();
    replies
}

#[test]
fn http_floor_answers_as_often_as_it_is_asked() {
    let server = Server::start(env!("CARGO_BIN_EXE_floor-http"), "tcp");
    let request = "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n";
    for count in [1, 16] {
        let replies = ask(&server, &request.repeat(count));
        assert_eq!(replies.matches("HTTP/1.1 200 OK\r\n").count(), count);
        assert_eq!(replies.matches("\r\n\r\nHello World!\r\n").count(), count);
        assert!(!replies.contains("close"), "{replies}");
    }
    // wrk writes its fields in any order.
    for last in [
        "GET / HTTP/1.1\r\nConnection: close\r\nHost: 127.0.0.1:65535\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: 127.0.0.1:65535\r\nConnection: close\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(last.as_bytes()).unwrap();
        let mut reply = String::new();
        // Nothing but the server's end of the connection ends this.
        stream.read_to_string(&mut reply).unwrap();
        assert!(reply.contains("\r\nConnection: close\r\n"), "{reply}");
        assert!(reply.ends_with("\r\n\r\nHello World!\r\n"), "{reply}");
    }
}

#[test]
fn redis_floor_answers_what_redis_benchmark_sends() {
    let server = Server::start(env!("CARGO_BIN_EXE_floor-redis"), "tcp");
    for (command, reply) in [
        ("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000012345\r\n$3\r\nxxx\r\n", "+OK\r\n"),
        ("*2\r\n$3\r\nGET\r\n$16\r\nkey:000000012345\r\n", "$3\r\nxxx\r\n"),
        ("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
        ("*3\r\n$6\r\nCONFIG\r\n$3\r\nGET\r\n$4\r\nsave\r\n", "*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
    ] {
        for count in [1, 2, 128] {
            assert_eq!(ask(&server, &command.repeat(count)), reply.repeat(count), "{command}");
        }
    }
}

//! `load-balancer`, from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

use nix::sys::signal::Signal;
use util::{Server, accept};

const LOAD_BALANCER: &str = env!("CARGO_BIN_EXE_load-balancer");

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn start(upstreams: &[&str], arguments: &[&str]) -> Server {
    let upstreams = upstreams.iter().flat_map(|upstream| ["--upstream", upstream]);
    let all = ["--port", "0"].into_iter().chain(upstreams).chain(arguments.iter().copied());
    Server::start(LOAD_BALANCER, &all.collect::<Vec<_>>(), 1)
}

fn read(mut stream: &TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

fn read_to_end(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Each loop takes the servers in turn, and both directions end by themselves.
#[test]
fn clients_are_passed_on_in_turn() {
    let ((one, first), (other, second)) = (listener(), listener());
    let mut server = start(&[&first, &second], &[]);
    for round in 0..6 {
        let mut client = server.connect();
        client.write_all(b"question").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut upstream = accept(if round % 2 == 0 { &one } else { &other });
        assert_eq!(read_to_end(&upstream), b"question");
        upstream.write_all(b"answer").unwrap();
        drop(upstream);
        assert_eq!(read_to_end(&client), b"answer");
    }
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
}

#[test]
fn a_server_that_is_down_is_passed_over_and_with_none_the_client_is_told() {
    let (upstream, address) = listener();
    let (gone, refuses) = listener();
    drop(gone);
    for loops in ["1", "2"] {
        let server = start(&[&refuses, &address], &["--loops", loops]);
        for _ in 0..8 {
            let mut client = server.connect();
            client.write_all(b"x").unwrap();
            assert_eq!(read(&accept(&upstream), 1), b"x");
        }
    }
    let server = start(&[&refuses], &[]);
    assert_eq!(read_to_end(&server.connect()), b"");
    let error = server.next_line();
    assert!(error.contains("cannot connect to") && error.contains("refused"), "{error}");
}

/// More than the kernel and the watermarks hold, in both directions at the same time.
#[test]
fn each_side_waits_for_the_other() {
    const LEN: usize = 8 << 20;
    let (upstream, address) = listener();
    let server = start(&[&address], &[]);
    let client = server.connect();
    let upstream = accept(&upstream);
    let bytes: Vec<u8> = (0..LEN).map(|index| ((index * 31) >> 3) as u8).collect();
    thread::scope(|scope| {
        for side in [&client, &upstream] {
            scope.spawn(|| {
                (&*side).write_all(&bytes).unwrap();
                side.shutdown(Shutdown::Write).unwrap();
            });
        }
        for side in [&client, &upstream] {
            assert!(read_to_end(side) == bytes, "the bytes arrive as they were sent");
        }
    });
}

#[test]
fn half_an_answer_is_not_taken_for_a_whole_one() {
    let (upstream, address) = listener();
    let server = start(&[&address], &[]);
    let mut client = server.connect();
    client.write_all(b"question").unwrap();
    let upstream = accept(&upstream);
    assert_eq!(read(&upstream, 4), b"ques");
    // An end with input that was not read is a reset.
    drop(upstream);
    let error = client.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
}

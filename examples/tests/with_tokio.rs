//! `inside-tokio` and `tokio-inside`, from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;

use nix::sys::signal::Signal;
use util::Server;

const INSIDE_TOKIO: &str = env!("CARGO_BIN_EXE_inside-tokio");
const TOKIO_INSIDE: &str = env!("CARGO_BIN_EXE_tokio-inside");
const ECHO_SERVER: &str = env!("CARGO_BIN_EXE_echo-server");

/// What it says in its help is how it is started.
fn has_help(program: &str) {
    let output = std::process::Command::new(program).arg("--help").output().unwrap();
    assert!(output.status.success());
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("--port") && help.contains("Ctrl-C"), "{help}");
}

#[test]
fn a_server_inside_tokio_serves_and_leaves_time_for_the_tasks() {
    has_help(INSIDE_TOKIO);
    let mut server = Server::start(INSIDE_TOKIO, &["--port", "0", "--every", "10ms"], 1);
    let (talking, mut silent) = (server.connect(), server.connect());
    let mut lines = BufReader::new(&talking).lines().map(Result::unwrap);
    let (mut echoes, mut times) = (0, 0);
    // The task speaks in between, whether the server sleeps or works.
    (&talking).write_all(b"x\n").unwrap();
    while echoes < 200 || times < 3 {
        let line = lines.next().unwrap();
        if line.starts_with("tokio: ") {
            times += 1;
            continue;
        }
        assert_eq!(line, "x");
        echoes += 1;
        (&talking).write_all(b"x\n").unwrap();
    }
    silent.read_exact(&mut [0; 8]).unwrap();
    // More clients than a turn reports.
    let clients = [(); 150].map(|()| server.connect());
    clients.iter().for_each(|mut client| client.write_all(b"!").unwrap());
    for mut client in &clients {
        let mut byte = [0];
        while byte != *b"!" {
            client.read_exact(&mut byte).unwrap();
        }
    }
    server.signal(Signal::SIGINT);
    assert!(server.wait().success());
}

#[test]
fn a_client_of_tokio_answers_inside_a_server() {
    has_help(TOKIO_INSIDE);
    let upstream = Server::start(ECHO_SERVER, &["--port", "0"], 1);
    let address = format!("127.0.0.1:{}", upstream.port());
    let mut server = Server::start(TOKIO_INSIDE, &["--port", "0", "--upstream", &address], 1);
    let mut client = server.connect();
    for question in [b"first", b"other"] {
        client.write_all(question).unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, question);
    }
    // The end of a client's output does not overtake its answer.
    client.write_all(b"last").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "last");

    drop(upstream);
    let mut client = server.connect();
    client.write_all(b"?").unwrap();
    let mut answer = String::new();
    BufReader::new(&client).read_line(&mut answer).unwrap();
    assert!(answer.contains("refused"), "{answer}");
    server.signal(Signal::SIGTERM);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert!(server.wait().success());
}

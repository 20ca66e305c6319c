//! `chat-client`, a client and nothing else, from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use util::{DEADLINE, Server, accept, received, wait};

const CHAT_CLIENT: &str = env!("CARGO_BIN_EXE_chat-client");
const CHAT_SERVER: &str = env!("CARGO_BIN_EXE_chat-server");

struct Client {
    child: Child,
    stdin: Option<ChildStdin>,
    said: Receiver<String>,
    log: Receiver<String>,
}

fn start(room: &str) -> Client {
    let mut command = Command::new(CHAT_CLIENT);
    command.arg(room).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    Client {
        stdin: child.stdin.take(),
        said: lines_of(child.stdout.take().unwrap()),
        log: lines_of(child.stderr.take().unwrap()),
        child,
    }
}

fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    received(BufReader::new(output).lines().map(Result::unwrap))
}

/// Waits for a line that is the right one.
#[track_caller]
fn find(lines: &Receiver<String>, what: &str, is_it: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) if is_it(&line) => return line,
            Ok(_) => {}
            Err(_) => panic!("there is no {what:?}"),
        }
    }
}

impl Client {
    fn type_line(&mut self, text: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{text}").unwrap();
    }

    /// Reads what the room says, until it says that.
    #[track_caller]
    fn hears(&self, end: &str) {
        find(&self.said, end, |line| line.ends_with(end));
    }

    #[track_caller]
    fn logs(&self, begin: &str) -> String {
        find(&self.log, begin, |line| line.contains(begin))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_line(room: &TcpStream) -> String {
    let mut line = String::new();
    BufReader::new(room).read_line(&mut line).unwrap();
    line
}

#[test]
fn what_is_typed_reaches_the_room_and_what_is_said_is_printed() {
    let server = Server::start(CHAT_SERVER, &["--port", "0"], 1);
    let room = format!("localhost:{}", server.port());
    let (mut one, mut other) = (start(&room), start(&room));
    one.type_line("/nick one");
    one.hears("is now one");
    other.type_line("/nick other");
    other.hears("is now other");
    one.type_line("hello");
    other.hears("one: hello");
    // The end of what is typed is the end of the client, when the rest has been sent.
    one.type_line("good-bye");
    one.stdin = None;
    other.hears("one: good-bye");
    assert!(wait(&mut one.child).success());
    kill(Pid::from_raw(other.child.id() as i32), Signal::SIGINT).unwrap();
    assert!(wait(&mut other.child).success());
}

#[test]
fn a_client_comes_back_and_what_was_typed_meanwhile_waits() {
    let room = TcpListener::bind("localhost:0").unwrap();
    let address = room.local_addr().unwrap();
    let mut client = start(&format!("localhost:{}", address.port()));
    for round in 0..3 {
        let connection = accept(&room);
        client.type_line(&format!("round {round}"));
        assert_eq!(read_line(&connection), format!("round {round}\n"));
        drop(connection);
        client.logs("lost the room");
    }
    drop((accept(&room), room));
    client.logs("lost the room");
    client.type_line("still there");
    let error = client.logs("cannot connect to localhost:");
    assert!(error.contains("refused"), "{error}");
    let room = TcpListener::bind(address).unwrap();
    assert_eq!(read_line(&accept(&room)), "still there\n");
}

#[test]
fn the_end_of_what_is_typed_ends_a_client_that_has_no_room() {
    let (room, address) = {
        let room = TcpListener::bind("localhost:0").unwrap();
        let address = room.local_addr().unwrap();
        (format!("localhost:{}", address.port()), address)
    };
    let mut client = start(&room);
    client.logs("cannot connect to localhost:");
    client.stdin = None;
    assert!(wait(&mut client.child).success());
    // What was typed before that is said first.
    let mut client = start(&room);
    client.type_line("late");
    client.stdin = None;
    client.logs("cannot connect to localhost:");
    let room = TcpListener::bind(address).unwrap();
    assert_eq!(read_line(&accept(&room)), "late\n");
    assert!(wait(&mut client.child).success());
}

#[test]
fn a_room_that_cannot_be_found_is_named() {
    let mut client = start("no.such.name.invalid:5555");
    client.logs("cannot connect to no.such.name.invalid:5555: ");
    kill(Pid::from_raw(client.child.id() as i32), Signal::SIGTERM).unwrap();
    assert!(wait(&mut client.child).success());
    for nonsense in ["localhost", "localhost:", "localhost:http", "a:b:c"] {
        let mut client = start(nonsense);
        client.logs("such as localhost:5555");
        assert_eq!(wait(&mut client.child).code(), Some(2));
    }
}

//! `worker-pool`, from outside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use nix::sys::signal::Signal;
use util::Server;

const WORKER_POOL: &str = env!("CARGO_BIN_EXE_worker-pool");

fn start(arguments: &[&str]) -> Server {
    Server::start(WORKER_POOL, &[&["--port", "0"], arguments].concat(), 1)
}

/// Sends a question and ends the output, as `nc -N` does.
fn ask(server: &Server, question: &str) -> TcpStream {
    let mut client = server.connect();
    client.write_all(question.as_bytes()).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    client
}

fn answer(mut client: TcpStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn numbers_have_the_factors_that_they_have() {
    let server = start(&[]);
    for (number, expected) in [
        ("0", "0:"),
        ("1", "1:"),
        ("2", "2: 2"),
        ("  12 ", "12: 2 2 3"),
        ("97", "97: 97"),
        ("1001\r", "1001: 7 11 13"),
        (
            "4294967296",
            "4294967296: 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2 2",
        ),
        ("1000006000009", "1000006000009: 1000003 1000003"),
        ("18446744073709551616", "18446744073709551616: not a number of 64 bits"),
        ("-1", "-1: not a number of 64 bits"),
        ("", ": not a number of 64 bits"),
    ] {
        assert_eq!(answer(ask(&server, &format!("{number}\n"))), format!("{expected}\n"));
    }
    assert_eq!(answer(ask(&server, &"9".repeat(65))), "", "a line that is too long");
}

/// More peers wait than the mailbox has room for, all of them half-closed, for work that takes its
/// time.
#[test]
fn every_peer_that_ends_its_output_gets_its_answer() {
    const CLIENTS: usize = 600;
    let arguments = ["--delay", "50ms", "--threads", "64", "--mailbox", "4"];
    let mut server = start(&arguments);
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| ask(&server, &format!("{}\n", 2 * number))).collect();
    for (client, number) in clients.into_iter().zip(0..) {
        let answer = answer(client);
        assert!(answer.starts_with(&format!("{}:", 2 * number)) && answer.ends_with('\n'));
    }
    server.signal(Signal::SIGTERM);
    assert!(server.wait().success());
}

#[test]
fn an_end_of_the_server_waits_for_what_is_owed() {
    let mut server = start(&["--delay", "300ms", "--threads", "1"]);
    let clients = [3, 5].map(|number| ask(&server, &format!("{number}\n")));
    // The server has both questions when it has answered another one.
    assert_eq!(answer(ask(&server, "x\n")), "x: not a number of 64 bits\n");
    server.signal(Signal::SIGTERM);
    assert_eq!(clients.map(answer), ["3: 3\n", "5: 5\n"]);
    assert!(server.wait().success());
}

#[test]
fn too_much_work_is_refused_and_said_so() {
    let server = start(&["--delay", "1s", "--threads", "1", "--max-waiting", "1"]);
    let mut client = server.connect();
    client.write_all(b"3\n5\n7\n11\n").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let answers: BTreeSet<String> = BufReader::new(client).lines().map(Result::unwrap).collect();
    // The thread may or may not have begun with the first when the second comes.
    let busy = answers.iter().filter(|answer| answer.ends_with("busy, try again later")).count();
    assert!(answers.len() == 4 && (2..=3).contains(&busy), "{answers:?}");
    assert!(answers.contains("3: 3"), "{answers:?}");
}

/// A client is owed two answers at most, and has all of them in the end.
#[test]
fn a_client_that_asks_without_end_is_not_read_from_without_end() {
    const NUMBERS: usize = 20_000;
    // As much work waits as one client may be owed, and that of another one.
    let server = start(&["--max-owed", "2", "--max-waiting", "3", "--threads", "2"]);
    let client = server.connect();
    let writing = client.try_clone().unwrap();
    let writer = std::thread::spawn(move || {
        let lines: String = (0..NUMBERS).map(|number| format!("{number}\n")).collect();
        (&writing).write_all(lines.as_bytes()).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    });
    let answers: BTreeSet<String> = BufReader::new(client).lines().map(Result::unwrap).collect();
    assert_eq!(answers.len(), NUMBERS);
    assert!(answers.iter().all(|answer| !answer.contains("busy")), "the others have room");
    writer.join().unwrap();
}

//! `chat-server`, with guests that are quick, slow and silent.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use util::Server;

const CHAT_SERVER: &str = env!("CARGO_BIN_EXE_chat-server");

struct Guest {
    lines: BufReader<TcpStream>,
}

impl Guest {
    /// Comes in and waits until the room knows.
    fn enter(server: &Server) -> Self {
        let mut guest = Self { lines: BufReader::new(server.connect()) };
        guest.wait_for("is here");
        guest
    }

    fn say(&mut self, line: &str) {
        self.lines.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Reads up to a line that has `text` in it.
    fn wait_for(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "ended before {text:?}");
            if line.contains(text) {
                return line;
            }
        }
    }

    fn wait_for_the_end(mut self) {
        self.lines.read_to_end(&mut Vec::new()).unwrap();
    }
}

#[test]
fn every_line_goes_to_everyone_on_every_loop() {
    let flags = ["--port", "0", "--loops", "3", "--balance", "round-robin"];
    let server = Server::start(CHAT_SERVER, &flags, 1);
    let mut guests: Vec<Guest> = (0..6).map(|_| Guest::enter(&server)).collect();
    guests[0].say("/nick ada");
    guests[0].say("hello \x1b[2Jall");
    for guest in &mut guests {
        assert_eq!(guest.wait_for("hello"), "ada: hello [2Jall\n");
    }
    guests[0].say("/quit");
    guests.remove(0).wait_for_the_end();
    guests[4].wait_for("ada has left: closed by this server");
}

#[test]
fn no_two_guests_have_one_name() {
    let flags = ["--port", "0", "--loops", "2", "--balance", "round-robin"];
    let server = Server::start(CHAT_SERVER, &flags, 1);
    let [mut ann, mut other] = [(); 2].map(|()| Guest::enter(&server));
    ann.say("/nick ann");
    other.wait_for("is now ann");
    for taken in ["ann", "  ann", "guest-1"] {
        other.say(&format!("/nick {taken}"));
        assert_eq!(other.wait_for("taken"), format!("* {} is taken\n", taken.trim()));
    }
    other.say("/nick   ");
    other.wait_for("wants a name");
    // Who takes another name, or leaves, gives up the last one.
    ann.say("/nick anna");
    other.wait_for("is now anna");
    other.say("/nick ann");
    other.wait_for("is now ann");
    ann.say("/quit");
    ann.wait_for_the_end();
    other.wait_for("anna has left");
    other.say("/nick anna");
    other.wait_for("ann is now anna");
}

#[test]
fn a_command_that_there_is_not_is_answered_and_not_sent_on() {
    let server = Server::start(CHAT_SERVER, &["--port", "0"], 1);
    let [mut asking, mut other] = [(); 2].map(|()| Guest::enter(&server));
    asking.wait_for("is here");
    for command in ["/help", "/nic ann"] {
        asking.say(command);
        assert!(asking.wait_for("/").starts_with("Type /nick NAME"));
    }
    asking.say("and/or");
    let heard = other.wait_for("/");
    assert!(heard.ends_with(": and/or\n"), "{heard}");
}

#[test]
fn a_silent_guest_and_one_with_endless_lines_have_to_leave() {
    let server = Server::start(CHAT_SERVER, &["--port", "0", "--idle-timeout", "1s"], 1);
    let silent = Guest::enter(&server);
    silent.wait_for_the_end();
    let mut endless = Guest::enter(&server);
    endless.say(&"x".repeat(2_000));
    endless.wait_for_the_end();
}

#[test]
fn a_guest_that_does_not_read_has_to_leave_and_the_others_do_not_notice() {
    let server = Server::start(CHAT_SERVER, &["--port", "0", "--max-backlog", "100000"], 1);
    let _stuck = Guest::enter(&server);
    let mut talker = Guest::enter(&server);
    let line = "x".repeat(1_000);
    // The kernel keeps a few megabytes for the guest that is stuck; then the limit is near.
    for _ in 0..1_000 {
        for _ in 0..20 {
            talker.say(&line);
        }
        for _ in 0..20 {
            if talker.wait_for("").contains("has left: output limit exceeded") {
                return;
            }
        }
    }
    panic!("the guest that does not read is still there");
}

//! One request after the other, and the replies that redis gives.

use crate::redis::change_log::write;
use crate::redis::{Batch, Client, Outcome, Server};
use crate::resp::Parser;

/// Runs one inline request.
pub(in crate::redis) fn run(
    server: &Server,
    client: &mut Client,
    request: &str,
) -> (String, Outcome) {
    let mut parser = Parser::default();
    let line = format!("{request}\r\n");
    let command = parser.parse(line.as_bytes()).unwrap().unwrap();
    let mut replies = Vec::new();
    let outcome = Batch::new(server, usize::MAX).execute(client, command, &mut replies);
    (String::from_utf8(replies).unwrap(), outcome)
}

/// Runs a request of words of any length.
pub(super) fn call(server: &Server, client: &mut Client, words: &[&str]) -> String {
    let mut wire = Vec::new();
    write(&mut wire, words.len(), words.iter().map(|word| word.as_bytes()));
    let mut parser = Parser::default();
    let command = parser.parse(&wire).unwrap().unwrap();
    let mut replies = Vec::new();
    let _ = Batch::new(server, usize::MAX).execute(client, command, &mut replies);
    String::from_utf8(replies).unwrap()
}

/// Runs requests one after the other on an empty store, and compares their replies.
#[track_caller]
pub(super) fn check(conversation: &[(&str, &str)]) {
    let (server, mut client) = (Server::default(), Client::default());
    for (request, expected) in conversation {
        let (reply, outcome) = run(&server, &mut client, request);
        assert_eq!(reply, format!("{expected}\r\n"), "{request}");
        assert_eq!(outcome, Outcome::Continue, "{request}");
        server.store.assert_consistent();
    }
}

pub(super) const WRONG_TYPE: &str =
    "-WRONGTYPE Operation against a key holding the wrong kind of value";
pub(super) const NOT_AN_INTEGER: &str = "-ERR value is not an integer or out of range";
pub(super) const NOT_A_COUNT: &str = "-ERR value is out of range, must be positive";
pub(super) const SYNTAX: &str = "-ERR syntax error";

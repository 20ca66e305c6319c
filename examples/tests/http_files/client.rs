//! Requests and replies on one connection.

use std::io::{BufRead, BufReader, Read, Write};

/// One reply, taken off a connection by its `Content-Length`.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.clone().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Sends a request with more header lines and reads the reply.
pub(super) fn ask(
    client: &mut BufReader<impl Read + Write>,
    method: &str,
    target: &str,
    lines: &str,
) -> Answer {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n");
    client.get_mut().write_all(request.as_bytes()).unwrap();
    let (status, head, length) = read_head(client);
    let has_body = method != "HEAD" && status != 304;
    let mut body = vec![0; if has_body { usize::try_from(length).unwrap() } else { 0 }];
    client.read_exact(&mut body).unwrap();
    Answer { status, head, body }
}

/// Reads a head; returns its status, its lines and its `Content-Length`.
pub(super) fn read_head(client: &mut BufReader<impl Read>) -> (u16, String, u64) {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(client.read_line(&mut head).unwrap() > 0, "the connection ends after {head:?}");
    }
    let answer = Answer { status: 0, head, body: Vec::new() };
    let length = answer.field("Content-Length").map_or(0, |length| length.parse().unwrap());
    (answer.head[9..12].parse().unwrap(), answer.head, length)
}

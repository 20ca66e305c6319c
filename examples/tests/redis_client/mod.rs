//! A client of a redis server that sees every byte of a reply.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::util::{DEADLINE, Server};

pub struct Client(BufReader<TcpStream>);

impl Client {
    pub fn connect(server: &Server) -> Self {
        Self(BufReader::new(server.connect()))
    }

    /// Sends a command, without waiting for anything.
    pub fn send(&mut self, arguments: &[&str]) {
        self.send_raw(&wire(arguments));
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// Reads one reply or message whole, and returns its bytes.
    pub fn read(&mut self) -> String {
        let mut reply = Vec::new();
        self.read_into(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    fn read_into(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.0.read_until(b'\n', reply).unwrap();
        let line = &reply[start..];
        assert!(line.ends_with(b"\r\n"), "the connection has ended within a reply");
        let number = || std::str::from_utf8(&line[1..line.len() - 2]).unwrap().parse::<i64>();
        match line[0] {
            b'$' | b'=' => {
                let len = number().unwrap();
                if len >= 0 {
                    let start = reply.len();
                    reply.resize(start + usize::try_from(len).unwrap() + 2, 0);
                    self.0.read_exact(&mut reply[start..]).unwrap();
                }
            }
            b'*' | b'~' | b'>' => (0..number().unwrap()).for_each(|_| self.read_into(reply)),
            b'%' => (0..2 * number().unwrap()).for_each(|_| self.read_into(reply)),
            _ => {}
        }
    }

    /// Sends a command and returns the bytes of its reply.
    pub fn call(&mut self, arguments: &[&str]) -> String {
        self.send(arguments);
        self.read()
    }

    /// As `call`, with the words of a line.
    pub fn run(&mut self, line: &str) -> String {
        self.call(&line.split(' ').collect::<Vec<_>>())
    }

    /// Repeats a command until `is_done` holds of its reply, which must not take for ever.
    #[track_caller]
    pub fn run_until(&mut self, line: &str, is_done: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let reply = self.run(line);
            if is_done(&reply) {
                return;
            }
            assert!(Instant::now() < deadline, "{line}: still {reply}");
            std::thread::yield_now();
        }
    }

    /// Runs commands that are all to be answered with `OK`.
    pub fn set_up(&mut self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.run(line), "+OK\r\n", "{line}");
        }
    }

    /// Waits for the server to close the connection, in whatever way.
    pub fn expect_end(&mut self) {
        let ended = self.0.read_to_end(&mut Vec::new());
        if let Err(error) = ended {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
    }
}

/// Writes a command as clients do.
pub fn wire(arguments: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", arguments.len());
    for argument in arguments {
        bytes += &format!("${}\r\n{argument}\r\n", argument.len());
    }
    bytes.into_bytes()
}

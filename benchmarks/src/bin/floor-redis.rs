//! The floor of the redis suite: as many times the same reply as there are commands. It finds them
//! by their first byte, looks at the kind of the first one only and stores nothing, so it is good
//! for what redis-benchmark sends only: the same command over and over.

use std::io;

use clap::Parser;
use evio_benchmarks::floor::{Answer, Canned, Options, Service, serve};
use memchr::memchr_iter;

/// The byte that a command has once: it says how many strings follow.
const START: u8 = b'*';

/// The shortest of the commands.
const SHORTEST: &[u8] = b"*1\r\n$4\r\nPING\r\n";

/// Where the name of a command begins, when the numbers before it have one digit.
const NAME: usize = b"*1\r\n$4\r\n".len();

fn main() -> io::Result<()> {
    let [ok, value, pong, configuration] = [
        b"+OK\r\n".as_slice(),
        // What redis-benchmark sets.
        b"$3\r\nxxx\r\n",
        b"+PONG\r\n",
        // It begins by asking for two settings that it goes on to print.
        b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n",
    ]
    .map(|reply| Canned::new(reply, SHORTEST.len()));
    serve(&Options::parse(), &Redis { ok, value, pong, configuration, last: b'P' })
}

#[derive(Clone)]
struct Redis {
    ok: Canned,
    value: Canned,
    pong: Canned,
    configuration: Canned,
    /// The first letter of the last command that began where it was received.
    last: u8,
}

impl Service for Redis {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> Answer<'a> {
        if let (Some(&START), Some(&letter)) = (received.first(), received.get(NAME)) {
            self.last = letter;
        }
        let replies = match self.last {
            b'S' => &self.ok,
            b'G' => &self.value,
            b'C' => &self.configuration,
            _ => &self.pong,
        };
        let commands = memchr_iter(START, received).count();
        Answer { reply: replies.times(commands), last: false }
    }
}

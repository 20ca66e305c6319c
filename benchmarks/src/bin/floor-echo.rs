//! The floor of the echo suites: what is received is sent.

use std::io;

use clap::Parser;
use evio_benchmarks::floor::{Answer, Options, Service, serve};

fn main() -> io::Result<()> {
    serve(&Options::parse(), &Echo)
}

#[derive(Clone)]
struct Echo;

impl Service for Echo {
    fn answer<'a>(&'a mut self, received: &'a [u8]) -> Answer<'a> {
        Answer { reply: received, last: false }
    }
}

//! Logs whose reader has gone or has stalled: no server may notice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use util::DEADLINE;

/// Each of them logs a line for every few bytes of a client.
const SERVERS: [(&str, &[&str]); 1] = [(env!("CARGO_BIN_EXE_echo-server"), &["--trace"])];

/// More lines than a pipe and the log's queue hold together.
const LINES: usize = 5_000;

struct Logging {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
    address: String,
}

impl Logging {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(["--port", "0"]).args(arguments).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        stderr.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on tcp://").unwrap().to_owned();
        Self { child, stderr: Some(stderr), address }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    /// Makes the server log, and checks that it answers all the same.
    fn check(&self) {
        let mut client = self.connect();
        for number in 0..LINES {
            client.write_all(b"hello").unwrap();
            let mut reply = [0; 5];
            client.read_exact(&mut reply).unwrap_or_else(|error| panic!("line {number}: {error}"));
        }
        let mut other = self.connect();
        other.write_all(b"hello").unwrap();
        other.read_exact(&mut [0; 5]).unwrap();
    }
}

impl Drop for Logging {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_any_more() {
    for (program, arguments) in SERVERS {
        let mut server = Logging::start(program, arguments);
        drop(server.stderr.take());
        server.check();
    }
}

#[test]
fn a_log_whose_reader_has_stalled() {
    for (program, arguments) in SERVERS {
        let mut server = Logging::start(program, arguments);
        server.check();
        // The reader comes back, and learns what it has missed.
        let mut lines = server.stderr.take().unwrap().lines();
        assert!(lines.any(|line| line.unwrap().ends_with(" lines were left out")));
    }
}

//! What the servers under test have in common: options, commands on standard input, and reports
//! on standard output.
//!
//! A connection is an echo, or, with `--lines`, is answered each line with its length. Connections
//! are numbered from 1 in the order in which they open; commands and reports name them by that.

use std::io::{self, BufRead, Write};
use std::str::FromStr;
use std::time::{Duration, Instant};

use clap::Args;

/// The output of a wake.
pub const WOKEN: &[u8] = b"!woken!";

/// The longest line that is answered.
pub const MAX_LINE: usize = 16 << 20;

/// What a server is told when it starts.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Options {
    /// Answer each line with its length, instead of sending everything back
    #[arg(long)]
    pub lines: bool,
    /// Report a tick each time this many milliseconds have passed
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub tick: u64,
    /// How long the callback of a tick takes
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub tick_work: u64,
    /// Close connections that are silent for this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    pub idle: u64,
}

impl Options {
    /// Returns the time between ticks, if there are any.
    #[must_use]
    pub fn tick_period(&self) -> Option<Duration> {
        (self.tick > 0).then_some(Duration::from_millis(self.tick))
    }

    /// Returns how long a connection may be silent, if that is limited.
    #[must_use]
    pub fn idle_timeout(&self) -> Option<Duration> {
        (self.idle > 0).then_some(Duration::from_millis(self.idle))
    }

    /// Is what a server does in a tick: reports it, and takes its time.
    pub fn on_tick(&self, begin: Instant) {
        report(format_args!("tick {}", begin.elapsed().as_micros()));
        // A slow callback.
        std::thread::sleep(Duration::from_millis(self.tick_work));
    }
}

/// What a server is told while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `wake N`: wakes the connection from another thread; it writes [`WOKEN`].
    Wake(usize),
    /// `send N TEXT`: sends the text from another thread.
    Send(usize, String),
    /// `quit`, or the end of input: closes the connections and ends the server.
    Quit,
}

impl FromStr for Command {
    type Err = io::Error;

    fn from_str(line: &str) -> io::Result<Self> {
        let bad = || io::Error::other(format!("not a command: {line:?}"));
        let mut words = line.splitn(3, ' ');
        let mut next = || words.next().ok_or_else(bad);
        let command = next()?;
        if command == "quit" {
            return Ok(Self::Quit);
        }
        let number = next()?.parse().map_err(|_| bad())?;
        match command {
            "wake" => Ok(Self::Wake(number)),
            "send" => Ok(Self::Send(number, next()?.to_owned())),
            _ => Err(bad()),
        }
    }
}

/// Reads the commands on standard input, up to its end and `Quit`, which is always the last one.
///
/// # Panics
///
/// Panics at what is not a command: the server ends then, and the check that sent it fails.
pub fn for_each_command(mut carry_out: impl FnMut(Command)) {
    for line in io::stdin().lock().lines() {
        match line.and_then(|line| line.parse()).expect("checks send commands only") {
            Command::Quit => break,
            command => carry_out(command),
        }
    }
    carry_out(Command::Quit);
}

/// Reports something on standard output: `listening ADDRESS`, `opened N`, `woken N`, `closed N`, or
/// `tick` with the microseconds since the server began.
pub fn report(line: std::fmt::Arguments<'_>) {
    // Whoever was listening is gone, and the server will be told to end.
    let _ = writeln!(io::stdout().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let cases = [
            ("wake 3", Some(Command::Wake(3))),
            ("send 12 two words", Some(Command::Send(12, "two words".to_owned()))),
            ("quit", Some(Command::Quit)),
            ("send 1", None),
            ("wake", None),
            ("wake x", None),
            ("", None),
        ];
        for (line, command) in cases {
            assert_eq!(line.parse().ok(), command, "{line:?}");
        }
    }
}

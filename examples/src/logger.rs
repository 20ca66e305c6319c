//! A log that never makes a loop wait, and never ends the program.
//!
//! `eprintln!` in a callback does both: it blocks while the reader of standard error has stalled,
//! with all connections of the loop, and panics when the reader has gone. Here a callback puts its
//! line into a bounded queue, and a thread of its own writes it. What finds the queue full, or
//! comes in a flood, is left out, and how much that was is said.

mod lines;
mod rate;

use std::io;

use log::{Level, LevelFilter, Log, Metadata, Record};

pub use lines::{Lines, LinesGuard};
use rate::Rate;

/// The most lines that are logged in a second, enough to follow what happens.
const LINES_PER_SECOND: u32 = 100;

/// The log of the program, on standard error.
struct Logger {
    lines: Lines,
    rate: Rate,
}

/// Sends all that the program logs to standard error, until the guard is dropped.
///
/// # Errors
///
/// Fails when the system refuses a thread.
///
/// # Panics
///
/// Panics when there is a logger already.
pub fn install() -> io::Result<LinesGuard> {
    let (lines, guard) = Lines::new("log", io::stderr())?;
    let logger = Logger { lines, rate: Rate::new(LINES_PER_SECOND) };
    log::set_boxed_logger(Box::new(logger)).expect("the program has one logger");
    log::set_max_level(LevelFilter::Info);
    Ok(guard)
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Info
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        if !self.rate.admits() {
            return self.lines.leave_out();
        }
        match record.level() {
            Level::Error => self.lines.write(format_args!("error: {}", record.args())),
            Level::Warn => self.lines.write(format_args!("warning: {}", record.args())),
            _ => self.lines.write(*record.args()),
        }
    }

    fn flush(&self) {}
}

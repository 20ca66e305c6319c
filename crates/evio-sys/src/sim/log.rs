//! What happened, in words.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use super::Kernel;

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Log {
    Off,
    /// To standard error.
    Printed,
    /// The last so many are kept.
    Kept(VecDeque<String>, usize),
    /// They were kept.
    Over(VecDeque<String>),
}

impl Log {
    pub(super) fn is_on(&self) -> bool {
        matches!(self, Self::Printed | Self::Kept(..))
    }

    #[cold]
    pub(super) fn add(&mut self, now: Duration, line: &str) {
        let line = format!("{:>14.6}s {line}", now.as_secs_f64());
        match self {
            Self::Off | Self::Over(_) => {}
            Self::Printed => eprintln!("{line}"),
            Self::Kept(lines, most) => {
                if lines.len() == *most {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        }
    }

    pub(super) fn end(&mut self) {
        *self = match mem::replace(self, Self::Off) {
            Self::Kept(lines, _) | Self::Over(lines) => Self::Over(lines),
            Self::Off | Self::Printed => Self::Off,
        };
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = &String> {
        let lines = match self {
            Self::Kept(lines, _) | Self::Over(lines) => Some(lines),
            Self::Off | Self::Printed => None,
        };
        lines.into_iter().flatten()
    }
}

impl Kernel {
    /// Prints every call and every arrival to standard error from here on: the time, who calls, the
    /// call, the number of the socket, poller or waker, and the result.
    pub fn print_trace(&self) {
        self.0.lock().log = Log::Printed;
    }

    /// Keeps the last `most` lines of what [`print_trace`](Self::print_trace) would print.
    pub fn keep_trace(&self, most: usize) {
        self.0.lock().log = Log::Kept(VecDeque::new(), most);
    }

    /// Ends the trace: the lines that were kept stay, and no others are added.
    pub fn end_trace(&self) {
        self.0.lock().log.end();
    }

    /// Returns the lines that were kept.
    #[must_use]
    pub fn kept_trace(&self) -> Vec<String> {
        self.0.lock().log.lines().cloned().collect()
    }

    /// Adds a line of the caller's own to the trace, if there is one.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let mut state = self.0.lock();
        if state.log.is_on() {
            let now = state.now;
            state.log.add(now, &line());
        }
    }
}

//! What happened, in words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use super::Kernel;
use super::description::Socket;
use super::state::Id;

/// Where the lines go.
#[derive(Debug)]
pub(super) enum Log {
    Off,
    /// To standard error.
    Printed,
    /// The last so many are kept.
    Kept(Kept, usize),
    /// They were kept.
    Over(Kept),
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    lines: VecDeque<String>,
    /// What everything with a descriptor is, by its number: of a socket that was opened long ago,
    /// the lines do not say it.
    sockets: BTreeMap<Id, String>,
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
            Self::Kept(kept, most) => {
                if kept.lines.len() == *most {
                    kept.lines.pop_front();
                }
                kept.lines.push_back(line);
            }
        }
    }

    /// Adds what has a descriptor from now on.
    #[cold]
    pub(super) fn add_socket(&mut self, now: Duration, id: Id, socket: &Socket) {
        let Socket { owner, what } = socket;
        self.add(now, &format!("    {owner} opens #{id}: {what}"));
        if let Self::Kept(kept, _) = self {
            kept.sockets.insert(id, format!("#{id} of {owner}: {what}"));
        }
    }

    pub(super) fn end(&mut self) {
        *self = match mem::replace(self, Self::Off) {
            Self::Kept(kept, _) | Self::Over(kept) => Self::Over(kept),
            Self::Off | Self::Printed => Self::Off,
        };
    }

    fn kept(&self) -> Option<&Kept> {
        match self {
            Self::Kept(kept, _) | Self::Over(kept) => Some(kept),
            Self::Off | Self::Printed => None,
        }
    }
}

impl Kept {
    /// Returns the numbers that the lines name.
    fn named(&self) -> BTreeSet<Id> {
        let numbers = self.lines.iter().flat_map(|line| line.split('#').skip(1));
        numbers
            .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
            .collect()
    }
}

impl Kernel {
    /// Prints every call and every arrival to standard error from here on: the time, who calls, the
    /// call, the number of the socket, poller or waker, and the result. In two runs of a seed the
    /// lines are the same.
    pub fn print_trace(&self) {
        self.0.lock().log = Log::Printed;
    }

    /// Keeps the last `most` lines of what [`print_trace`](Self::print_trace) would print.
    pub fn keep_trace(&self, most: usize) {
        self.0.lock().log = Log::Kept(Kept::default(), most);
    }

    /// Ends the trace: the lines that were kept stay, and no others are added.
    pub fn end_trace(&self) {
        self.0.lock().log.end();
    }

    /// Returns the lines that were kept.
    #[must_use]
    pub fn kept_trace(&self) -> Vec<String> {
        let state = self.0.lock();
        state.log.kept().into_iter().flat_map(|kept| kept.lines.iter().cloned()).collect()
    }

    /// Returns what the sockets are that the lines name which were kept, and whose: a line for
    /// each.
    #[must_use]
    pub fn kept_sockets(&self) -> Vec<String> {
        let state = self.0.lock();
        let Some(kept) = state.log.kept() else { return Vec::new() };
        kept.named().iter().filter_map(|id| kept.sockets.get(id).cloned()).collect()
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

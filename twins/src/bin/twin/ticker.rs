//! The schedule of the ticks.

use std::time::{Duration, Instant};

use evio_sys::clock;
use evio_twins::Bug;
use evio_twins::protocol::Options;

/// Calls back when a period has passed, and again when it was late.
pub(crate) struct Ticker {
    bug: Bug,
    options: Options,
    begin: Instant,
    next: Option<Instant>,
}

impl Ticker {
    pub(crate) fn new(bug: Bug, options: Options, begin: Instant) -> Self {
        let next = options.tick_period().map(|_| clock::now());
        Self { bug, options, begin, next }
    }

    /// Returns how long to wait for the next tick.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.next.map(|next| next.saturating_duration_since(clock::now()))
    }

    pub(crate) fn run(&mut self) {
        let Some(due) = self.next.filter(|&next| next <= clock::now()) else { return };
        self.options.on_tick(self.begin);
        let from = if self.bug == Bug::SleepTick { clock::now() } else { due };
        self.next = self.options.tick_period().map(|period| from + period);
    }
}

//! When a connection must be looked at, and why.

use std::time::Duration;

use crate::config::Limits;
use crate::timer::Tick;
use crate::turn_clock::TurnClock;

/// The deadlines of one connection. Moving one later is a store; the wheel is told only of what
/// comes earlier than what it knows.
#[derive(Debug)]
pub(crate) struct Deadlines {
    /// When bytes last went in either direction, or connecting began.
    pub(crate) active: Tick,
    /// Since when output has been waiting without any being taken.
    pub(crate) stalled: Option<Tick>,
    /// Since when the output has been above the watermarks.
    pub(crate) congested: Option<Tick>,
    /// When the handler wants what it is receiving to be whole.
    pub(crate) reading: Option<Tick>,
    /// When the handler wants to be called.
    pub(crate) timer: Option<Tick>,
    /// When the ending that is under way is cut short.
    pub(crate) closing: Option<Tick>,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Connect,
    Idle,
    Write,
    Congestion,
    Read,
    Timer,
    Closing,
}

impl Deadlines {
    pub(crate) fn new(now: Tick) -> Self {
        Self {
            active: now,
            stalled: None,
            congested: None,
            reading: None,
            timer: None,
            closing: None,
        }
    }

    /// Takes note that bytes went, unless nobody has asked for the time in this turn. When that was
    /// does not matter then: a connection with an idle timeout has a place in the wheel, for which
    /// every turn reads the clock, and one that is given it later counts from then.
    #[inline]
    pub(crate) fn note_activity(&mut self, clock: &TurnClock) {
        if let Some(tick) = clock.tick_if_read() {
            self.active = tick;
        }
    }

    /// Takes what happened at `from` to have happened at `to`.
    pub(crate) fn restamp(&mut self, from: Tick, to: Tick) {
        let stamps = [Some(&mut self.active), self.stalled.as_mut(), self.congested.as_mut()];
        for stamp in stamps.into_iter().flatten().filter(|stamp| **stamp == from) {
            *stamp = to;
        }
    }

    /// Returns the earliest deadline of an open connection and what it is for.
    pub(crate) fn next(&self, limits: &Limits, now: Tick) -> Option<(Tick, Expired)> {
        let since = |start: Option<Tick>, timeout: Option<Duration>| {
            start.zip(timeout).and_then(|(start, timeout)| start.after(timeout))
        };
        let candidates = [
            (self.reading, Expired::Read),
            (self.timer, Expired::Timer),
            (since(self.stalled, limits.write_timeout), Expired::Write),
            (since(self.congested, limits.congestion_timeout), Expired::Congestion),
            (since(Some(self.active), limits.idle_timeout), Expired::Idle),
        ];
        candidates
            .into_iter()
            .filter_map(|(tick, what)| tick.map(|tick| (tick, what)))
            .min_by_key(|&(tick, _)| tick.since(now))
    }
}

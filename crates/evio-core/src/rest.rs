//! Rests: a listener or UDP socket that nothing can be had from is left alone for a while.

use std::time::{Duration, Instant};

use crate::acceptor::{BoundListener, Rest};
use crate::loop_state::LoopState;

/// How long a rest is: of a listener when descriptors or memory ran out, of a UDP socket that fails
/// time and again or is shut down. Long enough to cost nothing, short enough not to be noticed; a
/// listener waits for a connection to end besides.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(50);

/// When those that rest are to be looked at.
#[derive(Debug, Default)]
pub(crate) struct Rests {
    /// `None` if no rest has an end of its own. What rested may be gone by then.
    pub(crate) first_end: Option<Instant>,
}

impl Rests {
    /// Returns until when a rest lasts that begins now.
    pub(crate) fn begin(&mut self, now: Instant) -> Instant {
        let end = now.checked_add(BACK_OFF).unwrap_or(now);
        // All are as long: the first to begin is the first to end.
        self.first_end.get_or_insert(end);
        end
    }
}

impl LoopState {
    /// Has those polled again that have rested long enough.
    pub(crate) fn resume_rested(&mut self) {
        self.resume_rested_sockets();
        self.resume_rested_listeners();
        self.rests.first_end = self.first_rest_end();
    }

    fn first_rest_end(&self) -> Option<Instant> {
        let until = |(_, bound): (_, &BoundListener)| match bound.rest {
            Some(Rest::Until(until)) => Some(until),
            Some(Rest::Full) | None => None,
        };
        let sockets = self.sockets.iter().filter_map(|(_, bound)| bound.rests_until);
        self.listeners.iter().filter_map(until).chain(sockets).min()
    }
}

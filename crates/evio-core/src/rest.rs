//! Rests: a listener or UDP socket that nothing can be had from is left alone for a while.

use std::time::{Duration, Instant};

use crate::acceptor::{BoundListener, Rest};
use crate::loop_state::LoopState;

/// How long a rest is: of a listener when descriptors or memory ran out, of a UDP socket that fails
/// time and again or is shut down. Long enough to cost nothing, short enough not to be noticed; a
/// listener waits for a connection to end besides.
pub(crate) const BACK_OFF: Duration = Duration::from_millis(50);

/// Returns until when a rest lasts that begins now.
pub(crate) fn end_of_rest(now: Instant) -> Instant {
    now.checked_add(BACK_OFF).unwrap_or(now)
}

impl LoopState {
    /// Has those polled again that have rested long enough.
    pub(crate) fn resume_rested(&mut self) {
        self.resume_rested_sockets();
        self.resume_rested_listeners();
    }

    /// Returns when the first rest is over, if any has an end of its own.
    pub(crate) fn next_rest_end(&self) -> Option<Instant> {
        let until = |(_, bound): (_, &BoundListener)| match bound.rest {
            Some(Rest::Until(until)) => Some(until),
            Some(Rest::Full) | None => None,
        };
        let sockets = self.sockets.iter().filter_map(|(_, bound)| bound.rests_until);
        self.listeners.iter().filter_map(until).chain(sockets).min()
    }
}

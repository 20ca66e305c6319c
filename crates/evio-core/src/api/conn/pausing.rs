//! When a connection is not read from, and when it is again.

use std::time::Instant;

use crate::api::conn::Conn;
use crate::types::pause_reason::PauseReason;

/// Pauses of the input.
impl Conn<'_> {
    /// Stops the input: neither `data` nor `peer_closed` is called until
    /// [`resume_reading`](Self::resume_reading). The kernel's receive buffer fills up, and flow
    /// control makes the peer wait.
    ///
    /// The peer's FIN comes after the input before it, and is found when reading is resumed. A
    /// reset ends the connection during the pause, and the input that waited is lost. A read
    /// timeout goes on. A connection that is closing reads in spite of a pause, and discards the
    /// input.
    ///
    /// There is one such pause, however often it is asked for; see [`PauseReason`] for several.
    pub fn pause_reading(&mut self) {
        self.pause_reading_for(PauseReason::PLAIN);
    }

    /// Takes back [`pause_reading`](Self::pause_reading), and nothing of
    /// [`pause_reading_for`](Self::pause_reading_for) another reason.
    pub fn resume_reading(&mut self) {
        self.resume_reading_for(PauseReason::PLAIN);
    }

    /// Stops the input as [`pause_reading`](Self::pause_reading) does, for a reason that is taken
    /// back by itself. Input goes on when no reason is left.
    ///
    /// # Examples
    ///
    /// See [`PauseReason`].
    pub fn pause_reading_for(&mut self, reason: PauseReason) {
        self.state.table.set_paused(self.key, reason, true);
    }

    /// Takes back [`pause_reading_for`](Self::pause_reading_for) and
    /// [`pause_reading_until`](Self::pause_reading_until).
    pub fn resume_reading_for(&mut self, reason: PauseReason) {
        self.state.table.set_paused(self.key, reason, false);
    }

    /// Stops the input for a reason that is taken back at `end`, without a callback: each reason
    /// may have an end, which replaces an earlier one.
    ///
    /// As with [`set_timer`](Self::set_timer), input goes on in steps of 16 ms, never early, and up
    /// to 48 ms late. An end that is more than a year away is none.
    pub fn pause_reading_until(&mut self, reason: PauseReason, end: Instant) {
        self.state.table.pause_until(self.key, reason, end);
    }

    /// Returns whether there is a reason for which the input is paused: not that the connection is
    /// [congested](Self::is_congested), and not when the input has ended.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.entry().is_paused()
    }

    /// Returns whether the input is paused for this reason.
    #[must_use]
    pub fn is_paused_for(&self, reason: PauseReason) -> bool {
        self.entry().is_paused_for(reason)
    }
}

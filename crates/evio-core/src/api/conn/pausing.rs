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
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, ConnId};
    ///
    /// /// The `opened` callback of a relay: one side does not wait for what goes the other way.
    /// fn opened(conn: &mut Conn<'_>) -> Action {
    ///     conn.read_while_congested(true);
    ///     Action::None
    /// }
    ///
    /// /// Its `data` callback, which passes input on, and waits while the other side is full.
    /// fn data(conn: &mut Conn<'_>, other: ConnId, input: &[u8]) -> Action {
    ///     let Some(mut other) = conn.sibling(other) else { return Action::Close };
    ///     other.write(input);
    ///     if other.is_congested() {
    ///         conn.pause_reading();
    ///     }
    ///     Action::None
    /// }
    ///
    /// /// Its `drained` callback: there is room again, so the other side is read from.
    /// fn drained(conn: &mut Conn<'_>, other: ConnId) -> Action {
    ///     let Some(mut other) = conn.sibling(other) else { return Action::Close };
    ///     other.resume_reading();
    ///     Action::None
    /// }
    /// ```
    pub fn pause_reading(&mut self) {
        self.pause_reading_for(PauseReason::PLAIN);
    }

    /// Takes back [`pause_reading`](Self::pause_reading), and nothing of
    /// [`pause_reading_for`](Self::pause_reading_for) another reason.
    ///
    /// # Examples
    ///
    /// See [`pause_reading`](Self::pause_reading).
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
    ///
    /// # Examples
    ///
    /// See [`PauseReason`].
    pub fn resume_reading_for(&mut self, reason: PauseReason) {
        self.state.table.set_paused(self.key, reason, false);
    }

    /// Stops the input for a reason that is taken back at `end`, without a callback: each reason
    /// may have an end, which replaces an earlier one.
    ///
    /// As with [`set_timer`](Self::set_timer), input goes on in steps of 16 ms, never early, and up
    /// to 48 ms late. An end that is more than a year away is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Conn, PauseReason};
    ///
    /// const WRONG_PASSWORD: PauseReason = PauseReason::new(1);
    ///
    /// /// Makes somebody who guesses wait: the next password is not looked at for two seconds.
    /// fn refuse(conn: &mut Conn<'_>) {
    ///     conn.write(b"wrong password\n");
    ///     conn.pause_reading_until(WRONG_PASSWORD, conn.now() + Duration::from_secs(2));
    /// }
    /// ```
    pub fn pause_reading_until(&mut self, reason: PauseReason, end: Instant) {
        self.state.table.pause_until(self.key, reason, end);
    }

    /// Returns whether there is a reason for which the input is paused: not that the connection is
    /// [congested](Self::is_congested), and not when the input has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::VecDeque;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// What `data` and `woken` end with, for answers in the order of the questions: with
    /// /// `max_owed_replies(1)`, the connection is paused for as long as a reply is owed.
    /// fn ask_next(conn: &mut Conn<'_>, questions: &mut VecDeque<Vec<u8>>) -> Action {
    ///     while !conn.is_paused() {
    ///         let Some(question) = questions.pop_front() else { break };
    ///         let reply = conn.reply();
    ///         std::thread::spawn(move || reply.send(question));
    ///     }
    ///     Action::None
    /// }
    /// ```
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.entry().is_paused()
    }

    /// Returns whether the input is paused for this reason.
    ///
    /// # Examples
    ///
    /// See [`PauseReason`].
    #[must_use]
    pub fn is_paused_for(&self, reason: PauseReason) -> bool {
        self.entry().is_paused_for(reason)
    }
}

//! Deadlines of connections: who waits for what, and what happens when it does not come.

use std::time::{Duration, Instant};

use crate::table::conns::Table;
use crate::table::deadlines::{Expired, earliest};
use crate::table::entry::Entry;
use crate::table::phase::Phase;
use crate::table::turn_clock::TurnClock;
use crate::table::wheel_time::WheelTime;
use crate::types::action::{CloseReason, Timeout};
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;
use crate::types::pause_reason::PauseReason;

/// How long a connection that a shutdown or a timeout has closed is kept for the peer to close its
/// side. It has been sent everything, and may be gone long since; only a peer that writes on after
/// this time loses what it has not read.
const SHORT_LINGER: Duration = Duration::from_millis(500);

/// A loop that looks more than so many steps after a deadline is late: on time, it looks within
/// three.
const LATE: i32 = 3;

/// The answer of a socket that was asked for room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Yes,
    /// Too little for poll(2). The loop is late, so the peer may have taken some in time.
    Unknown,
    No,
}

impl Entry {
    /// Returns the earliest deadline and what it is for.
    fn next_deadline(&self, limits: &Limits, clock: &TurnClock) -> Option<(WheelTime, Expired)> {
        let now = clock.tick();
        match self.phase() {
            Phase::Connecting | Phase::Established => {
                earliest(&self.deadlines.connect(limits), now)
            }
            Phase::Open | Phase::HalfClosed => {
                // Input that was there in time is read first.
                let is_overdue = self.overdue().is_some_and(|overdue| overdue > 0);
                let due =
                    earliest(&self.deadlines.active(limits, clock, self.owes(), is_overdue), now);
                let resume = self.first_resume(now).map(|(at, _)| (at, Expired::Resume));
                due.into_iter().chain(resume).min_by_key(|&(at, _)| at.since(now))
            }
            Phase::Flushing | Phase::Detaching => {
                earliest(&self.deadlines.closing(limits, clock), now)
            }
            Phase::Lingering => earliest(&self.deadlines.lingering(limits), now),
            Phase::Ended | Phase::Aborted => None,
        }
    }
}

impl Table {
    /// Tells the wheel of the connection's next deadline.
    pub(crate) fn arm(&mut self, key: ConnKey) {
        let Some(entry) = self.get(key) else { return };
        let Some(limits) = self.limits(key) else { return };
        if let Some((next, _)) = entry.next_deadline(limits, &self.clock) {
            self.wheel.insert(next, key.index);
        }
    }

    /// Returns what the connection's time is up for.
    ///
    /// Output that has come down keeps congestion from expiring until that is noted.
    pub(crate) fn expired(&self, key: ConnKey) -> Option<Expired> {
        let (entry, limits) = (self.get(key)?, self.limits(key)?);
        let (tick, expired) = entry.next_deadline(limits, &self.clock)?;
        let has_passed = tick.since(self.clock.tick()) <= 0;
        let is_over = expired == Expired::Congestion
            && entry.output_len() <= limits.effective_low_watermark();
        (has_passed && !is_over).then_some(expired)
    }

    /// Returns whether the deadline of a connection has passed long since: the loop was held up.
    fn is_late(&self, key: ConnKey) -> bool {
        let Some((entry, limits)) = self.get(key).zip(self.limits(key)) else { return false };
        let next = entry.next_deadline(limits, &self.clock);
        next.is_some_and(|(due, _)| self.clock.tick().since(due) > LATE)
    }

    /// Returns when the first connection has to be looked at.
    #[inline]
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Moves the indexes of the connections that have to be looked at to `fired`.
    pub(crate) fn advance_wheel(&mut self, now: Instant, fired: &mut impl Extend<u32>) {
        self.wheel.advance(now, fired);
    }

    /// Cuts off a connection whose time is up.
    pub(crate) fn time_out(&mut self, key: ConnKey, expired: Expired) {
        let timeout = match expired {
            Expired::Connect => Timeout::Connect,
            Expired::Idle => Timeout::Idle,
            Expired::Read => Timeout::Read,
            Expired::Write => Timeout::Write,
            Expired::Congestion => Timeout::Congestion,
            Expired::Close | Expired::Flush => Timeout::Close,
            Expired::Reply => Timeout::Reply,
            Expired::Timer | Expired::Resume | Expired::KernelLen => return,
        };
        let reason = CloseReason::Timeout(timeout);
        match expired {
            Expired::Connect | Expired::Idle | Expired::Read | Expired::Reply => {
                self.close(key, reason);
            }
            _ => self.end(key, reason, true),
        }
    }

    /// Clears the timer of a connection, which has run down.
    pub(crate) fn clear_timer(&mut self, key: ConnKey) {
        if let Some(entry) = self.get_mut(key) {
            entry.deadlines.timer = None;
        }
    }

    /// Asks the socket for input that has come since the poller was asked, and has a later turn
    /// read it. Returns whether there is any that keeps the deadline from passing.
    pub(crate) fn ask_for_input(&mut self, key: ConnKey, expired: Expired) -> bool {
        let Some(entry) = self.get(key) else { return false };
        let wants_input = entry.wants_input();
        let was_asked = expired == Expired::Read && entry.overdue().is_some();
        if was_asked || entry.input_ended() || expired == Expired::Read && !wants_input {
            return false;
        }
        match entry.stream.has_input() {
            Ok(false) => return false,
            Ok(true) if expired == Expired::Read => {
                // The end of the input counts as a byte: it is to be read as well.
                let overdue = entry.stream.input_len().unwrap_or(0).max(1);
                self.change(key, |entry, _| entry.set_overdue(Some(overdue)));
            }
            Ok(true) => {
                let tick = self.clock.tick();
                self.change(key, |entry, _| entry.deadlines.last_activity = tick);
            }
            Err(error) => self.end(key, CloseReason::Error(error), false),
        }
        if wants_input {
            self.read_on_later(key);
        }
        true
    }

    /// Asks the socket of a connection for room at a deadline of its output, with poll(2).
    ///
    /// A send itself would not tell: it fills what little is left of the send buffer, though the
    /// peer has taken nothing.
    pub(crate) fn ask_for_room(&mut self, key: ConnKey) -> Room {
        let is_late = self.is_late(key);
        let Some(entry) = self.get_mut(key) else { return Room::No };
        if entry.stream.has_room().unwrap_or(true) {
            Room::Yes
        } else if is_late && entry.try_late() {
            Room::Unknown
        } else {
            Room::No
        }
    }

    /// Lets the next flush try the socket of a connection again.
    pub(crate) fn unblock(&mut self, key: ConnKey) {
        self.change(key, |entry, _| entry.unsent.unblock());
    }

    /// Asks the kernel how much output of a connection it holds. If the peer has taken some since
    /// the last time, what waits for its progress counts anew: a poller reports room only when
    /// there is much, which a slow peer takes long to make.
    pub(crate) fn ask_for_progress(&mut self, key: ConnKey) {
        let now = self.clock.tick();
        let Some((entry, limits)) = self.with_limits(key) else { return };
        let has_progress = entry.deadlines.note_kernel_len(entry.stream.output_len().ok(), now);
        let is_closing = !entry.phase().is_active() && entry.deadlines.close_deadline.is_some();
        if has_progress && is_closing {
            // Unlike a stamp, it is not corrected when the turn turns out to be slow.
            let now = self.clock.tick_now().latest(now);
            self.change(key, |entry, _| {
                entry.deadlines.close_deadline = now.after(limits.close_timeout);
            });
        }
    }

    /// Gives an ending that waits for the peer to take output its deadlines.
    pub(super) fn start_closing(&mut self, key: ConnKey) {
        let now = self.clock.tick_now();
        let Some((entry, limits)) = self.with_limits(key) else { return };
        entry.deadlines.closing_since.get_or_insert(now);
        if entry.deadlines.close_deadline.is_none() {
            entry.deadlines.close_deadline = now.after(limits.close_timeout);
        }
        self.arm(key);
    }

    /// Gives an ending that waits for the peer's FIN its deadline.
    pub(super) fn start_lingering(&mut self, key: ConnKey) {
        let now = self.clock.tick_now();
        let Some((entry, limits)) = self.with_limits(key) else { return };
        let is_short = matches!(entry.reason(), CloseReason::Shutdown | CloseReason::Timeout(_));
        let timeout = match is_short {
            true => limits.close_timeout.min(SHORT_LINGER),
            false => limits.close_timeout,
        };
        entry.deadlines.closing_since.get_or_insert(now);
        entry.deadlines.close_deadline = now.after(timeout);
        self.arm(key);
    }

    /// Gives a connection limits of its own, as if it had had them: what has begun counts from when
    /// it began.
    pub(crate) fn set_limits(&mut self, key: ConnKey, limits: Limits) {
        let now = self.clock.tick_now();
        let Some((entry, before)) = self.with_limits(key) else { return };
        let is_connecting = entry.phase().is_connecting();
        let deadlines = &mut entry.deadlines;
        // Where no timeout was waited for, turns may have passed that did not read the clock. A
        // timeout that is too long to be told from the past is none.
        let was_none =
            |timeout: Option<Duration>| timeout.and_then(|timeout| now.after(timeout)).is_none();
        // While connecting, it is when that began.
        if was_none(before.idle_timeout) && !is_connecting {
            deadlines.last_activity = now;
        }
        if was_none(before.write_timeout) && !was_none(limits.write_timeout) {
            deadlines.set_stalled(deadlines.stalled_since().map(|_| now));
        }
        if was_none(before.congestion_timeout) {
            deadlines.congested_since = deadlines.congested_since.map(|_| now);
        }
        // It would shorten the time to connect, too.
        if before.write_timeout != limits.write_timeout && !is_connecting {
            // Fails for a connection that is gone, which is found out in time.
            let _ = entry.stream.set_user_timeout(limits.write_timeout);
        }
        self.change(key, |entry, _| {
            entry.extras_mut().limits = Some(Box::new(limits));
            if let Some(writer) = entry.status_writer() {
                writer.set_high_watermark(limits.high_watermark);
            }
        });
        self.apply_output_limits(key);
        self.arm(key);
    }

    /// Tells the kernel how long the peer may leave output unacknowledged.
    pub(crate) fn set_user_timeout(&mut self, key: ConnKey) {
        let Some((entry, limits)) = self.with_limits(key) else { return };
        if limits.write_timeout.is_some() {
            let _ = entry.stream.set_user_timeout(limits.write_timeout);
        }
    }

    /// Takes that back for a socket that leaves the loop, whose next owner has limits of its own.
    pub(crate) fn clear_user_timeout(&mut self, key: ConnKey) {
        let Some((entry, limits)) = self.with_limits(key) else { return };
        if limits.write_timeout.is_some() {
            let _ = entry.stream.set_user_timeout(None);
        }
    }

    pub(crate) fn set_read_timeout(&mut self, key: ConnKey, timeout: Option<Duration>) {
        let deadline = timeout.and_then(|timeout| self.clock.tick_now().after(timeout));
        if let Some(entry) = self.get_mut(key) {
            entry.deadlines.read_deadline = deadline;
            entry.set_overdue(None);
        }
        self.arm(key);
    }

    /// Stops the input of a connection for a reason, which is taken back at `end`.
    pub(crate) fn pause_until(&mut self, key: ConnKey, reason: PauseReason, end: Instant) {
        let delay = end.saturating_duration_since(self.clock.now());
        let at = self.clock.tick().after(delay);
        self.set_paused(key, reason, true);
        if let Some((entry, at)) = self.get_mut(key).zip(at) {
            if entry.is_paused_for(reason) {
                entry.set_resume(reason, at);
            }
        }
        self.arm(key);
    }

    /// Takes back the reasons of pauses that have come to their end.
    pub(crate) fn resume_due(&mut self, key: ConnKey) {
        let now = self.clock.tick();
        let next = |it: &Self| it.get(key).and_then(|entry| entry.first_resume(now));
        while let Some((_, reason)) = next(self).filter(|&(at, _)| at.since(now) <= 0) {
            self.set_paused(key, reason, false);
        }
    }

    pub(crate) fn set_timer(&mut self, key: ConnKey, delay: Option<Duration>) {
        let deadline = delay.and_then(|delay| self.clock.tick_now().after(delay));
        if let Some(entry) = self.get_mut(key) {
            entry.deadlines.timer = deadline;
        }
        self.arm(key);
    }
}

#[cfg(test)]
mod tests;

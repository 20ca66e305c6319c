//! The connections of one loop, and the one writer of their state.

use std::hint;
use std::time::Instant;

use evio_sys::Interest;

use crate::table::backlog::Backlog;
use crate::table::entry::{Entry, Fin};
use crate::table::indexes::Indexes;
use crate::table::input_state::InputState;
use crate::table::list::{List, Listed};
use crate::table::pages::Pages;
use crate::table::phase::Phase;
use crate::table::turn_clock::TurnClock;
use crate::table::wheel::Wheel;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;
use crate::types::origin::{OriginKind, Tag};
use crate::types::pause_reason::PauseReason;

/// All connections of a loop, by index, with a generation that tells apart those that come to the
/// same place one after the other.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Table {
    pub(super) entries: Pages<Entry>,
    pub(super) clock: TurnClock,
    pub(super) list: List,
    pub(super) backlog: Backlog,
    pub(super) limits: Limits,
    /// By the index of the address, instead of `limits`.
    pub(super) address_limits: Vec<Option<Limits>>,
    pub(super) wheel: Wheel,
    indexes: Indexes,
    last_generation: u32,
}

/// What is to be done with a connection that was on the list.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// Nothing: it waits for what the poller has been told of.
    Waits,
    /// The poller has to be told.
    Rearm(Interest),
    /// It has come about: `opened` is due.
    Establish,
    /// It has ended: `closed` or `connect_failed` is due.
    Finish,
    /// Its output is sent: `detached` is due.
    Detach,
}

impl Table {
    pub(crate) fn new(limits: Limits, address_limits: Vec<Option<Limits>>, now: Instant) -> Self {
        Self {
            entries: Pages::default(),
            clock: TurnClock::new(now),
            list: List::default(),
            backlog: Backlog::default(),
            limits,
            address_limits,
            wheel: Wheel::new(now),
            indexes: Indexes::default(),
            last_generation: 0,
        }
    }

    pub(crate) fn insert(&mut self, mut entry: Entry) -> ConnKey {
        // One counter for all places: a key comes back only after 2^32 more connections. Zero is
        // left out, since it marks the loop's own tokens.
        self.last_generation = self.last_generation.checked_add(1).unwrap_or(1);
        entry.generation = self.last_generation;
        let index = self.indexes.take();
        self.entries.insert(index, entry);
        ConnKey { index, generation: self.last_generation }
    }

    /// Takes a connection out. Its peer finds the end: also when a copy of the descriptor is open
    /// in another process or elsewhere in this one.
    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Entry> {
        self.get(key)?;
        self.wheel.remove(key.index);
        self.indexes.give_back(key.index);
        let end = self.entries.end();
        let entry = self.entries.remove(key.index);
        if self.entries.end() < end {
            self.wheel.truncate(self.entries.end());
        }
        entry
    }

    /// Returns the connection, unless it has been removed.
    #[inline]
    pub(crate) fn get(&self, key: ConnKey) -> Option<&Entry> {
        self.entries.get(key.index).filter(|entry| entry.generation == key.generation)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Entry> {
        self.entries.get_mut(key.index).filter(|entry| entry.generation == key.generation)
    }

    /// Reads the first fields of a connection, so that the processor fetches them.
    #[inline]
    pub(crate) fn prefetch(&self, key: ConnKey) {
        if let Some(entry) = self.entries.get(key.index) {
            hint::black_box((entry.generation, entry.unsent.is_queued()));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the key of the connection at `index`, if there is one.
    pub(crate) fn key_at(&self, index: u32) -> Option<ConnKey> {
        self.entries.get(index).map(|entry| entry.key(index))
    }

    /// Returns the first connection with an index of `start` or more.
    pub(crate) fn first_from(&self, start: u32) -> Option<ConnKey> {
        let index = self.entries.indexes(start).next()?;
        self.key_at(index)
    }

    /// Returns the first index from `start` on of a connection that has come in, and that callbacks
    /// are made of.
    pub(crate) fn first_client(&self, start: u32) -> Option<u32> {
        let is_client = |entry: &Entry| entry.phase().is_active() && !entry.is_outbound();
        self.entries.indexes(start).find(|&index| self.entries.get(index).is_some_and(is_client))
    }

    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        self.entries.indexes(0).filter_map(|index| self.key_at(index)).collect()
    }

    /// Returns the generation of the connection that came last.
    pub(crate) fn last_generation(&self) -> u32 {
        self.last_generation
    }

    pub(crate) fn clock(&self) -> &TurnClock {
        &self.clock
    }

    /// Returns the limits of the server.
    pub(crate) fn server_limits(&self) -> &Limits {
        &self.limits
    }

    #[inline]
    pub(super) fn limits_of<'a>(
        entry: &'a Entry,
        server: &'a Limits,
        addresses: &'a [Option<Limits>],
    ) -> &'a Limits {
        if let Some(limits) = entry.extras.get().and_then(|extras| extras.limits.as_deref()) {
            return limits;
        }
        let OriginKind::Accepted(index) = entry.origin else { return server };
        addresses.get(usize::from(index)).and_then(Option::as_ref).unwrap_or(server)
    }

    /// Returns the connection together with its limits.
    #[inline]
    pub(super) fn with_limits(&mut self, key: ConnKey) -> Option<(&mut Entry, Limits)> {
        let entry = self.entries.get_mut(key.index)?;
        if entry.generation != key.generation {
            return None;
        }
        let limits = *Self::limits_of(entry, &self.limits, &self.address_limits);
        Some((entry, limits))
    }

    pub(crate) fn limits(&self, key: ConnKey) -> Option<&Limits> {
        let entry = self.get(key)?;
        Some(Self::limits_of(entry, &self.limits, &self.address_limits))
    }

    /// Changes the state of a connection, which the end of the turn then looks at.
    #[inline]
    pub(super) fn change<R>(
        &mut self,
        key: ConnKey,
        change: impl FnOnce(&mut Entry, Listed) -> R,
    ) -> Option<R> {
        let entry = self.entries.get_mut(key.index)?;
        if entry.generation != key.generation {
            return None;
        }
        let listed = self.list.add(key, &mut entry.listed);
        Some(change(entry, listed))
    }

    /// Lists a connection, to be settled at the end of the turn.
    #[inline]
    pub(crate) fn list(&mut self, key: ConnKey) {
        self.change(key, |_, _| ());
    }

    /// Begins an ending that loses nothing.
    pub(crate) fn close(&mut self, key: ConnKey, reason: CloseReason) {
        self.change(key, |entry, listed| entry.close(reason, listed));
    }

    /// Ends a connection at the end of the turn, whatever is left to send.
    pub(crate) fn end(&mut self, key: ConnKey, reason: CloseReason, reset: bool) {
        self.change(key, |entry, listed| entry.end(reason, reset, listed));
    }

    /// Sends a FIN when the output is sent.
    pub(crate) fn half_close(&mut self, key: ConnKey) {
        self.change(key, |entry, listed| entry.half_close(listed));
    }

    /// Begins to detach a connection, unless it is ending.
    pub(crate) fn detach(&mut self, key: ConnKey) {
        self.change(key, |entry, listed| entry.detach(listed));
    }

    /// Ends the input of a connection, as the peer's FIN does.
    pub(crate) fn end_input(&mut self, key: ConnKey) {
        self.change(key, |entry, _| entry.input = InputState::ENDED);
    }

    /// Stops the input of a connection for a reason, or takes that back: input goes on when no
    /// reason is left.
    pub(crate) fn set_paused(&mut self, key: ConnKey, reason: PauseReason, paused: bool) {
        self.change(key, |entry, _| {
            entry.input.set_paused(reason, paused);
            entry.forget_resume(reason);
        });
        self.resume_brought_input(key);
    }

    /// Lets the input of a connection go on, or not, while too much output waits.
    pub(crate) fn set_reads_while_congested(&mut self, key: ConnKey, reads: bool) {
        self.change(key, |entry, _| entry.reads_while_congested = reads);
        self.resume_brought_input(key);
    }

    /// Keeps input that a handler has not used for the owner of the socket after a detach.
    pub(crate) fn put_back(&mut self, key: ConnKey, input: &[u8]) {
        self.change(key, |entry, _| entry.extras_mut().put_back.extend_from_slice(input));
    }

    /// Puts a connection whose adopted socket has brought input along into the backlog, if it
    /// reads: no poller reports that input.
    pub(crate) fn resume_brought_input(&mut self, key: ConnKey) {
        if self.get(key).is_some_and(|entry| entry.has_brought_input() && entry.wants_input()) {
            self.read_on_later(key);
        }
    }

    /// Makes the attempt that has won a dial a connection with this tag.
    pub(crate) fn end_dial(&mut self, key: ConnKey, tag: Tag) {
        if let Some(entry) = self.get_mut(key) {
            entry.origin = OriginKind::Connected;
            entry.extras_mut().tag = tag;
        }
    }

    /// Opens an outbound connection that has come about.
    pub(crate) fn establish(&mut self, key: ConnKey) {
        let tick = self.clock.tick();
        self.set_user_timeout(key);
        self.change(key, |entry, listed| {
            entry.establish(listed);
            entry.deadlines.last_activity = tick;
            // Until now nobody could have taken any of the output.
            entry.deadlines.congested_since = entry.deadlines.congested_since.map(|_| tick);
        });
        self.arm(key);
    }

    /// Clears the congestion of a connection whose output has come down to the low watermark, and
    /// returns whether `drained` is due for that.
    pub(crate) fn clear_congestion(&mut self, key: ConnKey) -> bool {
        let Some((entry, limits)) = self.with_limits(key) else { return false };
        let was_congested = entry.is_congested() && !entry.phase().is_connecting();
        let is_over = was_congested && entry.output_len() <= limits.effective_low_watermark();
        if is_over {
            entry.deadlines.congested_since = None;
            self.resume_brought_input(key);
        }
        is_over
    }

    /// Moves a connection that was on the list a phase on, if it can go on now, and returns what is
    /// to be done with it.
    pub(crate) fn next_step(&mut self, key: ConnKey) -> NextStep {
        let listed = self.list.settling();
        let Some(entry) = self.get_mut(key) else { return NextStep::Waits };
        if entry.output_len() == 0 {
            if entry.advance(listed) {
                self.start_lingering(key);
            }
        } else if entry.phase().is_sending_the_last() {
            self.start_closing(key);
        }
        let Some(entry) = self.get_mut(key) else { return NextStep::Waits };
        entry.tell_state();
        match entry.phase() {
            Phase::Ended | Phase::Aborted => NextStep::Finish,
            Phase::Detaching if entry.output_len() == 0 => NextStep::Detach,
            Phase::Established => NextStep::Establish,
            // The poller has been told already what such a connection waits for.
            Phase::Connecting => NextStep::Waits,
            _ => {
                let wanted = entry.wanted_interest();
                match entry.poll_interest == Some(wanted) {
                    true => NextStep::Waits,
                    false => NextStep::Rearm(wanted),
                }
            }
        }
    }

    /// Notes what the poller has been told.
    pub(crate) fn rearmed(&mut self, key: ConnKey, interest: Interest) {
        if let Some(entry) = self.get_mut(key) {
            entry.poll_interest = Some(interest);
        }
    }

    /// Forces EPOLL_CTL_MOD when the turn ends, which reports input again that is left alone for
    /// now.
    pub(crate) fn force_rearm(&mut self, key: ConnKey) {
        self.change(key, |entry, _| entry.poll_interest = None);
    }

    /// Sends the FIN of a connection that is handed out, if the handler has asked for one.
    pub(crate) fn send_wanted_fin(&mut self, key: ConnKey) {
        if let Some(entry) = self.get_mut(key).filter(|entry| entry.fin == Fin::Wanted) {
            // A connection that failed meanwhile is handed out all the same: its next user finds
            // out.
            let _ = entry.send_fin();
        }
    }

    /// Takes the reason of a connection that has ended, and whether its peer is told by a reset.
    pub(crate) fn take_end(&mut self, key: ConnKey) -> Option<(CloseReason, bool)> {
        self.get_mut(key)?.take_end()
    }

    /// Begins a turn.
    pub(crate) fn begin_turn(&mut self) {
        self.clock.begin_turn();
    }

    /// Corrects what a turn that took long has put down; see [`TurnClock::corrected`].
    pub(crate) fn end_turn(&mut self, now: Instant) {
        if self.clock.end_turn(now) {
            let Self { entries, clock, .. } = self;
            entries.values_mut().for_each(|entry| entry.deadlines.correct(clock));
            clock.forget_slow_turns();
        }
    }
}

/// A loop that ends by a panic, or was never run, ends its connections for their peers, too.
impl Drop for Table {
    fn drop(&mut self) {
        for entry in self.entries.values_mut() {
            entry.end_socket(entry.output_len() > 0);
        }
    }
}

#[cfg(test)]
mod tests;

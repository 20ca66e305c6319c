//! From what a handler writes to the socket.

use std::io;
use std::mem;

use crate::output::outgoing::{Outgoing, SendOptions};
use crate::output::queue::Chunk;
use crate::output::unsent::Unsent;
use crate::table::conns::Table;
use crate::table::phase::Phase;
use crate::types::action::CloseReason;
use crate::types::cold_path::cold_path;
use crate::types::conn_id::ConnKey;

impl Table {
    /// Appends a copy of `bytes` to the output of a connection, unless it is ending.
    #[inline]
    pub(crate) fn write(&mut self, key: ConnKey, bytes: &[u8], outgoing: &mut Outgoing) {
        if !bytes.is_empty() {
            self.add_output(key, |unsent, deferred| outgoing.write(unsent, bytes, deferred));
        }
    }

    /// Appends a chunk to the output of a connection, unless it is ending; a copy if it is small.
    pub(crate) fn push(&mut self, key: ConnKey, chunk: Chunk, outgoing: &mut Outgoing) {
        if !chunk.bytes().is_empty() {
            self.add_output(key, |unsent, deferred| outgoing.push(unsent, chunk, deferred));
        }
    }

    /// Lends the output of a connection that takes any to `add`, and applies the limits to what is
    /// there then.
    #[inline]
    fn add_output(&mut self, key: ConnKey, add: impl FnOnce(&mut Unsent, bool)) {
        let Self { entries, list, limits, address_limits, .. } = self;
        let entry = entries.get_mut(key.index).filter(|entry| entry.generation == key.generation);
        let Some(entry) = entry.filter(|entry| entry.takes_output()) else {
            return cold_path();
        };
        let deferred = entry.phase().is_connecting();
        add(&mut entry.unsent, deferred);
        list.add(key, &mut entry.listed);
        let limits = Self::limits_of(entry, limits, address_limits);
        // The limit on the output is mostly the larger one, but need not be.
        if entry.unsent.len() > limits.high_watermark.min(limits.max_output) {
            cold_path();
            self.apply_output_limits(key);
        }
    }

    /// Returns how many bytes of output make a connection congested; none if it takes no output, or
    /// would be ended for it.
    #[inline]
    pub(crate) fn output_room(&self, key: ConnKey) -> usize {
        let Some(entry) = self.get(key) else { return 0 };
        if entry.is_congested() || !entry.takes_output() {
            return 0;
        }
        let limits = Self::limits_of(entry, &self.limits, &self.address_limits);
        let room = limits.high_watermark.saturating_sub(entry.output_len()).saturating_add(1);
        room.min(limits.max_output.saturating_sub(entry.output_len()))
    }

    /// Ends a connection with more output than it may have, and notes when one has become
    /// congested.
    #[cold]
    pub(super) fn apply_output_limits(&mut self, key: ConnKey) {
        let tick = self.clock.tick();
        let Some((entry, limits)) = self.with_limits(key) else { return };
        let len = entry.output_len();
        if len > limits.high_watermark && !entry.is_congested() {
            entry.deadlines.congested_since = Some(tick);
            self.arm(key);
        }
        if len > limits.max_output {
            self.end(key, CloseReason::OutputLimit, true);
        }
    }

    /// Sends straight from `bytes` if nothing waits before them; what the socket does not take
    /// waits for room. A failure ends the connection when the turn ends.
    #[inline(always)]
    pub(crate) fn write_now(&mut self, key: ConnKey, bytes: &[u8], outgoing: &mut Outgoing) {
        let Self { entries, clock, .. } = self;
        let entry = entries.get_mut(key.index).filter(|entry| {
            let is_open = entry.phase() == Phase::Open;
            entry.generation == key.generation && is_open && entry.unsent.is_empty()
        });
        let Some(entry) = entry else {
            cold_path();
            return self.write(key, bytes, outgoing);
        };
        match entry.stream.send(bytes) {
            Ok(sent) if sent == bytes.len() => entry.deadlines.note_activity(clock),
            result => self.write_rest(key, bytes, result, outgoing),
        }
    }

    /// Keeps what a full socket has not taken: the flush of this turn need not try it again.
    #[cold]
    fn write_rest(
        &mut self,
        key: ConnKey,
        bytes: &[u8],
        result: io::Result<usize>,
        outgoing: &mut Outgoing,
    ) {
        let sent = match result {
            Ok(sent) => sent,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.end(key, CloseReason::Error(error), false),
        };
        self.write(key, &bytes[sent..], outgoing);
        let Self { entries, clock, .. } = self;
        let Some(entry) = entries.get_mut(key.index) else { return };
        if sent > 0 {
            entry.deadlines.note_activity(clock);
        }
        outgoing.hold(&mut entry.unsent);
        self.note_stall(key);
    }

    #[inline]
    pub(crate) fn has_listed(&self) -> bool {
        !self.list.is_empty()
    }

    #[inline]
    pub(crate) fn listed_len(&self) -> usize {
        self.list.len()
    }

    /// Sends the output of the listed connections, up to `budget` bytes each. Returns those whose
    /// [next step](Self::next_step) is due, a list that [`end_round`](Self::end_round) takes back.
    pub(crate) fn send_round(&mut self, outgoing: &mut Outgoing, budget: usize) -> Vec<ConnKey> {
        let mut round = self.list.begin_round();
        round.retain(|&key| self.flush(key, outgoing, budget));
        outgoing.end_flush();
        round
    }

    pub(crate) fn end_round(&mut self, round: Vec<ConnKey>) {
        self.list.end_round(round);
    }

    /// Takes a connection off the list, sends its output, and returns whether it has to be settled.
    /// It may not be on the list: its place may have gone to another one meanwhile.
    #[inline]
    fn flush(&mut self, key: ConnKey, outgoing: &mut Outgoing, budget: usize) -> bool {
        let Self { entries, clock, .. } = self;
        let entry = entries.get_mut(key.index).filter(|entry| entry.generation == key.generation);
        let Some(entry) = entry.filter(|entry| entry.listed) else { return false };
        entry.listed = false;
        // As nearly always: what was written in this turn, and all of it.
        if entry.phase() == Phase::Open && entry.unsent.is_in_turn_buffer() {
            let result = outgoing.send_turn(&mut entry.unsent, &entry.stream);
            if result.is_ok() && entry.unsent.is_empty() {
                entry.deadlines.note_activity(clock);
                return !entry.is_settled();
            }
            cold_path();
            self.sent(key, outgoing, result);
        } else if !entry.unsent.is_empty() {
            // `pre_write` has run, also for what has to wait.
            entry.unsent.release();
            // The poller reports when a full socket has room.
            if !entry.unsent.is_blocked() {
                self.send_output(key, outgoing, budget);
            }
        }
        self.get(key).is_some_and(|entry| !entry.is_settled())
    }

    /// As [`send_round`](Self::send_round), after a `pre_write` that has failed: what was written
    /// since the one before is dropped, and the connections that have written it end.
    #[cold]
    pub(crate) fn withhold_round(
        &mut self,
        outgoing: &mut Outgoing,
        budget: usize,
    ) -> Vec<ConnKey> {
        let mut round = self.list.begin_round();
        round.retain(|&key| {
            let Some(entry) = self.get_mut(key).filter(|entry| entry.listed) else { return false };
            if !entry.unsent.is_new() {
                return self.flush(key, outgoing, budget);
            }
            outgoing.drop_unsent(&mut entry.unsent);
            self.end(key, CloseReason::Withheld, true);
            self.get_mut(key).is_some_and(|entry| mem::take(&mut entry.listed))
        });
        outgoing.end_flush();
        round
    }

    /// Sends what the socket takes, and returns how much that was. A failure ends the connection.
    pub(crate) fn send_output(
        &mut self,
        key: ConnKey,
        outgoing: &mut Outgoing,
        budget: usize,
    ) -> usize {
        let Some(entry) = self.get_mut(key) else { return 0 };
        let before_fin = match entry.phase() {
            Phase::Open | Phase::Detaching => false,
            Phase::HalfClosed | Phase::Flushing => true,
            _ => return 0,
        };
        if entry.unsent.is_empty() {
            return 0;
        }
        entry.unsent.release();
        let options = SendOptions { before_fin, budget };
        let result = outgoing.send(&mut entry.unsent, &entry.stream, options);
        self.sent(key, outgoing, result)
    }

    /// Acts on what a send has come to, and returns how many bytes were sent.
    fn sent(&mut self, key: ConnKey, outgoing: &mut Outgoing, result: io::Result<usize>) -> usize {
        match result {
            Ok(sent) => {
                if self.note_progress(key, sent) {
                    outgoing.expect_output();
                }
                sent
            }
            Err(error) => {
                self.end(key, CloseReason::Error(error), false);
                0
            }
        }
    }

    /// Notes what the peer has taken. Returns whether the connection is to go on sending in the
    /// next turn: it has used up its budget, and the poller reports room only to a socket that had
    /// none.
    #[inline]
    fn note_progress(&mut self, key: ConnKey, sent: usize) -> bool {
        let Self { entries, clock, .. } = self;
        let Some(entry) = entries.get_mut(key.index) else { return false };
        if sent > 0 {
            entry.deadlines.note_activity(clock);
            entry.deadlines.set_stalled(None);
            entry.deadlines.close_deadline = None;
        }
        if !entry.unsent.is_queued() {
            return false;
        }
        cold_path();
        let is_blocked = entry.unsent.is_blocked();
        if is_blocked {
            self.note_stall(key);
        } else {
            if sent == 0 {
                self.list.note_served();
            }
            self.list(key);
        }
        !is_blocked
    }

    /// Notes since when a connection waits for room.
    fn note_stall(&mut self, key: ConnKey) {
        let Self { entries, clock, .. } = self;
        let Some(entry) = entries.get_mut(key.index) else { return };
        if entry.unsent.is_blocked() && entry.deadlines.stalled_since().is_none() {
            entry.deadlines.set_stalled(Some(clock.tick()));
            self.arm(key);
        }
    }

    /// Drops the output of a connection that has ended.
    pub(crate) fn drop_output(&mut self, key: ConnKey, outgoing: &mut Outgoing) {
        if let Some(entry) = self.get_mut(key) {
            outgoing.drop_unsent(&mut entry.unsent);
            entry.deadlines.congested_since = None;
        }
    }
}

#[cfg(test)]
mod tests;

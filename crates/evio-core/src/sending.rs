//! From what a handler writes to the socket.

use std::io::{self, IoSlice};
use std::mem;

use crate::action::CloseReason;
use crate::cold_path::cold_path;
use crate::conn_id::ConnKey;
use crate::entry::{Entry, Phase};
use crate::loop_state::LoopState;
use crate::output::{Chunk, Output, Pool, SEND_BUDGET};
use crate::turn_output::TurnOutput;

/// Up to this length a copy costs less than a chunk of its own does, in memory and in the calls
/// that send many of them.
const SMALL: usize = 4 << 10;

impl LoopState {
    /// Adds a copy of `bytes` to the output of a connection, unless it is ending.
    #[inline]
    pub(crate) fn write(&mut self, key: ConnKey, bytes: &[u8]) {
        self.add_output(key, |entry, turn, pool| entry.write(bytes, turn, pool));
    }

    /// Adds a chunk to the output of a connection, unless it is ending; as a copy if it is small.
    pub(crate) fn write_chunk(&mut self, key: ConnKey, chunk: impl Into<Chunk>) {
        let chunk = chunk.into();
        if chunk.bytes().len() <= SMALL {
            return self.write(key, chunk.bytes());
        }
        self.add_output(key, |entry, turn, pool| entry.queue(turn, pool).push(chunk));
    }

    #[inline]
    fn add_output(
        &mut self,
        key: ConnKey,
        add: impl FnOnce(&mut Entry, &mut TurnOutput, &mut Pool),
    ) {
        let Some(entry) = self.conns.get_mut(key) else { return };
        if !entry.takes_output() {
            return;
        }
        add(entry, &mut self.turn_output, &mut self.pool);
        self.output_waiting = true;
        let newly_congested = entry.check_limits(&self.config);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push(key);
        }
        if newly_congested {
            entry.deadlines.congested = Some(self.clock.tick());
            self.arm(key);
        }
    }

    /// Sends straight from `bytes` if nothing is waiting before them, and returns how many were
    /// taken. A failure ends the connection when the turn ends.
    #[inline(always)]
    pub(crate) fn send_now(&mut self, key: ConnKey, bytes: &[u8]) -> usize {
        let entry = self.conns.get_mut(key);
        let Some(entry) = entry.filter(|entry| entry.is_open() && entry.output_len() == 0) else {
            cold_path();
            return 0;
        };
        match entry.stream.send(bytes) {
            Ok(sent) => {
                entry.deadlines.note_activity(&self.clock);
                sent
            }
            Err(error) => {
                self.sent_nothing(key, error);
                0
            }
        }
    }

    #[cold]
    fn sent_nothing(&mut self, key: ConnKey, error: io::Error) {
        if error.kind() != io::ErrorKind::WouldBlock {
            self.end(key, CloseReason::Error(error), false);
        }
    }

    /// Sends the output of the connections in `round`, and keeps those that have to be settled.
    pub(crate) fn send_round(&mut self, round: &mut Vec<ConnKey>) {
        round.retain(|&key| self.take_dirty(key));
        // What was not sent has chunks of its own by now, or is of connections that have ended.
        self.turn_output.clear();
    }

    /// Takes a connection off the list, sends its output, and returns whether it has to be settled.
    /// It may not be on the list: its place may have gone to another one meanwhile.
    fn take_dirty(&mut self, key: ConnKey) -> bool {
        match self.conns.get_mut(key) {
            Some(entry) if entry.dirty => entry.dirty = false,
            _ => return false,
        }
        self.send_output(key);
        self.conns.get(key).is_some_and(|entry| !entry.is_settled())
    }

    /// Sends what the socket takes, and returns how much that was. A failure ends the connection.
    pub(crate) fn send_output(&mut self, key: ConnKey) -> usize {
        let Some(entry) = self.conns.get_mut(key) else { return 0 };
        if entry.written.len() == 0 && entry.output.is_none() {
            return 0;
        }
        if matches!(entry.phase, Phase::Ended { .. } | Phase::Connecting { .. }) {
            return 0;
        }
        match entry.send(&self.turn_output, &mut self.pool) {
            Ok(sent) => {
                if sent > 0 {
                    entry.deadlines.note_activity(&self.clock);
                    entry.deadlines.stalled = None;
                    entry.deadlines.closing = None;
                }
                if entry.output.is_some() && entry.deadlines.stalled.is_none() {
                    entry.deadlines.stalled = Some(self.clock.tick());
                    self.arm(key);
                }
                if sent >= SEND_BUDGET {
                    // The poller reports room only where there was none.
                    self.output_waiting = true;
                    self.mark_dirty(key);
                }
                sent
            }
            Err(error) => {
                entry.end(CloseReason::Error(error), false);
                0
            }
        }
    }

    /// Tries to send output that was waiting before this turn. What has been added since waits for
    /// its `pre_write`, and the socket was asked already when the turn's output was sent.
    pub(crate) fn send_again(&mut self, key: ConnKey) {
        let is_new = self.conns.get(key).is_some_and(|entry| entry.dirty);
        if !is_new && self.send_output(key) > 0 {
            self.mark_dirty(key);
        }
    }
}

impl Entry {
    #[inline]
    fn write(&mut self, bytes: &[u8], turn: &mut TurnOutput, pool: &mut Pool) {
        let goes_first = self.output.is_none() && self.is_open();
        if !(goes_first && turn.extend(&mut self.written, bytes)) {
            self.queue(turn, pool).append(bytes, pool);
        }
    }

    /// Returns the queue of output, with all that was written before in it.
    fn queue(&mut self, turn: &TurnOutput, pool: &mut Pool) -> &mut Output {
        let output = self.output.get_or_insert_with(|| pool.take_output());
        let written = mem::take(&mut self.written);
        if written.len() > 0 {
            output.append(turn.get(written), pool);
        }
        output
    }

    /// Sends what the socket takes, up to the budget of a turn, and returns how much that was; the
    /// rest is in the queue.
    fn send(&mut self, turn: &TurnOutput, pool: &mut Pool) -> io::Result<usize> {
        let is_last = matches!(self.phase, Phase::Flushing(_) | Phase::HalfClosed);
        let Some(output) = &mut self.output else {
            return self.send_written(is_last, turn, pool);
        };
        let result = output.send(&self.stream, is_last, pool);
        if output.len() == 0 {
            self.drop_output(pool);
        }
        result
    }

    /// Sends what was written in this turn, as nearly all output is, with nothing before it.
    fn send_written(
        &mut self,
        is_last: bool,
        turn: &TurnOutput,
        pool: &mut Pool,
    ) -> io::Result<usize> {
        let bytes = turn.get(self.written);
        let result = match is_last {
            false => self.stream.send(bytes),
            true => self.stream.send_last(&[IoSlice::new(bytes)]),
        };
        let sent = match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            result => result?,
        };
        self.written = self.written.after(sent);
        if self.written.len() > 0 {
            self.queue(turn, pool);
        }
        Ok(sent)
    }

    /// Forgets what has not been sent: a connection that has ended has no output any more.
    pub(crate) fn drop_output(&mut self, pool: &mut Pool) {
        self.written = Default::default();
        if let Some(output) = self.output.take() {
            pool.give_output(output);
        }
    }
}

//! From the socket to the read buffer.

use std::collections::VecDeque;
use std::io::{self, Read};

use evio_sys::Event;

use crate::table::conns::Table;
use crate::table::input_state::InputState;
use crate::table::phase::Phase;
use crate::types::action::CloseReason;
use crate::types::cold_path::cold_path;
use crate::types::conn_id::ConnKey;

/// The result of reading from a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// So many bytes for the handler, at the start of the buffer.
    Data(usize),
    /// Nothing for the handler.
    Nothing,
    /// The peer has sent its FIN: `peer_closed` is due if callbacks are made.
    End,
}

/// The next step after an event of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    Read,
    /// Look whether a connection that was begun has come about.
    CheckConnect,
    Nothing,
}

impl Table {
    /// Handles the rarer part of what the poller says of a connection, which may be gone by now.
    ///
    /// | connection | readable | writable | broken |
    /// |---|---|---|---|
    /// | connecting | check | check | check |
    /// | input wanted | read | send | read: it tells the error or the end |
    /// | no input wanted, no output | leave it: `force_rearm` | - | take SO_ERROR: end if there is one, or the input has ended already |
    /// | no input wanted, output | the same | send | send: it tells the error |
    #[inline(never)]
    pub(crate) fn ready(&mut self, key: ConnKey, event: Event) -> Readiness {
        let Some(entry) = self.get_mut(key) else { return Readiness::Nothing };
        if entry.phase().is_connecting() {
            entry.poll_interest = None;
            return Readiness::CheckConnect;
        }
        let has_input = event.is_readable() || event.is_hangup_or_error() && entry.wants_input();
        entry.unsent.unblock();
        if !has_input && event.is_hangup_or_error() && entry.output_len() == 0 {
            self.look_for_failure(key);
        }
        self.list(key);
        if has_input { Readiness::Read } else { Readiness::Nothing }
    }

    /// Ends a connection that was reported broken and that nothing else would find out about.
    fn look_for_failure(&mut self, key: ConnKey) {
        self.change(key, |entry, listed| match entry.stream.take_error() {
            Ok(Some(error)) | Err(error) => entry.end(CloseReason::Error(error), false, listed),
            Ok(None) if entry.input_ended() => entry.end(CloseReason::PeerClosed, false, listed),
            // There may be input left, to be found when reading is resumed.
            Ok(None) => {}
        });
    }

    /// Reads once, into `buffer`. `must_read_on` says that a short read does not get to all that
    /// the poller has reported.
    ///
    /// Input comes from the socket here and in `receive_special`; output leaves in
    /// `output/unsent.rs`, in `output/queue.rs` and in `Table::send_now`.
    #[inline(always)]
    pub(crate) fn receive(
        &mut self,
        key: ConnKey,
        must_read_on: bool,
        buffer: &mut [u8],
    ) -> Receipt {
        let Self { entries, clock, .. } = self;
        let entry = entries.get_mut(key.index).filter(|entry| entry.generation == key.generation);
        let Some(entry) = entry else {
            cold_path();
            return Receipt::Nothing;
        };
        // One that is in the backlog is read when its turn has come.
        if !entry.wants_input() || entry.in_backlog {
            cold_path();
            self.leave_input(key);
            return Receipt::Nothing;
        }
        if entry.has_special_input() {
            cold_path();
            return self.receive_special(key, buffer);
        }
        match entry.stream.recv(buffer) {
            Ok(len) if len > 0 => {
                entry.deadlines.note_activity(clock);
                let is_active = entry.phase().is_active();
                if must_read_on || len == buffer.len() {
                    if len == buffer.len() {
                        self.backlog.note_full_read();
                    }
                    self.read_on_later(key);
                }
                if !is_active {
                    cold_path();
                    return self.discard(key, len);
                }
                Receipt::Data(len)
            }
            result => self.received_nothing(key, result),
        }
    }

    /// Puts a connection into the backlog: a later turn reads from it, whatever the poller reports.
    #[cold]
    pub(super) fn read_on_later(&mut self, key: ConnKey) {
        let Some(entry) = self.get_mut(key) else { return };
        if !entry.in_backlog {
            entry.in_backlog = true;
            self.backlog.push(key);
        }
    }

    /// Takes the connection that has waited longest out of the backlog; `None` if it has gone, or
    /// the turn has made its full reads.
    pub(crate) fn next_in_backlog(&mut self) -> Option<ConnKey> {
        let key = self.backlog.pop()?;
        let entry = self.get_mut(key)?;
        entry.in_backlog = false;
        Some(key)
    }

    /// Begins a turn in which so many full reads of the backlog are made. Returns how many
    /// connections are in it.
    #[inline]
    pub(crate) fn begin_backlog(&mut self, full_reads: usize) -> usize {
        self.backlog.begin_turn(full_reads)
    }

    #[inline]
    pub(crate) fn backlog_len(&self) -> usize {
        self.backlog.len()
    }

    /// Reads what an adopted socket has brought along, or what was overdue, which is counted.
    #[cold]
    fn receive_special(&mut self, key: ConnKey, buffer: &mut [u8]) -> Receipt {
        let Self { entries, clock, .. } = self;
        let Some(entry) = entries.get_mut(key.index) else { return Receipt::Nothing };
        let is_active = entry.phase().is_active();
        let brought = &mut entry.extras_mut().brought;
        if is_active && !brought.is_empty() {
            let len = brought.read(buffer).unwrap_or(0);
            let is_full = len == buffer.len();
            if brought.is_empty() {
                // Its memory is not needed again.
                *brought = VecDeque::new();
            }
            // The socket may have more, and nothing has asked it.
            self.read_special_later(key, is_full);
            return Receipt::Data(len);
        }
        *brought = VecDeque::new();
        match entry.stream.recv(buffer) {
            Ok(len) if len > 0 => {
                entry.deadlines.note_activity(clock);
                let overdue = entry.overdue().map(|overdue| overdue.saturating_sub(len));
                entry.set_overdue(overdue);
                self.read_special_later(key, len == buffer.len());
                self.arm(key);
                match is_active {
                    true => Receipt::Data(len),
                    false => self.discard(key, len),
                }
            }
            result => self.received_nothing(key, result),
        }
    }

    fn read_special_later(&mut self, key: ConnKey, is_full: bool) {
        if is_full {
            self.backlog.note_full_read();
        }
        self.read_on_later(key);
    }

    /// Counts what a closing connection has received.
    #[cold]
    fn discard(&mut self, key: ConnKey, len: usize) -> Receipt {
        let Some((entry, limits)) = self.with_limits(key) else { return Receipt::Nothing };
        let extras = entry.extras_mut();
        extras.discarded = extras.discarded.saturating_add(len);
        if extras.discarded > limits.max_discarded {
            self.change(key, |entry, listed| entry.stop_discarding(listed));
        }
        Receipt::Nothing
    }

    /// Leaves input where it is, for the poller to look at again when it is wanted.
    #[cold]
    fn leave_input(&mut self, key: ConnKey) {
        let Some(entry) = self.get_mut(key) else { return };
        if !entry.in_backlog || !entry.wants_input() {
            self.force_rearm(key);
        }
    }

    #[cold]
    fn received_nothing(&mut self, key: ConnKey, result: io::Result<usize>) -> Receipt {
        if let Some(entry) = self.get_mut(key).filter(|entry| entry.overdue().is_some()) {
            entry.set_overdue(Some(0));
            self.arm(key);
        }
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Receipt::Nothing,
            Err(error) => {
                self.end(key, CloseReason::Error(error), false);
                Receipt::Nothing
            }
            Ok(_) => {
                let Self { entries, clock, .. } = self;
                if let Some(entry) = entries.get_mut(key.index) {
                    entry.deadlines.note_activity(clock);
                }
                self.change(key, |entry, _| entry.input = InputState::ENDED);
                Receipt::End
            }
        }
    }

    /// Asks a connection that was begun whether it has come about.
    ///
    /// # Errors
    ///
    /// Fails when it will not.
    pub(crate) fn has_connected(&self, key: ConnKey) -> io::Result<bool> {
        match self.get(key) {
            Some(entry) => match entry.phase() {
                Phase::Established => Ok(true),
                Phase::Connecting => entry.stream.finish_connect(),
                _ => Ok(false),
            },
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests;

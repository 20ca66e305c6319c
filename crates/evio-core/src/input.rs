//! From what the poller reports of a connection to the handler's `data`.

use std::io;

use evio_sys::Event;

use crate::action::CloseReason;
use crate::cold_path::cold_path;
use crate::conn_id::ConnKey;
use crate::entry::Entry;
use crate::handler::Handler;
use crate::turn::Running;

/// A connection that is to be read from.
pub(crate) struct Input {
    pub(crate) key: ConnKey,
    /// A short read does not get to all that the poller has reported.
    pub(crate) has_more: bool,
}

impl<H: Handler> Running<H> {
    /// Handles what the poller says of a connection, which may be gone by now. Returns whether it
    /// is to be read from.
    #[inline(never)]
    pub(crate) fn ready(&mut self, key: ConnKey, event: Event) -> bool {
        let Some(entry) = self.state.conns.get_mut(key) else { return false };
        if entry.is_connecting() {
            entry.forget_reported();
            self.check_connect(key);
            return false;
        }
        let has_input = event.is_readable() || event.is_broken() && entry.wants_input();
        if !has_input && event.is_broken() && entry.output_len() == 0 {
            match entry.stream.take_error() {
                Ok(Some(error)) | Err(error) => {
                    self.state.end(key, CloseReason::Error(error), false);
                }
                Ok(None) if entry.peer_closed => {
                    self.state.end(key, CloseReason::PeerClosed, false);
                }
                // There may be input left, to be found when reading is resumed.
                Ok(None) => {}
            }
        }
        if event.is_writable() || event.is_broken() {
            let has_output = |entry: &Entry| entry.output_len() > 0;
            self.state.output_waiting |= self.state.conns.get(key).is_some_and(has_output);
            self.state.mark_dirty(key);
        }
        has_input
    }

    /// Takes up a connection that the last turn left input of, to read on until nothing comes: the
    /// poller has reported it, and will not do so again. One read a turn for each, so that others
    /// have their turn between.
    pub(crate) fn left_input(&mut self, number: usize) -> Option<Input> {
        let key = self.read_next[number];
        self.state.conns.get_mut(key)?.is_read_next = false;
        Some(Input { key, has_more: true })
    }

    /// Has the next turn read from a connection, whatever the poller reports.
    #[cold]
    fn read_on_later(&mut self, key: ConnKey) {
        let entry = self.state.conns.get_mut(key);
        if let Some(entry) = entry.filter(|entry| !entry.is_read_next) {
            entry.is_read_next = true;
            self.read_next.push(key);
        }
    }

    /// Reads once.
    ///
    /// Together with `Entry::send` this is where bytes pass between socket and handler.
    #[inline(always)]
    pub(crate) fn receive(&mut self, Input { key, has_more }: Input) {
        let Some(entry) = self.state.conns.get_mut(key) else { return cold_path() };
        if !entry.wants_input() {
            return self.leave_input(key);
        }
        // One read a turn: who is on the list had it already.
        if entry.is_read_next {
            return cold_path();
        }
        match entry.stream.recv(&mut self.buffer) {
            Ok(len) if len > 0 => {
                entry.deadlines.note_activity(&self.state.clock);
                // What comes while draining is thrown away.
                if entry.is_served() {
                    self.call_with(
                        key,
                        len,
                        CloseReason::Closed,
                        |handler, conn, context, input| handler.data(conn, context, input),
                    );
                } else {
                    cold_path();
                }
                if has_more || len == self.buffer.len() {
                    self.read_on_later(key);
                }
            }
            result => self.received_nothing(key, result),
        }
    }

    /// Looks for what has come since the poller was asked, and returns whether there was something:
    /// input or its end, which the next turn reads, or a failure.
    pub(crate) fn look_for_input(&mut self, key: ConnKey) -> bool {
        let Some(entry) = self.state.conns.get_mut(key) else { return false };
        if !entry.wants_input() {
            return false;
        }
        match entry.stream.has_input() {
            Ok(false) => return false,
            Ok(true) => {
                entry.deadlines.note_activity(&self.state.clock);
                self.read_on_later(key);
            }
            Err(error) => self.state.end(key, CloseReason::Error(error), false),
        }
        true
    }

    /// Leaves input where it is, for the poller to look at again when it is wanted.
    #[cold]
    fn leave_input(&mut self, key: ConnKey) {
        let Some(entry) = self.state.conns.get_mut(key) else { return };
        entry.forget_reported();
        if entry.is_connecting() {
            // An adopted socket may have input before the connection is open.
            self.check_connect(key);
        } else {
            self.state.mark_dirty(key);
        }
    }

    #[cold]
    fn received_nothing(&mut self, key: ConnKey, result: io::Result<usize>) {
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => self.state.end(key, CloseReason::Error(error), false),
            Ok(_) => {
                let Some(entry) = self.state.conns.get_mut(key) else { return };
                entry.deadlines.note_activity(&self.state.clock);
                entry.peer_closed = true;
                self.state.mark_dirty(key);
                self.call_if_served(key, CloseReason::PeerClosed, |handler, conn, context| {
                    handler.peer_closed(conn, context)
                });
            }
        }
    }
}

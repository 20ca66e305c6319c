//! From what the poller reports of a connection to the handler's `data`.

use std::io;
use std::mem;

use evio_sys::Event;

use crate::action::CloseReason;
use crate::conn_id::ConnKey;
use crate::handler::Handler;
use crate::turn::Running;

impl<H: Handler> Running<H> {
    /// Handles what the poller says of a connection, which may be gone by now.
    pub(crate) fn ready(&mut self, key: ConnKey, event: Event) {
        let Some(entry) = self.state.conns.get_mut(key) else { return };
        if entry.wants_input() {
            // One read a turn: who is on the list had it already.
            if (event.is_readable() || event.is_broken()) && !entry.is_read_next {
                let len = self.receive_wanted(key);
                if len == self.buffer.len() || (event.has_more() && len > 0) {
                    self.read_on_later(key);
                }
            }
        } else if entry.is_connecting() {
            // An adopted socket may have input before the connection is open.
            entry.forget_reported();
            return self.check_connect(key);
        } else if event.is_readable() {
            entry.forget_reported();
            self.state.mark_dirty(key);
        } else if event.is_broken() && entry.output_len() == 0 {
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
            let Some(entry) = self.state.conns.get(key) else { return };
            self.state.output_waiting |= entry.output_len() > 0;
            self.state.mark_dirty(key);
        }
    }

    /// Reads on where the last turn left input, until nothing comes: the poller has reported it,
    /// and will not do so again. One read for each, so that others have their turn between.
    pub(crate) fn read_on(&mut self) {
        let mut read_next = mem::take(&mut self.read_next);
        read_next.retain(|&key| {
            let goes_on = self.receive(key) > 0;
            if let Some(entry) = self.state.conns.get_mut(key) {
                entry.is_read_next = goes_on;
            }
            goes_on
        });
        // Callbacks do not add to it.
        self.read_next = read_next;
    }

    /// Has the next turn read from a connection, whatever the poller reports.
    #[cold]
    fn read_on_later(&mut self, key: ConnKey) {
        if let Some(entry) = self.state.conns.get_mut(key) {
            entry.is_read_next = true;
            self.read_next.push(key);
        }
    }

    /// Reads once, and returns how much that was. If no input is wanted, the poller is to look
    /// again later.
    pub(crate) fn receive(&mut self, key: ConnKey) -> usize {
        let Some(entry) = self.state.conns.get_mut(key) else { return 0 };
        if entry.wants_input() {
            return self.receive_wanted(key);
        }
        entry.forget_reported();
        self.state.mark_dirty(key);
        0
    }

    /// Reads once from a connection that wants input, and returns how much that was.
    ///
    /// Together with `Entry::send` this is where bytes pass between socket and handler.
    #[inline(always)]
    fn receive_wanted(&mut self, key: ConnKey) -> usize {
        let Some(entry) = self.state.conns.get_mut(key) else { return 0 };
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
                }
                len
            }
            result => {
                self.received_nothing(key, result);
                0
            }
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

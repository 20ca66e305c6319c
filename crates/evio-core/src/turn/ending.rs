//! The end of a loop, step by step.

use std::time::Instant;

use evio_sys::clock;

use crate::api::handler::Handler;
use crate::api::message::ShutdownMode;
use crate::turn::budget;
use crate::turn::runner::{ReadRequest, Runner};
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Ends the server, since a stop socket says so.
    #[cold]
    pub(super) fn stop(&mut self, slot: u32) {
        if let Some((stop, mode)) = self.shutdown.take_stop(slot) {
            let _ = self.state.poller.deregister(&stop);
            self.state.group.shutdown(mode);
        }
    }

    /// Stops listening, and closes or tells every connection.
    #[cold]
    pub(super) fn begin_shutdown(&mut self, mode: ShutdownMode, asked_at: Instant) {
        if let ShutdownMode::Graceful(timeout) = mode {
            let now = self.state.table.clock().now();
            if !self.shutdown.has_begun() && now.saturating_duration_since(asked_at) < timeout {
                self.accept_last();
            }
        }
        if !self.shutdown.begin(mode, asked_at, self.state.table.len()) {
            return;
        }
        self.acceptor.stop(None, &self.state.poller);
        self.fail_dials();
        self.state.datagrams.stop(None, &self.state.poller);
        for key in self.state.table.keys() {
            let is_connecting =
                self.state.table.get(key).is_some_and(|entry| entry.phase().is_connecting());
            match mode {
                ShutdownMode::Graceful(_) if !is_connecting => {
                    self.tell_stopping(key);
                }
                _ => self.state.table.close(key, CloseReason::Shutdown),
            }
        }
    }

    /// Tells the handler of a connection that the server ends. What its peer has sent by then is
    /// read first: it was asked for in time.
    #[cold]
    pub(super) fn tell_stopping(&mut self, key: ConnKey) {
        let share = budget::read_share(self.state.table.len());
        self.receive(ReadRequest { key, must_read_on: false }, share);
        self.call_for(key, CloseReason::Shutdown, |handler, conn, context| {
            handler.stopping(conn, context)
        });
    }

    #[inline]
    pub(super) fn advance_shutdown(&mut self) {
        if self.shutdown.has_begun() && self.is_cut_off_due() {
            self.end_all();
        }
    }

    /// Returns whether the time of the shutdown is over.
    #[cold]
    pub(super) fn is_cut_off_due(&self) -> bool {
        let now = self.state.table.clock().now();
        self.shutdown.deadline().is_some_and(|deadline| now >= deadline)
    }

    /// Returns whether the loop has ended. From then on nothing can be sent to it, and everything
    /// that was has been carried out.
    pub(super) fn is_done(&mut self) -> bool {
        self.shutdown.has_begun()
            && self.state.table.is_empty()
            && !self.state.datagrams.has_output()
            && self.mailbox.close()
    }

    /// Ends everything after a failure of the poller.
    #[cold]
    pub(super) fn abort_all(&mut self) {
        // The callbacks made here must not begin new connections.
        self.state.group.shutdown(ShutdownMode::Immediate);
        self.shutdown.begin(ShutdownMode::Immediate, clock::now(), 0);
        self.fail_dials();
        self.end_all();
    }

    /// Ends every connection now; what is left to send is lost.
    fn end_all(&mut self) {
        for key in self.state.table.keys() {
            let Some(entry) = self.state.table.get(key) else { continue };
            let reset = entry.output_len() > 0;
            self.state.table.end(key, CloseReason::Shutdown, reset);
            self.finish_close(key);
        }
    }
}

#[cfg(test)]
mod tests;

//! The end of a loop, step by step.

use std::time::Instant;

use evio_sys::clock;

use crate::api::handler::Handler;
use crate::api::message::ShutdownMode;
use crate::turn::runner::Runner;
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

    /// Stops listening. A graceful shutdown then reads what peers have sent by now, which was asked
    /// for in time, before it tells their connections, and goes on to connect for them; an
    /// immediate one closes them.
    #[cold]
    pub(super) fn begin_shutdown(&mut self, mode: ShutdownMode, asked_at: Instant) {
        // Not the beginning of the turn, which may be long ago: its mail comes before this.
        let now = clock::now();
        if let ShutdownMode::Graceful(timeout) = mode {
            let left = timeout.saturating_sub(now.saturating_duration_since(asked_at));
            if !self.shutdown.has_begun() && !left.is_zero() {
                self.stop_accepting(None, left / 2);
            }
        }
        if !self.shutdown.begin(mode, asked_at, now, self.state.table.len()) {
            return;
        }
        self.acceptor.stop(None, &self.state.poller);
        match mode {
            ShutdownMode::Graceful(_) if self.is_cut_off_due() => self.tell_stopping(),
            ShutdownMode::Graceful(_) => {}
            ShutdownMode::Immediate => self.close_all(),
        }
    }

    /// Ends every connection when its output has been sent, and what is being connected to.
    fn close_all(&mut self) {
        self.refuse_new();
        self.fail_dials();
        for key in self.state.table.keys() {
            self.state.table.close(key, CloseReason::Shutdown);
        }
    }

    /// Lets nothing begin any more: no connection, no datagram that comes in.
    fn refuse_new(&mut self) {
        self.state.refuses_new = true;
        self.state.datagrams.stop(None, &self.state.poller);
    }

    /// Goes on with the end of the server, after a turn with so many events.
    #[inline]
    pub(super) fn advance_shutdown(&mut self, events: usize) {
        if self.shutdown.has_begun() {
            self.end_step(events);
        }
    }

    #[cold]
    fn end_step(&mut self, events: usize) {
        if self.shutdown.is_reading() {
            // Only a poll that finds nothing has left nothing: kqueue counts filters, of which two
            // are one event, so one that is not full may have left some.
            let all = events == 0 && self.state.table.backlog_len() == 0;
            if self.shutdown.has_read(all, self.state.table.clock().now()) {
                self.tell_stopping();
            }
        } else if self.is_cut_off_due() {
            self.end_all();
        } else {
            self.give_up_connecting();
        }
    }

    /// Tells the handler of each connection, and later of each that has come since, that the server
    /// ends. What it writes there is sent in the next turn.
    fn tell_stopping(&mut self) {
        let late = self.shutdown.stop_reading();
        self.state.datagrams.stop(None, &self.state.poller);
        for key in late.unwrap_or_else(|| self.state.table.keys()) {
            self.call_for(key, CloseReason::Shutdown, |handler, conn, context| {
                handler.stopping(conn, context)
            });
        }
        self.give_up_connecting();
    }

    /// Lets no connection begin any more when none is left that has come in: one that is kept may
    /// need others for what it has been asked. What is being connected to is given up.
    fn give_up_connecting(&mut self) {
        if self.state.refuses_new {
            return;
        }
        if let Some(first) = self.state.table.first_client(self.shutdown.clients_from()) {
            return self.shutdown.skip_to(first);
        }
        self.state.refuses_new = true;
        self.fail_dials();
        for key in self.state.table.keys() {
            if self.state.table.get(key).is_some_and(|entry| entry.phase().is_connecting()) {
                self.state.table.close(key, CloseReason::Shutdown);
            }
        }
    }

    /// Takes a connection that another loop has accepted in time. It may need one to another
    /// server, as others did before they were told: in its first callback already.
    #[cold]
    pub(super) fn accept_late(&mut self, key: ConnKey) {
        self.state.refuses_new = false;
        self.read_late(key);
    }

    /// Makes the loop read once more for a connection that has come during the shutdown, and tell
    /// its handler then: what was sent by now was asked for in time.
    ///
    /// One that has come about to another server lets no others begin: a handler that connects
    /// again for each that ends would go on doing so.
    #[cold]
    pub(super) fn read_late(&mut self, key: ConnKey) {
        self.shutdown.read_late(key, self.state.table.clock().now());
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
        let is_done = self.shutdown.has_begun()
            && !self.shutdown.is_reading()
            && self.state.table.is_empty()
            && !self.state.datagrams.has_output()
            && self.mailbox.close();
        debug_assert!(!is_done || self.state.dials.is_empty(), "a dial whose end nobody was told");
        is_done
    }

    /// Ends everything after a failure of the poller.
    #[cold]
    pub(super) fn abort_all(&mut self) {
        // The callbacks made here must not begin new connections.
        self.state.group.shutdown(ShutdownMode::Immediate);
        let now = clock::now();
        self.shutdown.begin(ShutdownMode::Immediate, now, now, 0);
        self.end_all();
    }

    /// Ends every connection now; what is left to send is lost.
    fn end_all(&mut self) {
        self.refuse_new();
        self.fail_dials();
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

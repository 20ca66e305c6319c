//! How connections begin and end.

use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use evio_sys::clock;

use crate::accept::listener::Accepted;
use crate::api::conn::Conn;
use crate::api::detached::Detached;
use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::api::message::Control;
use crate::table::entry::Entry;
use crate::turn::runner::Runner;
use crate::types::action::CloseReason;
use crate::types::conn_id::{ConnId, ConnKey};

/// The most connections of one listener that are accepted before it is closed: as many as wait at
/// one by default.
const MAX_LAST: usize = 4096;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Accepts what waits at a listener, and opens or hands over each connection.
    ///
    /// Apart from `dispatch_all`, which is for requests.
    #[inline(never)]
    pub(super) fn accept(&mut self, slot: u32) {
        let failed = self.accept_from(slot);
        self.open_accepted();
        if let Some((address_index, error)) = failed {
            self.listener_failed(address_index, &error);
        }
    }

    /// Accepts what waits at a listener, for [`open_accepted`](Self::open_accepted), and makes no
    /// callback. Returns the address index of a listener that has failed, and the error.
    pub(super) fn accept_from(&mut self, slot: u32) -> Option<(u16, io::Error)> {
        let state = &self.state;
        let now = || state.table.clock().now();
        let (placement, poller) = (&state.group.placement, &state.poller);
        let outcome = self.acceptor.accept(slot, placement, poller, now, &mut self.accepted);
        if outcome.has_room.is_some() {
            self.state.group.wake_listeners(outcome.has_room);
        }
        outcome.failed
    }

    /// Opens the connections that were accepted, or hands them over.
    pub(super) fn open_accepted(&mut self) {
        let mut accepted = mem::take(&mut self.accepted);
        // Those of other loops first: a callback of one of ours may take long.
        accepted.sort_by_key(|&(target, _)| target == usize::from(self.state.loop_id));
        for (target, connection) in accepted.drain(..) {
            self.hand_over(target, connection);
        }
        self.accepted = accepted;
    }

    /// Closes the listeners of an address, or all of them, and opens the connections that wait
    /// there: the kernel would reset them, and what they have asked for. Those that are left
    /// after this time are closed: what has come before them needs some, too.
    pub(super) fn stop_accepting(&mut self, address_index: Option<u16>, time: Duration) {
        let start = clock::now();
        let now = self.state.table.clock().now();
        let limits = &self.state.group.placement.limits;
        self.acceptor.resume_all(limits, &self.state.poller, now);
        for slot in self.acceptor.slots(address_index) {
            let mut waiting = usize::MAX;
            while self.accepted.len() != waiting && self.accepted.len() < MAX_LAST {
                waiting = self.accepted.len();
                if let Some((address_index, error)) = self.accept_from(slot) {
                    self.listener_failed(address_index, &error);
                }
            }
            for (target, connection) in mem::take(&mut self.accepted) {
                if clock::now().saturating_duration_since(start) < time {
                    self.hand_over(target, connection);
                } else {
                    self.state.group.placement.remove(target, connection.address_index);
                }
            }
        }
        self.acceptor.stop(address_index, &self.state.poller);
    }

    fn hand_over(&mut self, target: usize, accepted: Accepted) {
        if target == usize::from(self.state.loop_id) {
            return self.open(accepted);
        }
        let mailbox = &self.state.group.mailboxes()[target];
        if let Err(Control::Adopt(accepted)) = mailbox.urgent_control(Control::Adopt(accepted)) {
            // That loop has ended, and this one is about to.
            self.state.group.placement.move_to(usize::from(self.state.loop_id), target);
            self.open(accepted);
        }
    }

    /// Opens a connection that this loop was chosen for.
    pub(super) fn open(&mut self, accepted: Accepted) {
        let Accepted { stream, peer, address_index } = accepted;
        let state = &mut self.state;
        let loop_id = usize::from(state.loop_id);
        if self.shutdown.has_begun() && !self.shutdown.is_graceful_at(state.table.clock().now()) {
            return state.group.placement.remove(loop_id, address_index);
        }
        let now = state.table.clock().tick();
        let key = state.table.insert(Entry::accepted(stream, peer, address_index, now));
        if state.watch(key).is_err() {
            // The system is out of memory for it; it was never opened, so nobody is told.
            state.table.remove(key);
            state.group.placement.remove(loop_id, address_index);
            return self.make_room(Some(address_index));
        }
        state.table.set_user_timeout(key);
        if self.shutdown.has_begun() {
            self.accept_late(key);
        }
        self.begin_callbacks(key);
    }

    /// Looks whether an outbound connection has come about.
    pub(super) fn check_connect(&mut self, key: ConnKey) {
        match self.state.table.has_connected(key) {
            Ok(true) => self.open_outbound(key),
            Ok(false) => {}
            Err(error) => self.state.table.end(key, CloseReason::Error(error), false),
        }
    }

    /// Opens an outbound connection that has come about. What was written to it is sent when the
    /// turn ends, before what `opened` writes.
    pub(super) fn open_outbound(&mut self, key: ConnKey) {
        if !self.state.may_open(key) {
            return;
        }
        self.state.table.establish(key);
        if self.state.table.get(key).is_some_and(|entry| entry.output_len() > 0) {
            self.state.outgoing.expect_output();
        }
        self.begin_callbacks(key);
        self.state.table.resume_brought_input(key);
        if self.shutdown.has_begun() {
            self.read_late(key);
        }
    }

    /// Makes the first callbacks of a connection.
    fn begin_callbacks(&mut self, key: ConnKey) {
        let context = self.handler.context(&Conn::new(&mut self.state, key));
        self.contexts.insert(key.index, context);
        self.call(key, |handler, conn, context| handler.opened(conn, context));
        self.state.table.arm(key);
    }

    /// Tells the handler that a connection has ended, or has not come about, and removes it.
    pub(super) fn finish_close(&mut self, key: ConnKey) {
        let state = &mut self.state;
        let Some((reason, reset)) = state.table.take_end(key) else { return };
        state.table.drop_output(key, &mut state.outgoing);
        if let Some(number) = state.table.get(key).and_then(Entry::dial) {
            return self.end_attempt(key, number, reason);
        }
        // Only what was opened has a context.
        let context = self.contexts.remove(key.index);
        let (handler, mut conn) = (&mut self.handler, Conn::new(state, key));
        let call = || match context {
            Some(context) => handler.closed(&mut conn, context, reason),
            None => handler.connect_failed(&mut conn, reason),
        };
        let flow = match self.contains_panics {
            false => call(),
            // The connection is ending anyway, so there is nothing left to do about it.
            true => catch_unwind(AssertUnwindSafe(call)).unwrap_or(ControlFlow::Continue(())),
        };
        self.apply_flow(flow);
        if let Some(entry) = self.release(key) {
            entry.end_socket(reset);
            let address_index = entry.address_index();
            drop(entry);
            self.make_room(address_index);
        }
    }

    /// Gives the socket of a connection whose output has been sent to the handler.
    pub(super) fn finish_detach(&mut self, key: ConnKey) {
        self.state.table.send_wanted_fin(key);
        let Some(entry) = self.state.table.get(key) else { return };
        if let Err(error) = entry.stream().set_nonblocking(false) {
            self.state.table.end(key, CloseReason::Error(error), false);
            return self.finish_close(key);
        }
        self.state.table.clear_user_timeout(key);
        let context = self.contexts.remove(key.index);
        let (Some(context), Some(entry)) = (context, self.release(key)) else { return };
        let address_index = entry.address_index();
        let (stream, input) = entry.into_parts();
        let socket = Detached::new(stream, input);
        let id = ConnId::new(self.state.loop_id, key);
        let event_loop = &mut Loop::new(&mut self.state);
        let flow = self.handler.detached(event_loop, id, context, socket);
        self.apply_flow(flow);
        self.make_room(address_index);
    }

    /// Takes a connection out of the poller and the table.
    pub(super) fn release(&mut self, key: ConnKey) -> Option<Entry> {
        let state = &mut self.state;
        let entry = state.table.remove(key)?;
        // Explicit, since a copy of the descriptor in a child process would keep it polled.
        let _ = state.poller.deregister(entry.stream());
        if let Some(address_index) = entry.address_index() {
            state.group.placement.remove(usize::from(state.loop_id), address_index);
        }
        Some(entry)
    }

    /// Wakes the listeners that wait for a connection to end, now that one has.
    pub(super) fn make_room(&mut self, address_index: Option<u16>) {
        self.state.group.placement.shortage.refill_reserve();
        self.state.group.wake_listeners(address_index);
    }
}

#[cfg(test)]
mod tests;

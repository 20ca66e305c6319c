//! How connections begin and end.

use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use evio_sys::clock;

use crate::action::{CloseReason, Timeout};
use crate::conn::Conn;
use crate::conn_id::{ConnId, ConnKey};
use crate::deadlines::Expired;
use crate::detached::Detached;
use crate::entry::{Entry, Fin, Phase};
use crate::handler::Handler;
use crate::loop_access::Loop;
use crate::loop_state::{LoopState, Shutdown};
use crate::mailbox::{Accepted, Manner};
use crate::outbound::Beginning;
use crate::turn::Running;

/// Later than any server runs, and still a moment that can be computed with.
const FAR_AWAY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What it takes to close a connection with a full send buffer; 5,000 of them took half a second.
/// A shutdown begins to cut off that much earlier, within a tenth of its time, to be over in time.
const CUT_OFF_TIME: Duration = Duration::from_micros(100);

impl LoopState {
    /// Takes note that output has come down to the low watermark after having been above the high
    /// one, and returns whether that is so.
    pub(crate) fn relieve(&mut self, key: ConnKey) -> bool {
        let Some(entry) = self.conns.get_mut(key) else { return false };
        let low = entry.limits(&self.config).low_watermark;
        let was_congested = entry.is_congested() && !entry.is_connecting();
        let relieved = was_congested && entry.output_len() <= low;
        if relieved {
            entry.deadlines.congested = None;
        }
        relieved
    }

    /// Takes an ending connection as far as it can go now.
    pub(crate) fn advance_phase(&mut self, key: ConnKey) {
        let Some(entry) = self.conns.get_mut(key) else { return };
        let has_output = entry.output_len() > 0;
        match &mut entry.phase {
            Phase::Open | Phase::Connecting { .. } | Phase::Ended { .. } => {}
            Phase::HalfClosed if has_output => {}
            Phase::HalfClosed => match entry.send_fin() {
                // Nothing can come any more, in either direction.
                Ok(()) if entry.peer_closed => entry.end(CloseReason::PeerClosed, false),
                Ok(()) => {}
                Err(error) => entry.end(CloseReason::Error(error), false),
            },
            Phase::Flushing(_) | Phase::Detaching if has_output => self.start_closing_deadline(key),
            Phase::Detaching => {}
            Phase::Draining(_) => {
                if entry.peer_closed {
                    // The reason for the ending stays what it was.
                    entry.end(CloseReason::PeerClosed, false);
                }
            }
            Phase::Flushing(reason) => {
                let reason = mem::replace(reason, CloseReason::Closed);
                if entry.peer_closed || entry.send_fin().is_err() {
                    entry.end(reason, false);
                } else {
                    entry.phase = Phase::Draining(reason);
                    entry.deadlines.closing = None;
                    self.start_closing_deadline(key);
                }
            }
        }
    }

    /// Ends an ending that takes too long.
    fn cut_short(&mut self, key: ConnKey) {
        self.end(key, CloseReason::Timeout(Timeout::Close), true);
    }

    fn close_all(&mut self) {
        for key in self.conns.keys() {
            self.close(key, CloseReason::Shutdown);
        }
    }

    fn close_connecting(&mut self) {
        for key in self.conns.keys() {
            if self.conns.get(key).is_some_and(Entry::is_connecting) {
                self.close(key, CloseReason::Shutdown);
            }
        }
    }
}

impl<H: Handler> Running<H> {
    /// Looks at a connection that the wheel has named: at a deadline, or earlier if that has moved.
    pub(crate) fn look_at(&mut self, index: u32) {
        let state = &mut self.state;
        let Some(key) = state.conns.key_at(index) else { return };
        let Some(entry) = state.conns.get(key) else { return };
        if let Some(expired) = entry.expired(&state.config, state.clock.tick()) {
            self.expire(key, expired);
        }
        self.state.arm(key);
    }

    /// Ends a connection whose time is up, unless that is only because this loop was too late to
    /// look: after a long callback, or a SIGSTOP, there may be input or room for output by now.
    fn expire(&mut self, key: ConnKey, expired: Expired) {
        match expired {
            Expired::Timer => {
                if let Some(entry) = self.state.conns.get_mut(key) {
                    entry.deadlines.timer = None;
                }
                return self.call(key, |handler, conn, context| handler.timer(conn, context));
            }
            Expired::Connect => self.check_connect(key),
            Expired::Idle if self.look_for_input(key) => return,
            Expired::Write | Expired::Congestion | Expired::Closing => self.state.send_again(key),
            Expired::Idle | Expired::Read => {}
        }
        let state = &mut self.state;
        let Some(entry) = state.conns.get(key) else { return };
        let config = &state.config;
        let relieved = entry.output_len() <= entry.limits(config).low_watermark;
        match entry.expired(config, state.clock.tick()) {
            // To be taken note of, and told to the handler, when the turn ends.
            Some(Expired::Congestion) if relieved => {}
            Some(Expired::Connect) => state.close(key, CloseReason::Timeout(Timeout::Connect)),
            Some(Expired::Closing) => state.cut_short(key),
            Some(Expired::Idle) => state.close(key, CloseReason::Timeout(Timeout::Idle)),
            Some(Expired::Read) => state.close(key, CloseReason::Timeout(Timeout::Read)),
            Some(Expired::Write) => state.end(key, CloseReason::Timeout(Timeout::Write), true),
            Some(Expired::Congestion) => {
                state.end(key, CloseReason::Timeout(Timeout::Congestion), true);
            }
            Some(Expired::Timer) | None => {}
        }
    }

    /// Takes in a connection that this loop was chosen for.
    pub(crate) fn open(&mut self, accepted: Accepted) {
        let Accepted { stream, peer, address_index } = accepted;
        let state = &mut self.state;
        if state.shutdown != Shutdown::No {
            return state.group.placement.remove(usize::from(state.loop_id));
        }
        let key = state.conns.insert(Entry::new(stream, peer, address_index, state.clock.tick()));
        if state.watch(key).is_err() {
            // The system is out of memory for it; it was never opened, so nobody is told.
            state.conns.remove(key);
            state.group.placement.remove(usize::from(state.loop_id));
            return state.make_room();
        }
        self.begin(key);
    }

    /// Makes the first callbacks of a connection.
    pub(crate) fn begin(&mut self, key: ConnKey) {
        let index = key.index as usize;
        if self.contexts.len() <= index {
            self.contexts.resize_with(index + 1, || None);
        }
        let context = self.handler.context(&Conn::new(&mut self.state, key));
        self.contexts[index] = Some(context);
        self.call(key, |handler, conn, context| handler.opened(conn, context));
        self.state.arm(key);
    }

    /// Tells the handler that a connection has ended, or has not come about, and removes it.
    pub(crate) fn finish(&mut self, key: ConnKey) {
        let Some(entry) = self.state.conns.get_mut(key) else { return };
        let gone = Phase::Ended { reason: CloseReason::Closed, reset: false };
        let Phase::Ended { reason, reset } = mem::replace(&mut entry.phase, gone) else { return };
        entry.drop_output(&mut self.state.pool);
        // Only what was opened has a context.
        let context = self.contexts.get_mut(key.index as usize).and_then(Option::take);
        let (handler, mut conn) = (&mut self.handler, Conn::new(&mut self.state, key));
        let call = || match context {
            Some(context) => handler.closed(&mut conn, context, reason),
            None => handler.connect_failed(&mut conn, reason),
        };
        let flow = match self.contain_panics {
            false => call(),
            // The connection is ending anyway, so there is nothing left to do about it.
            true => catch_unwind(AssertUnwindSafe(call)).unwrap_or(ControlFlow::Continue(())),
        };
        self.follow(flow);
        if let Some(entry) = self.release(key) {
            if reset {
                // At worst the peer sees an ordinary end.
                let _ = entry.stream.reset_on_drop();
            }
        }
        self.state.make_room();
    }

    /// Gives the socket of a connection whose output has been sent to the handler.
    pub(crate) fn hand_out(&mut self, key: ConnKey) {
        let Some(entry) = self.state.conns.get_mut(key) else { return };
        // A connection that failed meanwhile is handed out all the same, to whoever finds out.
        let _ = if entry.fin == Fin::Wanted { entry.send_fin() } else { Ok(()) };
        if let Err(error) = entry.stream.set_nonblocking(false) {
            self.state.end(key, CloseReason::Error(error), false);
            return self.finish(key);
        }
        let context = self.contexts[key.index as usize].take();
        let (Some(context), Some(entry)) = (context, self.release(key)) else { return };
        let unread = entry.rare.map_or_else(Vec::new, |rare| rare.unread);
        let socket = Detached::new(entry.stream, unread);
        let id = ConnId::new(self.state.loop_id, key);
        let event_loop = &mut Loop::new(&mut self.state);
        let flow = self.handler.detached(event_loop, id, context, socket);
        self.follow(flow);
        self.state.make_room();
    }

    /// Takes a connection out of the poller and the table.
    fn release(&mut self, key: ConnKey) -> Option<Entry> {
        let state = &mut self.state;
        let entry = state.conns.remove(key)?;
        // Explicit, since a copy of the descriptor in a child process would keep it polled.
        let _ = state.poller.deregister(&entry.stream);
        state.wheel.remove(key.index);
        if entry.beginning == Beginning::Accepted {
            state.group.placement.remove(usize::from(state.loop_id));
        }
        Some(entry)
    }

    #[inline]
    pub(crate) fn advance_shutdown(&mut self) {
        if self.state.shutdown != Shutdown::No {
            self.begin_or_end_shutdown();
        }
    }

    #[cold]
    fn begin_or_end_shutdown(&mut self) {
        match self.state.shutdown {
            Shutdown::No => {}
            Shutdown::Requested(manner, before) => self.begin_shutdown(manner, before),
            Shutdown::Until(deadline, _) if self.state.clock.now() >= deadline => self.cut_off(),
            Shutdown::Until(..) => {}
        }
    }

    /// Passes it on to the other loops, stops listening, and closes or tells every connection.
    fn begin_shutdown(&mut self, manner: Manner, before: Option<Instant>) {
        let timeout = match manner {
            Manner::Prompt => self.state.config.shutdown_timeout,
            Manner::Graceful(timeout) => timeout,
        };
        // Not the beginning of the turn: a callback may have taken long.
        let now = clock::now();
        let connections = u32::try_from(self.state.conns.len()).unwrap_or(u32::MAX);
        let cut_off_time = CUT_OFF_TIME.saturating_mul(connections).min(timeout / 10);
        // A timeout that is too long to express is no timeout.
        let deadline = now.checked_add(timeout - cut_off_time).unwrap_or(now + FAR_AWAY);
        // One that overtakes another waits no longer than that would have.
        let deadline = before.map_or(deadline, |before| before.min(deadline));
        self.state.shutdown = Shutdown::Until(deadline, manner);
        self.state.group.shutdown(manner);
        if !self.state.outbox.is_empty() {
            // This may be the last turn.
            self.flush();
        }
        self.state.stop_listening(None);
        match manner {
            Manner::Prompt => self.state.close_all(),
            Manner::Graceful(_) => {
                self.state.close_connecting();
                for key in self.state.conns.keys() {
                    self.call_if_served(key, CloseReason::Shutdown, |handler, conn, context| {
                        handler.stopping(conn, context)
                    });
                }
            }
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state.shutdown, Shutdown::Until(..)) && self.state.conns.is_empty()
    }

    /// Ends every connection now; what is left to send is lost.
    pub(crate) fn cut_off(&mut self) {
        // Also after a failure: the callbacks made here must not begin new ones.
        self.state.shutdown = Shutdown::Until(self.state.clock.now(), Manner::Prompt);
        for key in self.state.conns.keys() {
            let Some(entry) = self.state.conns.get_mut(key) else { continue };
            let reset = entry.output_len() > 0;
            entry.end(CloseReason::Shutdown, reset);
            self.finish(key);
        }
    }
}

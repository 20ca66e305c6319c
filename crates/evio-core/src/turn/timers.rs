//! Timers that are due: ticks, timers of the loop, deadlines of connections, sockets that back off.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::api::message::ShutdownMode;
use crate::table::deadlines::Expired;
use crate::table::timing::Room;
use crate::timer::loop_timers::DueTimer;
use crate::turn::budget;
use crate::turn::runner::Runner;
use crate::turn::ticker::Ticker;
use crate::types::conn_id::ConnKey;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    #[inline]
    pub(super) fn run_timers(&mut self) {
        // Timers that were set in this turn are not due in it.
        if self.next_deadline.is_none() && self.fired.is_empty() {
            return;
        }
        let now = self.state.table.clock().now();
        if self.next_deadline.is_some_and(|next| next <= now) || !self.fired.is_empty() {
            self.run_due_timers(now);
        }
    }

    /// Apart from the turns in which nothing is due.
    #[inline(never)]
    fn run_due_timers(&mut self, now: Instant) {
        if self.acceptor.resume_due(&self.state.poller, now) {
            self.state.group.wake_all_listeners();
        }
        self.state.datagrams.resume_due(&self.state.poller, now);
        if self.ticker.is_due(now) {
            self.tick(now);
        }
        self.call_loop_timers(now);
        self.state.table.advance_wheel(now, &mut self.fired);
        let due = self.fired.len().min(budget::DEADLINES);
        for _ in 0..due {
            let Some(index) = self.fired.pop_front() else { break };
            self.look_at(index);
        }
        if self.fired.is_empty() && self.fired.capacity() > 4 * budget::DEADLINES {
            self.fired = VecDeque::new();
        }
    }

    pub(super) fn tick(&mut self, now: Instant) {
        match self.handler.tick(&mut Loop::new(&mut self.state)) {
            ControlFlow::Continue(delay) => self.ticker.schedule(delay, now),
            ControlFlow::Break(()) => {
                self.ticker = Ticker::new(None);
                self.state.group.shutdown(ShutdownMode::Immediate);
            }
        }
    }

    /// Calls the timers of the loop that are due; those beyond the turn's share are due in the next
    /// one.
    fn call_loop_timers(&mut self, now: Instant) {
        for _ in 0..budget::LOOP_TIMERS {
            let flow = match self.state.timers.take(now) {
                Some(DueTimer::Program(timer)) => {
                    self.handler.loop_timer(&mut Loop::new(&mut self.state), timer)
                }
                Some(DueTimer::Dial(number)) => self.look_at_dial(number, now),
                None => return,
            };
            if flow.is_break() {
                return self.state.group.shutdown(ShutdownMode::Immediate);
            }
        }
    }

    /// Looks at a connection that the wheel has named: at a deadline, or earlier if that has moved.
    fn look_at(&mut self, index: u32) {
        let Some(key) = self.state.table.key_at(index) else { return };
        let mut last = None;
        while let Some(expired) = self.state.table.expired(key).filter(|next| last != Some(*next)) {
            self.expire(key, expired);
            last = Some(expired);
        }
        self.state.table.arm(key);
    }

    /// Ends a connection whose time is up, unless that is only because this loop was too late to
    /// look: after a long callback, or a SIGSTOP, there may be input or room for output by now.
    fn expire(&mut self, key: ConnKey, expired: Expired) {
        match expired {
            Expired::Timer => {
                self.state.table.clear_timer(key);
                return self.call(key, |handler, conn, context| handler.timer(conn, context));
            }
            Expired::Resume => return self.state.table.resume_due(key),
            Expired::KernelLen => return self.state.table.ask_for_progress(key),
            Expired::Connect => self.check_connect(key),
            Expired::Idle | Expired::Read if self.state.table.ask_for_input(key, expired) => return,
            Expired::Idle | Expired::Write | Expired::Congestion | Expired::Close
                if self.send_again(key) =>
            {
                return;
            }
            _ => {}
        }
        if self.state.table.expired(key) == Some(expired) {
            self.state.table.time_out(key, expired);
        }
    }

    /// Sends output that has waited, if the socket has room by now. Output that was added in this
    /// turn has to wait for its `pre_write`, and the turn may have sent its bytes: then everything
    /// is sent in the next turn, which this returns.
    fn send_again(&mut self, key: ConnKey) -> bool {
        let state = &mut self.state;
        let has_output = state.table.get(key).is_some_and(|entry| entry.output_len() > 0);
        if !has_output {
            return false;
        }
        let room = state.table.ask_for_room(key);
        if room == Room::No {
            state.table.ask_for_progress(key);
            return false;
        }
        state.table.unblock(key);
        let has_new = state.table.get(key).is_some_and(|entry| entry.has_new_output());
        if has_new || room == Room::Yes && !state.outgoing.has_budget() {
            state.outgoing.expect_output();
            return true;
        }
        if room == Room::Unknown {
            // A loop that is late tries once, whatever the others have used of its budget.
            state.outgoing.raise_budget(budget::LATE_TRY);
        }
        if state.table.send_output(key, &mut state.outgoing, budget::send_share(1)) == 0 {
            state.table.ask_for_progress(key);
        }
        false
    }
}

#[cfg(test)]
mod tests;

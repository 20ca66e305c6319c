//! The end of a turn: output is sent, and connections go on to where they belong now.

use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::table::conns::NextStep;
use crate::turn::budget;
use crate::turn::runner::Runner;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Sends the output of the turn, and settles every connection that is on the list. What the
    /// callbacks made here write is left for the next turn.
    #[inline]
    pub(super) fn flush(&mut self) {
        if self.has_output() {
            self.flush_output();
        }
    }

    pub(super) fn has_output(&self) -> bool {
        self.state.table.has_listed() || self.state.datagrams.has_output()
    }

    fn flush_output(&mut self) {
        let state = &mut self.state;
        let is_due = state.outgoing.is_waiting() || state.datagrams.has_output();
        let withheld = is_due && self.handler.pre_write(&mut Loop::new(state)).is_err();
        // The last turn of a shutdown does without budgets, or what has room would be lost.
        let is_last = self.shutdown.has_begun() && self.is_cut_off_due();
        let state = &mut self.state;
        state.outgoing.begin_flush(if is_last { usize::MAX } else { budget::SEND });
        // Everything is sent before the first callback is made: what that writes, to any
        // connection, has to wait for another `pre_write`.
        let share = if is_last { usize::MAX } else { budget::send_share(state.table.listed_len()) };
        let mut round = if withheld {
            state.datagrams.drop_output();
            state.table.withhold_round(&mut state.outgoing, share)
        } else {
            if state.datagrams.has_output() {
                state.datagrams.flush();
            }
            state.table.send_round(&mut state.outgoing, share)
        };
        for &key in &round {
            self.settle(key);
        }
        round.clear();
        self.state.table.end_round(round);
    }

    fn settle(&mut self, key: ConnKey) {
        if self.state.table.clear_congestion(key) {
            self.call(key, |handler, conn, context| handler.drained(conn, context));
        }
        match self.state.table.next_step(key) {
            NextStep::Waits => {}
            NextStep::Rearm(interest) => {
                if let Err(error) = self.state.rearm(key, interest) {
                    self.state.table.end(key, CloseReason::Error(error), false);
                }
            }
            NextStep::Establish => self.open_outbound(key),
            NextStep::Finish => self.finish_close(key),
            NextStep::Detach => self.finish_detach(key),
        }
    }
}

#[cfg(test)]
mod tests;

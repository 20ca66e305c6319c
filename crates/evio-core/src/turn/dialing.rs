//! What becomes of dials.

use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::dial::dial_error::DialFailure;
use crate::dial::state::Dial;
use crate::turn::runner::Runner;
use crate::types::action::{CloseReason, Timeout};
use crate::types::conn_id::ConnKey;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Does what is due for a dial, and tells the handler of one that has failed.
    pub(super) fn look_at_dial(&mut self, number: u64, now: Instant) -> ControlFlow<()> {
        // Its timer has run down.
        if let Some(dial) = self.state.dials.get_mut(number) {
            dial.timer = None;
        }
        self.check_attempts(number, now);
        self.state.dials.expire(number, now);
        self.state.advance_dial(number);
        let Some((dial, error)) = self.state.dials.take_failed(number) else {
            return ControlFlow::Continue(());
        };
        self.state.end_attempts(&dial, None);
        drop(dial);
        self.handler.dial_failed(&mut Loop::new(&mut self.state), error)
    }

    /// Looks whether an attempt of a dial whose time is up has come about: the loop may be late.
    fn check_attempts(&mut self, number: u64, now: Instant) {
        let dial = self.state.dials.get(number).filter(|dial| dial.is_due(now));
        let attempts: Vec<ConnKey> = dial.into_iter().flat_map(Dial::attempts).collect();
        for key in attempts {
            self.check_connect(key);
        }
    }

    /// Removes an attempt that has ended, and goes on with its dial, if that is not over.
    pub(super) fn end_attempt(&mut self, key: ConnKey, number: u64, reason: CloseReason) {
        if let Some(entry) = self.release(key) {
            entry.end_socket(false);
        }
        let error = match reason {
            CloseReason::Error(error) => error,
            CloseReason::Timeout(Timeout::Connect) => io::ErrorKind::TimedOut.into(),
            reason => io::Error::other(reason.to_string()),
        };
        let now = self.state.table.clock().now();
        if self.state.dials.note_end(number, key, error, now) {
            self.state.advance_dial(number);
        }
        self.make_room(None);
    }

    /// Fails all dials, since the server is ending.
    pub(super) fn fail_dials(&mut self) {
        for number in self.state.dials.numbers() {
            self.state.dials.fail(number, DialFailure::Shutdown);
            let Some((dial, error)) = self.state.dials.take_failed(number) else { continue };
            self.state.end_attempts(&dial, None);
            drop(dial);
            let flow = self.handler.dial_failed(&mut Loop::new(&mut self.state), error);
            self.apply_flow(flow);
        }
    }
}

#[cfg(test)]
mod tests;

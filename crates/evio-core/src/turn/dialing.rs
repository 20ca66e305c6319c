//! What becomes of dials.

use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use evio_sys::clock;

use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::dial::dial_error::DialFailure;
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
        self.state.advance_dial(number, now);
        let Some((dial, error)) = self.state.dials.take_failed(number) else {
            return ControlFlow::Continue(());
        };
        self.state.end_attempts(&dial, None);
        self.handler.dial_failed(&mut Loop::new(&mut self.state), error)
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
        if self.state.dials.note_end(number, key, error) {
            self.state.advance_dial(number, clock::now());
        }
        self.make_room();
    }

    /// Fails all dials, since the server is ending.
    pub(super) fn fail_dials(&mut self) {
        for number in self.state.dials.numbers() {
            self.state.dials.fail(number, DialFailure::Shutdown);
            let Some((dial, error)) = self.state.dials.take_failed(number) else { continue };
            self.state.end_attempts(&dial, None);
            let flow = self.handler.dial_failed(&mut Loop::new(&mut self.state), error);
            self.apply_flow(flow);
        }
    }
}

//! Dials, as the loop carries them out.

use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use evio_sys::clock;
use evio_sys::net::Stream;

use crate::api::connect_options::ConnectOptions;
use crate::api::loop_state::LoopState;
use crate::dial::dial_error::DialId;
use crate::dial::state::Dial;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::origin::{OriginKind, Tag};

impl LoopState {
    /// Begins a dial whose addresses are to be given.
    ///
    /// # Errors
    ///
    /// Fails when there are as many as there may be, and when the server is ending.
    pub(super) fn begin_dial(
        &mut self,
        target: String,
        options: &ConnectOptions,
    ) -> io::Result<DialId> {
        self.check_running()?;
        let now = clock::now();
        let limits = options.limits.as_ref().unwrap_or(self.table.server_limits());
        let timeout = limits.connect_timeout;
        let id = self.dials.begin(target, options.tag, options.limits, timeout, now)?;
        self.set_dial_timer(id.number, now);
        Ok(id)
    }

    /// Gives a dial its addresses, and tries the first.
    pub(crate) fn give_addresses(&mut self, number: u64, addresses: io::Result<Vec<SocketAddr>>) {
        self.dials.give(number, addresses);
        self.advance_dial(number);
    }

    /// Tries the addresses of a dial whose turn it is. Its deadline is a matter of its timer: what
    /// the loop hears of before it looks there may have come in time.
    pub(crate) fn advance_dial(&mut self, number: u64) {
        let now = self.table.clock().now();
        while let Some(address) = self.dials.next_address(number, now) {
            match self.try_address(number, address) {
                Ok(key) => {
                    let others = self.dials.note_attempt(number, key, address, clock::now());
                    if let Some(key) = others {
                        self.table.end(key, CloseReason::Closed, false);
                    }
                }
                Err(error) => self.dials.note_failure(number, address, error),
            }
        }
        self.set_dial_timer(number, now);
    }

    fn try_address(&mut self, number: u64, address: SocketAddr) -> io::Result<ConnKey> {
        let (stream, established) = Stream::connect(&address.into())?;
        let limits = self.dials.get(number).and_then(|dial| dial.limits);
        let id = self.insert_outbound(
            stream,
            Some(address),
            OriginKind::Dialed,
            established,
            |entry| entry.with_tag(Tag::from(number)).with_limits(limits.as_ref()),
        )?;
        Ok(id.key())
    }

    /// Sets the timer of a dial for its next look.
    fn set_dial_timer(&mut self, number: u64, now: Instant) {
        let Some(dial) = self.dials.get_mut(number) else { return };
        if let Some(timer) = dial.timer.take() {
            self.timers.cancel(timer);
        }
        dial.timer = Some(self.timers.set_for_dial(now, dial.next_look(now), number));
    }

    /// Returns whether an outbound connection that has come about is to be opened. If it is an
    /// attempt of a dial, the dial is over, and so are its other attempts.
    pub(crate) fn may_open(&mut self, key: ConnKey) -> bool {
        let Some(number) = self.table.get(key).and_then(|entry| entry.dial()) else { return true };
        let Some(dial) = self.dials.remove(number) else {
            // Another attempt has come about in this turn, or the dial was cancelled.
            self.table.end(key, CloseReason::Closed, false);
            return false;
        };
        self.table.end_dial(key, dial.tag);
        self.end_attempts(&dial, Some(key));
        true
    }

    /// Ends what is left of a dial that is over.
    pub(crate) fn end_attempts(&mut self, dial: &Dial, winner: Option<ConnKey>) {
        if let Some(timer) = dial.timer {
            self.timers.cancel(timer);
        }
        for key in dial.attempts().filter(|&key| Some(key) != winner) {
            self.table.end(key, CloseReason::Closed, false);
        }
    }

    /// Cancels a dial. Returns whether there was one.
    pub(super) fn cancel_dial(&mut self, id: DialId) -> bool {
        let is_here = id.loop_id == self.loop_id;
        let Some(dial) = is_here.then(|| self.dials.remove(id.number)).flatten() else {
            return false;
        };
        self.end_attempts(&dial, None);
        true
    }
}

//! How a connection gets from one phase to the next.

use std::io;
use std::mem;

use super::{Entry, Fin};
use crate::table::list::Listed;
use crate::table::phase::Phase;
use crate::types::action::CloseReason;

impl Entry {
    /// The one place where a phase changes.
    #[inline]
    fn set_phase(&mut self, phase: Phase, _: Listed) {
        debug_assert!(phase >= self.phase, "{phase:?} after {:?}", self.phase);
        self.phase = phase;
    }

    /// Ends the connection when the turn ends; the first reason stays. While it lingers, all has
    /// been sent, so it does not matter how the peer takes its leave.
    pub(in crate::table) fn end(&mut self, reason: CloseReason, reset: bool, listed: Listed) {
        match self.phase {
            Phase::Ended | Phase::Aborted => {}
            Phase::Lingering => self.set_phase(Phase::Ended, listed),
            _ => {
                self.reason = reason;
                self.set_phase(if reset { Phase::Aborted } else { Phase::Ended }, listed);
            }
        }
    }

    /// Ends a closing connection whose peer goes on sending: the reset stops it.
    pub(in crate::table) fn stop_discarding(&mut self, listed: Listed) {
        if self.phase == Phase::Flushing {
            self.reason = CloseReason::DiscardLimit;
        }
        self.set_phase(Phase::Aborted, listed);
    }

    /// Begins an ending that loses nothing; one that is under way goes on. A connection that has
    /// not come about yet is given up.
    pub(in crate::table) fn close(&mut self, reason: CloseReason, listed: Listed) {
        if self.phase.is_active() {
            self.reason = reason;
            self.set_phase(Phase::Flushing, listed);
        } else if self.phase.is_connecting() {
            self.end(reason, false, listed);
        }
    }

    /// Begins to detach, unless the connection is ending.
    pub(in crate::table) fn detach(&mut self, listed: Listed) {
        if self.phase.is_active() {
            self.set_phase(Phase::Detaching, listed);
        }
    }

    /// Takes no more output, and sends a FIN once the output is sent; input goes on.
    pub(in crate::table) fn half_close(&mut self, listed: Listed) {
        if self.takes_output() {
            self.fin = Fin::Wanted;
            if self.phase == Phase::Open {
                self.set_phase(Phase::HalfClosed, listed);
            }
        }
    }

    /// Opens a connection that has come about.
    pub(in crate::table) fn establish(&mut self, listed: Listed) {
        let is_open = self.fin == Fin::No;
        self.set_phase(if is_open { Phase::Open } else { Phase::HalfClosed }, listed);
    }

    /// Sends our FIN, once.
    pub(in crate::table) fn send_fin(&mut self) -> io::Result<()> {
        if self.fin != Fin::Sent {
            self.stream.shutdown_write()?;
            self.fin = Fin::Sent;
        }
        Ok(())
    }

    /// Takes a connection whose output is sent as far as it can go now. Returns whether it has
    /// begun to linger.
    pub(in crate::table) fn advance(&mut self, listed: Listed) -> bool {
        match self.phase {
            Phase::HalfClosed => match self.send_fin() {
                // Nothing can come any more, in either direction.
                Ok(()) if self.input_ended() => self.end(CloseReason::PeerClosed, false, listed),
                Ok(()) => {}
                Err(error) => self.end(CloseReason::Error(error), false, listed),
            },
            Phase::Flushing => {
                let lingers = !self.input_ended() && self.send_fin().is_ok();
                self.set_phase(if lingers { Phase::Lingering } else { Phase::Ended }, listed);
                return lingers;
            }
            Phase::Lingering if self.input_ended() => self.set_phase(Phase::Ended, listed),
            _ => {}
        }
        false
    }

    /// Takes the reason of a connection that has ended, and whether its peer is told by a reset.
    pub(in crate::table) fn take_end(&mut self) -> Option<(CloseReason, bool)> {
        let mut reason = || mem::replace(&mut self.reason, CloseReason::Closed);
        match self.phase {
            Phase::Ended => Some((reason(), false)),
            Phase::Aborted => Some((reason(), true)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::input_state::InputState;
    use crate::table::list::List;
    use crate::types::pause_reason::PauseReason;

    #[test]
    fn the_first_ending_stays() {
        let mut entry = Entry::for_test();
        let listed = List::default().settling();
        entry.close(CloseReason::Shutdown, listed);
        entry.close(CloseReason::Closed, listed);
        assert_eq!(entry.phase, Phase::Flushing);
        assert!(matches!(entry.reason(), CloseReason::Shutdown));
        entry.end(CloseReason::OutputLimit, true, listed);
        entry.end(CloseReason::Closed, false, listed);
        entry.close(CloseReason::Closed, listed);
        entry.detach(listed);
        let Some((reason, reset)) = entry.take_end() else { panic!("{:?}", entry.phase) };
        assert!(matches!(reason, CloseReason::OutputLimit) && reset);
    }

    #[test]
    fn what_was_delivered_is_not_called_lost() {
        let listed = List::default().settling();
        for stop in [true, false] {
            let mut entry = Entry::for_test();
            entry.close(CloseReason::Shutdown, listed);
            assert!(entry.advance(listed), "the peer has not closed its side");
            match stop {
                true => entry.stop_discarding(listed),
                false => entry.end(CloseReason::Aborted, true, listed),
            }
            let Some((reason, reset)) = entry.take_end() else { panic!("{:?}", entry.phase) };
            assert!(matches!(reason, CloseReason::Shutdown), "{reason}");
            assert_eq!(reset, stop, "only a peer that sends on is told to stop");
        }
    }

    #[test]
    fn a_half_closed_connection_ends_with_the_peers_fin() {
        let listed = List::default().settling();
        let mut entry = Entry::for_test();
        entry.half_close(listed);
        assert!(!entry.takes_output() && entry.phase.is_active());
        assert!(!entry.advance(listed));
        assert!(entry.phase.is_active() && entry.fin == Fin::Sent);
        entry.input = InputState::ENDED;
        entry.advance(listed);
        assert!(matches!(entry.take_end(), Some((CloseReason::PeerClosed, false))));
    }

    #[test]
    fn input_is_wanted_by_a_handler_that_keeps_up_or_to_be_discarded() {
        let listed = List::default().settling();
        let mut entry = Entry::for_test();
        assert!(entry.wants_input());
        entry.deadlines.congested_since = Some(entry.deadlines.last_activity);
        assert!(!entry.wants_input());
        entry.reads_while_congested = true;
        assert!(entry.wants_input());
        entry.input.set_paused(PauseReason::PLAIN, true);
        assert!(!entry.wants_input());
        entry.close(CloseReason::Closed, listed);
        assert!(entry.wants_input(), "discarded");
        entry.input = InputState::ENDED;
        assert!(!entry.wants_input());
    }
}

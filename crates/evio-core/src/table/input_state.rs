//! Whether the handler of a connection wants input.

use crate::types::pause_reason::PauseReason;

/// The state of a connection's input, in a byte: whether it is wanted is asked for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InputState(u8);

impl InputState {
    /// No reason keeps it from being read.
    pub(super) const WANTED: Self = Self(0);

    /// The peer has sent its FIN, or the handler has ended the input. No reason has this bit.
    pub(super) const ENDED: Self = Self(1 << 7);

    /// Adds a reason not to read, or takes it away; an end stays one.
    pub(super) fn set_paused(&mut self, reason: PauseReason, paused: bool) {
        match paused {
            _ if *self == Self::ENDED => {}
            true => self.0 |= reason.bit(),
            false => self.0 &= !reason.bit(),
        }
    }

    /// Returns whether there is a reason not to read.
    pub(super) fn is_paused(self) -> bool {
        self != Self::WANTED && self != Self::ENDED
    }

    pub(super) fn is_paused_for(self, reason: PauseReason) -> bool {
        self.0 & reason.bit() != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_wanted_when_no_reason_is_left() {
        let mut input = InputState::WANTED;
        let (one, other) = (PauseReason::PLAIN, PauseReason::new(PauseReason::OWN - 1));
        for (reason, paused, expected) in
            [(one, true, true), (one, true, true), (other, true, true), (one, false, true)]
        {
            input.set_paused(reason, paused);
            assert_eq!((input.is_paused(), input.is_paused_for(reason)), (expected, paused));
        }
        input.set_paused(PauseReason::RATE, false);
        assert!(input.is_paused_for(other));
        input.set_paused(other, false);
        assert_eq!(input, InputState::WANTED);
    }

    #[test]
    fn what_has_ended_is_not_paused_any_more() {
        let mut input = InputState::ENDED;
        for paused in [true, false] {
            input.set_paused(PauseReason::RATE, paused);
            assert_eq!(input, InputState::ENDED);
            assert!(!input.is_paused() && !input.is_paused_for(PauseReason::RATE));
        }
    }
}

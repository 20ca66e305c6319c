//! How far a connection is on its way.

/// How far a connection is on its way from begun to gone, in order: phases only ever go forward.
/// The methods of [`Entry`](super::entry::Entry) that change one need a
/// [`Listed`](super::list::Listed).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Output is taken, and waits until there is a connection to send it by.
    Connecting,
    /// There is one; it is opened when the turn ends, and not while the callback runs that asked
    /// for it.
    Established,
    /// Callbacks are made and output is taken.
    Open,
    /// Callbacks are made. The output is sent, then a FIN.
    HalfClosed,
    /// The output is sent, then the socket leaves the loop.
    Detaching,
    /// The output is sent, then a FIN. Input is discarded.
    Flushing,
    /// Input is discarded until the peer's FIN: a close before it would reset the connection (RFC
    /// 9293, 3.6.1), and destroy what the peer has not read yet.
    Lingering,
    /// The connection is removed when the turn ends.
    Ended,
    /// The same, and a reset tells the peer that output was lost.
    Aborted,
}

impl Phase {
    /// Returns whether callbacks are made.
    #[inline]
    pub(crate) fn is_active(self) -> bool {
        matches!(self, Self::Open | Self::HalfClosed)
    }

    /// Returns whether the connection has not been opened yet.
    #[inline]
    pub(crate) fn is_connecting(self) -> bool {
        self <= Self::Established
    }

    /// Returns whether the last output is being sent, on the way to an end or out of the loop.
    pub(super) fn is_sending_the_last(self) -> bool {
        matches!(self, Self::Flushing | Self::Detaching)
    }

    /// Returns whether input is discarded.
    #[inline]
    pub(super) fn discards_input(self) -> bool {
        matches!(self, Self::Flushing | Self::Lingering)
    }

    /// Returns whether the connection is removed when the turn ends.
    #[cfg(any(test, debug_assertions))]
    pub(super) fn has_ended(self) -> bool {
        self >= Self::Ended
    }
}

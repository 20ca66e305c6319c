//! What one connection was told, and whether it may be told more.

use evio::{Action, Conn};
use evio_sys::sim::Direction;

/// A context, and what its connection has been given.
pub(crate) struct Tracked<C> {
    pub(crate) inner: C,
    /// What its input is; `None` if the kernel does not know its bytes.
    pub(crate) input: Option<Direction>,
    pub(crate) read: usize,
    is_open: bool,
    /// It was told of the end of the input.
    has_ended: bool,
    /// After its last callback too much output waited.
    was_congested: bool,
    /// Its handler has asked for its end.
    is_ending: bool,
}

/// The callbacks that are different from the others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callback {
    Opened,
    Data,
    Drained,
    PeerClosed,
    Unanswered,
    Other,
}

impl<C> Tracked<C> {
    pub(crate) fn new(inner: C, input: Option<Direction>) -> Self {
        Self {
            inner,
            input,
            read: 0,
            is_open: false,
            has_ended: false,
            was_congested: false,
            is_ending: false,
        }
    }

    /// Returns what is wrong with a callback that is about to be made.
    pub(crate) fn check(&self, conn: &Conn<'_>, callback: Callback) -> Result<(), &'static str> {
        let is_congested = conn.is_congested();
        match callback {
            // The only one that may come while an ending waits for replies.
            Callback::Unanswered => Ok(()),
            _ if self.is_ending => Err("it goes on after its handler has asked for its end"),
            Callback::Opened if self.is_open => Err("opened twice"),
            Callback::Data | Callback::PeerClosed if !self.is_open => Err("input before opened"),
            Callback::Data | Callback::PeerClosed if self.has_ended => Err("input behind its end"),
            Callback::Drained if is_congested => Err("drained and congested"),
            Callback::Drained => Ok(()),
            _ if self.was_congested && !is_congested => Err("it has not been drained"),
            Callback::Data if conn.is_paused() => Err("paused, and its input is read"),
            _ => Ok(()),
        }
    }

    /// Notes a callback that was made.
    pub(crate) fn note(&mut self, conn: &Conn<'_>, callback: Callback, action: Action) {
        self.is_open |= callback == Callback::Opened;
        self.has_ended |= callback == Callback::PeerClosed;
        self.was_congested = conn.is_congested();
        self.is_ending |= matches!(action, Action::Close | Action::Detach);
    }
}

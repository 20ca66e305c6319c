//! What a connection owes its peer.

use crate::table::wheel_time::WheelTime;
use crate::types::action::CloseReason;

/// What a connection owes its peer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Owes {
    Nothing,
    Replies,
    /// Replies, and then an end, which waits for them until this time.
    End(Option<WheelTime>),
}

/// An ending that waits for replies.
#[derive(Debug)]
pub(super) struct DeferredEnd {
    pub(super) reason: CloseReason,
    pub(super) deadline: Option<WheelTime>,
}

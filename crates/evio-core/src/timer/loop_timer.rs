//! A timer of a loop, as the program names it.

use std::error;
use std::fmt;
use std::time::Instant;

use crate::types::origin::Tag;

/// The name of a timer of a loop: what [`Loop::cancel_timer`](crate::Loop::cancel_timer) takes.
///
/// A loop gives no name twice, so one that is kept for too long cancels nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    pub(super) loop_id: u16,
    /// Counts the timers of the loop.
    pub(super) number: u64,
}

/// A timer of a loop that has run down, as [`Handler::loop_timer`](crate::Handler::loop_timer) gets
/// it.
#[derive(Clone, Copy, Debug)]
pub struct LoopTimer {
    pub(super) id: TimerId,
    pub(super) tag: Tag,
    pub(super) due: Instant,
}

impl LoopTimer {
    /// Returns its name: in the callback of an interval, to cancel that.
    #[must_use]
    pub fn id(&self) -> TimerId {
        self.id
    }

    /// Returns what it was set with.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.tag
    }

    /// Returns when it was due, which is before [`Loop::now`](crate::Loop::now) or at that time.
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }
}

/// A loop has as many timers as [`Config::max_timers`](crate::Config::max_timers) allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyTimers;

impl fmt::Display for TooManyTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many timers on this loop")
    }
}

impl error::Error for TooManyTimers {}

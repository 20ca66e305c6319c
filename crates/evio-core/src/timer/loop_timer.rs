//! A timer of a loop, as the program names it.

use std::error;
use std::fmt;
use std::time::Instant;

use crate::types::origin::Tag;

/// The name of a timer of a loop: what [`Loop::cancel_timer`](crate::Loop::cancel_timer) takes.
///
/// A loop gives no name twice, so one that is kept for too long cancels nothing.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use evio_core as evio;
/// use evio::{Loop, TimerId, TooManyTimers};
///
/// /// Gives the players half a minute from now on, however much of the last one was left.
/// fn restart(here: &mut Loop<'_>, timer: &mut Option<TimerId>) -> Result<(), TooManyTimers> {
///     if let Some(last) = timer.take() {
///         here.cancel_timer(last);
///     }
///     *timer = Some(here.set_timer(Duration::from_secs(30), 0)?);
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    pub(super) loop_id: u16,
    /// Counts the timers of the loop.
    pub(super) number: u64,
}

/// A timer of a loop that has run down, as [`Handler::loop_timer`](crate::Handler::loop_timer) gets
/// it.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::{Loop, LoopTimer};
///
/// /// The `loop_timer` callback of a server whose intervals have the id of a client as their tag.
/// fn loop_timer(event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
///     let Some(client) = timer.tag().conn else { return ControlFlow::Continue(()) };
///     match event_loop.conn(client) {
///         Some(mut client) => client.write(b"a minute has passed\n"),
///         // Nothing else ends the interval of a client that has gone.
///         None => drop(event_loop.cancel_timer(timer.id())),
///     }
///     ControlFlow::Continue(())
/// }
/// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Loop, LoopTimer};
    ///
    /// /// Tells whether the loop was held up, such as by a callback that took long.
    /// fn is_late(event_loop: &Loop<'_>, timer: LoopTimer) -> bool {
    ///     event_loop.now() - timer.due() > Duration::from_millis(100)
    /// }
    /// ```
    #[must_use]
    pub fn due(&self) -> Instant {
        self.due
    }
}

/// A loop has as many timers as `Server::max_timers` of the `evio` crate allows, or
/// [`Config::max_timers`](crate::Config::max_timers) where this crate is used alone.
///
/// # Examples
///
/// See [`TimerId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyTimers;

impl fmt::Display for TooManyTimers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many timers on this loop")
    }
}

impl error::Error for TooManyTimers {}

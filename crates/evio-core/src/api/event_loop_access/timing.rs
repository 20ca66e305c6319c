//! The timers of a loop, as a callback sees them.

use std::time::{Duration, Instant};

use evio_sys::clock;

use super::Loop;
use crate::timer::loop_timer::{TimerId, TooManyTimers};
use crate::types::origin::Tag;

impl Loop<'_> {
    /// Sets a timer of this loop: after `delay`,
    /// [`Handler::loop_timer`](crate::Handler::loop_timer) is called once, with `tag`.
    ///
    /// A loop has many, unlike a connection, and they keep their exact times, as far as the system
    /// does: usually they come within a millisecond or two, and never early. The timer of a
    /// connection ([`Conn::set_timer`](crate::Conn::set_timer)) counts in steps of 16 ms; it costs
    /// less, and ends with the connection. This one goes on when a connection that it was set for
    /// has ended, which [`conn`](Self::conn) then does not find.
    ///
    /// A timer is not called in the turn in which it was set. A delay of more than 100 years may be
    /// taken as 100 years.
    ///
    /// # Errors
    ///
    /// Fails when the loop has as many timers as `Server::max_timers` of the `evio` crate allows,
    /// or [`Config::max_timers`](crate::Config::max_timers) where this crate is used alone.
    ///
    /// # Examples
    ///
    /// A connection that is lost is made again after a second:
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::ops::ControlFlow;
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Action, CloseReason, Conn, Handler, Loop, LoopTimer, Serving};
    ///
    /// struct Client {
    ///     server: SocketAddr,
    /// }
    ///
    /// impl Client {
    ///     fn connect(&self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
    ///         match event_loop.connect(self.server, 0) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => self.try_later(event_loop),
    ///         }
    ///     }
    ///
    ///     fn try_later(&self, event_loop: &mut Loop<'_>) -> ControlFlow<()> {
    ///         match event_loop.set_timer(Duration::from_secs(1), 0) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => ControlFlow::Break(()),
    ///         }
    ///     }
    /// }
    ///
    /// impl Handler for Client {
    ///     type Context = ();
    ///
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///
    ///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
    ///         Action::None
    ///     }
    ///
    ///     fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
    ///         self.connect(event_loop)
    ///     }
    ///
    ///     fn loop_timer(&mut self, event_loop: &mut Loop<'_>, _: LoopTimer) -> ControlFlow<()> {
    ///         self.connect(event_loop)
    ///     }
    ///
    ///     fn closed(&mut self, conn: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
    ///         self.try_later(&mut conn.event_loop())
    ///     }
    ///
    ///     fn connect_failed(&mut self, conn: &mut Conn<'_>, _: CloseReason) -> ControlFlow<()> {
    ///         self.try_later(&mut conn.event_loop())
    ///     }
    /// }
    /// ```
    pub fn set_timer(
        &mut self,
        delay: Duration,
        tag: impl Into<Tag>,
    ) -> Result<TimerId, TooManyTimers> {
        let now = self.timer_start();
        self.state.timers.set(now, delay, tag.into())
    }

    /// Sets an interval: a timer that is called after each `period`, until it is
    /// [cancelled](Self::cancel_timer). It counts as one timer.
    ///
    /// Periods count from the time at which the timer was due, so it does not drift. When the loop
    /// was held up, it is called once for all periods that have passed and then goes on in the old
    /// phase; [`LoopTimer::due`](crate::LoopTimer::due) tells how late it is. So it differs from
    /// [`Handler::tick`](crate::Handler::tick), which makes up for some of them: a loop has one
    /// tick, but may have thousands of these. A period below a millisecond is taken as one.
    ///
    /// # Errors
    ///
    /// As [`set_timer`](Self::set_timer).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{LoopHandle, SendError};
    ///
    /// /// Sets an interval of half a minute on each loop.
    /// fn check_now_and_then(loops: &[LoopHandle]) -> Result<(), SendError> {
    ///     for handle in loops {
    ///         handle.post(|event_loop| {
    ///             let _ = event_loop.set_interval(Duration::from_secs(30), 0);
    ///         })?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn set_interval(
        &mut self,
        period: Duration,
        tag: impl Into<Tag>,
    ) -> Result<TimerId, TooManyTimers> {
        let now = self.timer_start();
        self.state.timers.set_interval(now, period, tag.into())
    }

    /// Cancels a timer or an interval of this loop, which is not called any more, not even if it is
    /// due already. Returns whether there was one: a timer that has been called is none.
    ///
    /// # Examples
    ///
    /// See [`TimerId`].
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.state.timers.cancel(id)
    }

    /// This moment, not the beginning of the turn: a timer that is set after a long callback must
    /// not come early.
    fn timer_start(&self) -> Instant {
        clock::now().max(self.state.table.clock().now())
    }
}

//! The closure for timers of the loop.

use std::ops::ControlFlow;

use evio_core::{Loop, LoopTimer};

use crate::events::Events;

pub(super) type Callback<'a> = Box<dyn FnMut(&mut Loop<'_>, LoopTimer) -> ControlFlow<()> + 'a>;

impl<'a, C, M> Events<'a, C, M> {
    /// Sets [`Handler::loop_timer`](crate::Handler::loop_timer).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use std::time::Duration;
    /// use evio::Events;
    ///
    /// Events::new()
    ///     .serving(|event_loop, _| {
    ///         event_loop.set_interval(Duration::from_secs(10), 1).expect("the first timer");
    ///         ControlFlow::Continue(())
    ///     })
    ///     .loop_timer(|_, timer| {
    ///         println!("ten seconds have passed, says {:?}", timer.tag());
    ///         ControlFlow::Continue(())
    ///     })
    ///     .serve(["tcp://localhost:5000"])?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn loop_timer(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, LoopTimer) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.loop_timer = Some(Box::new(callback));
        self
    }
}

pub(super) fn call(
    callback: &mut Option<Callback<'_>>,
    event_loop: &mut Loop<'_>,
    timer: LoopTimer,
) -> ControlFlow<()> {
    match callback {
        Some(callback) => callback(event_loop, timer),
        None => ControlFlow::Continue(()),
    }
}

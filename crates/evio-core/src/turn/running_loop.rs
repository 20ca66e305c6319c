//! A loop whose turns somebody else begins.

use std::fmt;
use std::io;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evio_sys::{Events, clock};

use crate::api::handler::Handler;
use crate::api::loop_handle::LoopHandle;
use crate::turn::budget::EVENTS;
use crate::turn::end_group::EndGroup;
use crate::turn::runner::Runner;

/// A loop that has begun and makes a turn when it is told to, so that it can live inside another
/// loop: one of evio, of an async runtime, of a window system.
///
/// The host waits until the descriptor ([`AsFd`]) is readable, at most for
/// [`timeout`](Self::timeout), and then calls [`turn`](Self::turn) with a timeout of zero. Messages
/// of other threads make the descriptor readable like everything else.
///
/// A host that is told of the descriptor once for each change (`EPOLLET`, tokio's `AsyncFd`) calls
/// `turn` until it is [`Idle`](Progress::Idle) before it waits: what the last turn left to the next
/// is no change.
///
/// Dropped before its end, it ends all loops of its group; its own connections are aborted, and
/// their last callbacks made. If a callback has panicked, no more are made.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use evio_core::{Action, Config, Conn, EventLoop, Handler, Progress};
///
/// struct Nothing;
///
/// impl Handler for Nothing {
///     type Context = ();
///     fn context(&mut self, _: &Conn<'_>) {}
///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
///         Action::None
///     }
/// }
///
/// let mut event_loop = EventLoop::new(Config::default())?.start(Nothing)?;
/// assert_eq!(event_loop.timeout(), None);
/// assert_eq!(event_loop.turn(Some(Duration::ZERO))?, Progress::Idle);
///
/// event_loop.handle().shutdown();
/// // The descriptor is readable from here on.
/// while event_loop.turn(None)? != Progress::Ended {}
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct RunningLoop<H: Handler<M>, M: 'static = ()> {
    pub(super) runner: Runner<M, H>,
    events: Events,
    next: Next,
    /// Behind the runner, to be dropped after it.
    end: EndGroup,
}

/// What a turn has come to.
///
/// # Examples
///
/// ```
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::Progress;
///
/// /// Makes turns until there is nothing to do but wait, and breaks when the loop has ended.
/// fn make_turns<E>(mut turn: impl FnMut() -> Result<Progress, E>) -> Result<ControlFlow<()>, E> {
///     loop {
///         match turn()? {
///             Progress::Worked => {}
///             Progress::Idle => return Ok(ControlFlow::Continue(())),
///             Progress::Ended => return Ok(ControlFlow::Break(())),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing was ready.
    Idle,
    /// Something was ready, and something more may be.
    Worked,
    /// The loop has ended: every connection has had its last callback.
    Ended,
}

/// What comes after a turn.
#[derive(Clone, Copy)]
enum Next {
    /// To wait for events, at most so long as of the end of the turn.
    Wait(Option<Duration>),
    /// Nothing: the loop has ended, or is in a turn, which a panic may end.
    Nothing,
}

impl<M: 'static, H: Handler<M>> RunningLoop<H, M> {
    pub(super) fn new(runner: Runner<M, H>, end: EndGroup) -> Self {
        Self { runner, events: Events::with_capacity(EVENTS), next: Next::Nothing, end }
    }

    /// Carries out what was sent before the loop began.
    pub(super) fn begin(&mut self) {
        self.runner.begin();
        self.next = self.end_turn();
    }

    /// Makes turns until the end.
    pub(super) fn run(mut self) -> io::Result<()> {
        let Next::Wait(mut timeout) = mem::replace(&mut self.next, Next::Nothing) else {
            return Ok(());
        };
        // On the stack, where the compiler sees that nothing but the poller changes them: worth a
        // hundredth of a request.
        let mut events = mem::replace(&mut self.events, Events::with_capacity(1));
        loop {
            Self::poll_and_turn(&mut self.runner, &mut events, timeout)?;
            if self.runner.is_done() {
                self.end.armed = false;
                return Ok(());
            }
            timeout = self.runner.end_turn();
        }
    }

    /// Makes one turn: waits until something is ready, at most for `timeout` and for
    /// [`timeout`](Self::timeout), and handles it. `None` waits for the latter alone.
    ///
    /// # Errors
    ///
    /// Fails when the poller does, which ends the loop and the others of its group, as in
    /// [`EventLoop::run`](crate::EventLoop::run).
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here. The loop is over then.
    pub fn turn(&mut self, timeout: Option<Duration>) -> io::Result<Progress> {
        if matches!(self.next, Next::Nothing) {
            return Ok(Progress::Ended);
        }
        let own = self.timeout();
        let timeout = own.map_or(timeout, |own| Some(timeout.map_or(own, |other| own.min(other))));
        self.next = Next::Nothing;
        Self::poll_and_turn(&mut self.runner, &mut self.events, timeout)?;
        self.next = self.end_turn();
        Ok(match self.next {
            Next::Nothing => Progress::Ended,
            Next::Wait(_) if self.events.is_empty() => Progress::Idle,
            Next::Wait(_) => Progress::Worked,
        })
    }

    /// Returns how long the host may wait before it calls [`turn`](Self::turn) even though the
    /// descriptor is not readable; `None` is for ever.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        match (self.next, self.runner.next_deadline) {
            (Next::Wait(Some(wait)), Some(deadline)) if !wait.is_zero() => {
                Some(deadline.saturating_duration_since(clock::now()))
            }
            (Next::Wait(wait), _) => wait,
            (Next::Nothing, _) => Some(Duration::ZERO),
        }
    }

    /// Returns a handle for this loop and its group that any thread can use.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        let state = &self.runner.state;
        LoopHandle::new(Arc::clone(&state.group), state.loop_id)
    }

    #[inline(always)]
    fn poll_and_turn(
        runner: &mut Runner<M, H>,
        events: &mut Events,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        if let Err(error) = runner.state.poller.poll(events, timeout) {
            runner.abort_all();
            return Err(error);
        }
        runner.turn(events);
        Ok(())
    }

    fn end_turn(&mut self) -> Next {
        if self.runner.is_done() {
            // Every loop has been told already, and may have connections that are still finishing.
            self.end.armed = false;
            return Next::Nothing;
        }
        Next::Wait(self.runner.end_turn())
    }
}

/// The descriptor is readable when [`turn`](RunningLoop::turn) has something to do.
impl<M: 'static, H: Handler<M>> AsFd for RunningLoop<H, M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.runner.state.poller.as_fd()
    }
}

/// As `AsFd`, for hosts that ask for this.
impl<M: 'static, H: Handler<M>> AsRawFd for RunningLoop<H, M> {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl<M: 'static, H: Handler<M>> Drop for RunningLoop<H, M> {
    fn drop(&mut self) {
        if matches!(self.next, Next::Wait(_)) && !thread::panicking() {
            self.runner.abort_all();
        }
    }
}

impl<M: 'static, H: Handler<M>> fmt::Debug for RunningLoop<H, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningLoop")
            .field("loop_id", &self.runner.state.loop_id)
            .finish_non_exhaustive()
    }
}

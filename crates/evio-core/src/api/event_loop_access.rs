//! A loop, as a callback sees it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio_sys::clock;

use crate::api::conn::Conn;
use crate::api::detached::Detached;
use crate::api::loop_handle::LoopHandle;
use crate::api::loop_state::LoopState;
use crate::api::message::ShutdownMode;
use crate::api::udp::Udp;
use crate::datagram::bound_udp::BoundUdp;
use crate::table::phase::Phase;
use crate::timer::loop_timer::{TimerId, TooManyTimers};
use crate::types::conn_id::ConnId;
use crate::types::origin::Tag;
use crate::types::thread_bound::ThreadBound;

/// A loop, for the time of a callback that has no connection of its own, or of a task that was
/// [posted](crate::LoopHandle::post) to it: the way to its connections and UDP sockets.
///
/// # Examples
///
/// ```
/// use evio_core::{LoopHandle, SendError};
///
/// /// Closes all connections that come from one address.
/// fn ban(handle: &LoopHandle, banned: std::net::IpAddr) -> Result<(), SendError> {
///     handle.post(move |event_loop| {
///         event_loop.for_each_conn(|mut conn| {
///             let peer = conn.peer_addr().ok().and_then(|peer| peer.as_inet());
///             if peer.is_some_and(|peer| peer.ip() == banned) {
///                 conn.close();
///             }
///         });
///     })
/// }
/// ```
pub struct Loop<'a> {
    state: &'a mut LoopState,
    thread_bound: ThreadBound,
}

impl<'a> Loop<'a> {
    pub(crate) fn new(state: &'a mut LoopState) -> Self {
        Self { state, thread_bound: PhantomData }
    }

    /// Returns a connection of this loop that is open, half-closed or connecting.
    #[must_use]
    pub fn conn(&mut self, id: ConnId) -> Option<Conn<'_>> {
        Self::into_conn(self.state, id)
    }

    pub(crate) fn into_conn(state: &mut LoopState, id: ConnId) -> Option<Conn<'_>> {
        let here = id.loop_id() == usize::from(state.loop_id);
        let is_reachable = |phase: Phase| phase.is_active() || phase.is_connecting();
        let found = here && state.table.get(id.key()).is_some_and(|e| is_reachable(e.phase()));
        found.then(|| Conn::new(state, id.key()))
    }

    /// Calls `visit` with every connection of this loop that is open or half-closed, in no
    /// particular order.
    pub fn for_each_conn(&mut self, mut visit: impl FnMut(Conn<'_>)) {
        for key in self.state.table.keys() {
            if self.state.table.get(key).is_some_and(|entry| entry.phase().is_active()) {
                visit(Conn::new(self.state, key));
            }
        }
    }

    /// Begins to connect to `peer`, and returns the name that the connection has from now on.
    ///
    /// [`Handler::opened`](crate::Handler::opened) is called when the peer has answered, or
    /// [`Handler::connect_failed`](crate::Handler::connect_failed) when that goes wrong or takes
    /// longer than [`Limits::connect_timeout`](crate::Limits), and neither before the present
    /// callback has returned. Until then [`conn`](Self::conn) finds the connection: what is written
    /// to it waits and is sent first, and it can be closed. [`Conn::origin`] gives `tag` back.
    ///
    /// An outbound connection belongs to this loop and is not counted: neither against
    /// `max_connections`, which is there to keep clients from taking all,
    /// nor by [`LoadBalance`](crate::LoadBalance). It starts with
    /// the server's limits.
    ///
    /// Host names are not resolved here, since that would make every connection of the loop wait:
    /// resolve them before the server runs, or on a thread that comes back by
    /// [`LoopHandle::post`].
    ///
    /// # Errors
    ///
    /// Fails when there is no way to the peer from here, when nobody listens on a Unix socket or
    /// too many wait there ([`WouldBlock`](io::ErrorKind::WouldBlock)), when the process is out of
    /// descriptors or the system of ports, and when the server is ending. No callback is made then.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio_core::{Action, Conn};
    ///
    /// /// Asks another server on behalf of this connection, whose id the answer will find.
    /// fn ask(conn: &mut Conn<'_>, peer: std::net::SocketAddr, question: &[u8]) -> Action {
    ///     let id = conn.id();
    ///     let Ok(other) = conn.event_loop().connect(peer, id) else { return Action::Close };
    ///     if let Some(mut other) = conn.sibling(other) {
    ///         other.write(question);
    ///     }
    ///     Action::None
    /// }
    /// ```
    pub fn connect(
        &mut self,
        peer: impl Into<evio_sys::net::SocketAddr>,
        tag: impl Into<Tag>,
    ) -> io::Result<ConnId> {
        self.state.connect(&peer.into(), tag.into())
    }

    /// Makes a connected socket a connection of this loop, and returns its name.
    ///
    /// It takes a `TcpStream`, a `UnixStream`, or a [`Detached`] of this or another loop. Input
    /// that a [`Detached`] holds comes to [`Handler::data`](crate::Handler::data) before anything
    /// from the socket. From then on the connection is as if it had been
    /// [connected](Self::connect) to: [`Handler::opened`](crate::Handler::opened) is called when
    /// the present callback has returned.
    ///
    /// The socket keeps its options, but for these: it is made non-blocking; a TCP socket gets the
    /// `TCP_USER_TIMEOUT` of [`Limits::write_timeout`](crate::Limits) if there is one, its
    /// `SO_LINGER` is turned off unless its time is zero, and nothing is put on its error queue.
    ///
    /// # Errors
    ///
    /// Fails when the socket is not connected, is not a stream socket or cannot be polled, and when
    /// the server is ending. It is closed then, with its input, and no callback is made.
    pub fn adopt(
        &mut self,
        socket: impl Into<Detached>,
        tag: impl Into<Tag>,
    ) -> io::Result<ConnId> {
        self.state.adopt(socket.into(), tag.into())
    }

    /// Returns this loop's UDP socket for the address with this index, if it has one; the first of
    /// them for a host name that stands for several addresses.
    #[must_use]
    pub fn udp(&mut self, address_index: u16) -> Option<Udp<'_>> {
        self.find_udp(|bound| bound.address_index() == address_index)
    }

    /// As [`udp`](Self::udp), but the first of them that can reach `peer` by its family.
    #[must_use]
    pub fn udp_for(&mut self, address_index: u16, peer: SocketAddr) -> Option<Udp<'_>> {
        self.find_udp(|bound| bound.address_index() == address_index && bound.socket().is_for(peer))
    }

    fn find_udp(&mut self, is_meant: impl Fn(&BoundUdp) -> bool) -> Option<Udp<'_>> {
        let slot = self.state.datagrams.find(is_meant)?;
        Some(Udp::new(self.state, slot, None))
    }

    /// Sets a timer of this loop: after `delay`,
    /// [`Handler::loop_timer`](crate::Handler::loop_timer) is called once, with `tag`.
    ///
    /// A loop has many, unlike a connection, and they keep their exact times, as far as the system
    /// does: usually they come within a millisecond or two, and never early. The timer of a
    /// connection ([`Conn::set_timer`]) counts in steps of 16 ms; it costs less, and ends with the
    /// connection. This one goes on when a connection that it was set for has ended, which
    /// [`conn`](Self::conn) then does not find.
    ///
    /// A timer is not called in the turn in which it was set. A delay of more than 100 years may be
    /// taken as 100 years.
    ///
    /// # Errors
    ///
    /// Fails when the loop has as many timers as
    /// [`Config::max_timers`](crate::Config::max_timers) allows.
    ///
    /// # Examples
    ///
    /// A connection that is lost is made again after a second:
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::ops::ControlFlow;
    /// use std::time::Duration;
    /// use evio_core::{Action, CloseReason, Conn, Handler, Loop, LoopTimer, Serving};
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
    /// use evio_core::{LoopHandle, SendError};
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
    pub fn cancel_timer(&mut self, id: TimerId) -> bool {
        self.state.timers.cancel(id)
    }

    /// This moment, not the beginning of the turn: a timer that is set after a long callback must
    /// not come early.
    fn timer_start(&self) -> Instant {
        clock::now().max(self.state.table.clock().now())
    }

    /// Returns the index of this loop.
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.state.loop_id)
    }

    /// Returns the time of the present turn of the loop; see [`Conn::now`].
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state.table.clock().now()
    }

    /// Returns a handle for this loop that any thread can use at any time.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.state.group), self.state.loop_id)
    }

    /// Ends the server, as [`Action::Shutdown`](crate::Action::Shutdown) does.
    pub fn shutdown(&mut self) {
        self.state.group.shutdown(ShutdownMode::Immediate);
    }

    /// Ends the server when its connections have come to an end, or after `timeout`, as
    /// [`LoopHandle::shutdown_gracefully`] does.
    pub fn shutdown_gracefully(&mut self, timeout: Duration) {
        self.state.group.shutdown(ShutdownMode::Graceful(timeout));
    }
}

impl fmt::Debug for Loop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("loop_id", &self.state.loop_id).finish_non_exhaustive()
    }
}

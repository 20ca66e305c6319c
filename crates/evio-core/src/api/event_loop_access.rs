//! A loop, as a callback sees it.

mod dialing;
mod timing;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio_sys::Interest;

use crate::api::conn::Conn;
use crate::api::connect_options::ConnectOptions;
use crate::api::detached::Detached;
use crate::api::loop_handle::LoopHandle;
use crate::api::loop_state::LoopState;
use crate::api::message::ShutdownMode;
use crate::api::udp::Udp;
use crate::datagram::bound_udp::BoundUdp;
use crate::table::phase::Phase;
use crate::types::conn_id::ConnId;
use crate::types::origin::Tag;
use crate::types::thread_bound::ThreadBound;
use crate::types::watch_id::WatchId;

/// A loop, for the time of a callback that has no connection of its own, or of a task that was
/// [posted](crate::LoopHandle::post) to it: the way to its connections and UDP sockets.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{LoopHandle, SendError};
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
///     })?;
///     Ok(())
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
    /// particular order: also with the one whose callback is running.
    ///
    /// # Examples
    ///
    /// See [`Loop`].
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
    /// `max_connections`, which is there to keep clients from taking all, nor by
    /// [`LoadBalance`](crate::LoadBalance). It starts with the server's limits, unless
    /// [others](ConnectOptions::limits) are given.
    ///
    /// One address is tried, and none is resolved; [`dial`](Self::dial) does more.
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
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
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
        self.connect_with(peer, &ConnectOptions::default().tag(tag))
    }

    /// As [`connect`](Self::connect), with a tag and limits of its own.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    ///
    /// # Examples
    ///
    /// See [`ConnectOptions`].
    pub fn connect_with(
        &mut self,
        peer: impl Into<evio_sys::net::SocketAddr>,
        options: &ConnectOptions,
    ) -> io::Result<ConnId> {
        self.state.connect(&peer.into(), options)
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Detached, LoopHandle, SendError};
    ///
    /// /// Gives a socket back to its loop, when a thread has done with it what may block.
    /// fn give_back(event_loop: &LoopHandle, socket: Detached) -> Result<(), SendError> {
    ///     event_loop.post(|event_loop| {
    ///         if let Err(error) = event_loop.adopt(socket, 0) {
    ///             eprintln!("a connection is lost: {error}");
    ///         }
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
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

    /// Watches a descriptor of the program's own, such as a pipe, a timerfd, an inotify or a socket
    /// of another library, and returns its name: [`Handler::ready`](crate::Handler::ready) is
    /// called in each turn in which it is ready for `interest`.
    /// [`Watched::tag`](crate::Watched::tag) gives `tag` back.
    ///
    /// The loop owns the descriptor until [`unwatch`](Self::unwatch), so nobody closes it, and has
    /// the system give its number to another, while it is polled; at the server's end it is closed,
    /// without a callback. To watch what somebody else owns, give the loop a copy
    /// (`as_fd().try_clone_to_owned()`), and end the watch when the owner closes its own. Whether
    /// it blocks is left as it is, for that is shared with all copies. A graceful shutdown does not
    /// wait for it.
    ///
    /// # Errors
    ///
    /// Fails with [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) when the loop watches as many as
    /// [`Config::max_watches`](crate::Config::max_watches) allows, when the descriptor cannot be
    /// polled, such as that of a regular file, and when the server is ending. It is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use std::ops::ControlFlow;
    /// use std::os::unix::net::UnixStream;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, Handler, Interest, Loop, Serving, Tag, Watched};
    ///
    /// /// Ends when it is told so by a socket that is no connection.
    /// struct Told(Option<UnixStream>);
    ///
    /// impl Handler for Told {
    ///     type Context = ();
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
    ///         Action::None
    ///     }
    ///     fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
    ///         let socket = self.0.take().expect("serving is called once");
    ///         match event_loop.watch(socket, Interest::READABLE, Tag::default()) {
    ///             Ok(_) => ControlFlow::Continue(()),
    ///             Err(_) => ControlFlow::Break(()),
    ///         }
    ///     }
    ///     fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
    ///         let mut word = [0; 16];
    ///         match watched.read(&mut word) {
    ///             Ok(len) if word[..len] == *b"go on" => ControlFlow::Continue(()),
    ///             _ => ControlFlow::Break(()),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn watch(
        &mut self,
        descriptor: impl Into<OwnedFd>,
        interest: Interest,
        tag: impl Into<Tag>,
    ) -> io::Result<WatchId> {
        let fd = descriptor.into();
        self.state.check_running()?;
        let number = self.state.watches.add(fd, interest, tag.into(), &self.state.poller)?;
        Ok(WatchId::new(self.state.loop_id, number))
    }

    /// Changes what a descriptor is watched for. With [`Interest::HANGUP`] it is silent but for the
    /// end of a connection.
    ///
    /// # Errors
    ///
    /// Fails with [`NotFound`](io::ErrorKind::NotFound) when this loop does not watch it, and when
    /// the system refuses the interest; then it may be reported no more, and is to be given back.
    pub fn rewatch(&mut self, id: WatchId, interest: Interest) -> io::Result<()> {
        let number = self.watch_number(id).ok_or(io::ErrorKind::NotFound)?;
        self.state.watches.rearm(number, interest, &self.state.poller)
    }

    /// Ends watching a descriptor and gives it back, unless that has been done already. What was
    /// reported in this turn and not been told yet is not told.
    ///
    /// # Examples
    ///
    /// See [`WatchId`].
    pub fn unwatch(&mut self, id: WatchId) -> Option<OwnedFd> {
        self.state.watches.remove(self.watch_number(id)?, &self.state.poller)
    }

    /// Returns a descriptor that this loop watches.
    #[must_use]
    pub fn watched(&self, id: WatchId) -> Option<BorrowedFd<'_>> {
        Some(self.state.watches.get(self.watch_number(id)?)?.fd().as_fd())
    }

    fn watch_number(&self, id: WatchId) -> Option<u64> {
        (id.loop_id() == self.loop_id()).then(|| id.number())
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

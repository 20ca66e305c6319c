//! A loop, as a callback sees it.

mod dialing;
mod timing;
mod watching;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// A loop, for the time of a callback that has no connection of its own, or of a task that was
/// [posted](crate::LoopHandle::post) to it: the way to its connections, UDP sockets, timers, dials
/// and watched descriptors.
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, Loop};
    ///
    /// /// What a server does in `message` with news that are for one client.
    /// fn tell(event_loop: &mut Loop<'_>, client: ConnId, news: &str) {
    ///     // A client that has gone, or is on another loop, is not found.
    ///     if let Some(mut client) = event_loop.conn(client) {
    ///         client.write(news.as_bytes());
    ///     }
    /// }
    /// ```
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
    /// descriptors or the system of ports, and when the server is ending; gracefully, that is when
    /// no connection is left that has come in. No callback is made then.
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::ops::ControlFlow;
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::Loop;
    ///
    /// /// The `tick` callback of a server that tells others of the same kind that it is there. The
    /// /// first of its addresses is one of UDP.
    /// fn tick(event_loop: &mut Loop<'_>, others: &[SocketAddr]) -> ControlFlow<(), Duration> {
    ///     if let Some(socket) = event_loop.udp(0) {
    ///         println!("{:?} is alive", socket.local_addr());
    ///     }
    ///     for &other in others {
    ///         // `localhost:5000` can stand for two sockets, one for each kind of address.
    ///         if let Some(mut socket) = event_loop.udp_for(0, other) {
    ///             socket.send_to(b"alive", other);
    ///         }
    ///     }
    ///     ControlFlow::Continue(Duration::from_secs(1))
    /// }
    /// ```
    #[must_use]
    pub fn udp(&mut self, address_index: u16) -> Option<Udp<'_>> {
        self.find_udp(|bound| bound.address_index() == address_index)
    }

    /// As [`udp`](Self::udp), but the first of them that can reach `peer` by its family.
    ///
    /// # Examples
    ///
    /// See [`udp`](Self::udp).
    #[must_use]
    pub fn udp_for(&mut self, address_index: u16, peer: SocketAddr) -> Option<Udp<'_>> {
        self.find_udp(|bound| bound.address_index() == address_index && bound.socket().is_for(peer))
    }

    fn find_udp(&mut self, is_meant: impl Fn(&BoundUdp) -> bool) -> Option<Udp<'_>> {
        let slot = self.state.datagrams.find(is_meant)?;
        Some(Udp::new(self.state, slot, None))
    }

    /// Returns the index of this loop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Loop;
    ///
    /// /// Begins each line of the log with the loop that it is from.
    /// fn log(event_loop: &Loop<'_>, line: &str) {
    ///     eprintln!("[loop {}] {line}", event_loop.loop_id());
    /// }
    /// ```
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.state.loop_id)
    }

    /// Returns the time of the present turn of the loop; see [`Conn::now`].
    ///
    /// # Examples
    ///
    /// See [`LoopTimer::due`](crate::LoopTimer::due).
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state.table.clock().now()
    }

    /// Returns a handle for this loop that any thread can use at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// # use evio_core as evio;
    /// use evio::{Loop, Serving};
    ///
    /// /// The `serving` callback of a server that ends when a line has been typed.
    /// fn serving(event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
    ///     let handle = event_loop.handle();
    ///     std::thread::spawn(move || {
    ///         let _ = std::io::stdin().read_line(&mut String::new());
    ///         handle.shutdown();
    ///     });
    ///     ControlFlow::Continue(())
    /// }
    /// ```
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.state.group), self.state.loop_id)
    }

    /// Ends the server, as [`Action::Shutdown`](crate::Action::Shutdown) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::Loop;
    ///
    /// /// Ends the server: at once, or when its clients have finished, in half a minute at most.
    /// fn end(event_loop: &mut Loop<'_>, at_once: bool) {
    ///     if at_once {
    ///         event_loop.shutdown();
    ///     } else {
    ///         event_loop.shutdown_gracefully(Duration::from_secs(30));
    ///     }
    /// }
    /// ```
    pub fn shutdown(&mut self) {
        self.state.group.shutdown(ShutdownMode::Immediate);
    }

    /// Ends the server when its connections have come to an end, or after `timeout`, as
    /// [`LoopHandle::shutdown_gracefully`] does.
    ///
    /// # Examples
    ///
    /// See [`shutdown`](Self::shutdown).
    pub fn shutdown_gracefully(&mut self, timeout: Duration) {
        self.state.group.shutdown(ShutdownMode::Graceful(timeout));
    }
}

impl fmt::Debug for Loop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("loop_id", &self.state.loop_id).finish_non_exhaustive()
    }
}

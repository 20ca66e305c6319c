//! A connection, as a callback sees it.

mod ending;
mod handles;
mod output;
mod pausing;
mod timing;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use evio_sys::net::{Keepalive, SocketAddr};

use crate::api::event_loop_access::Loop;
use crate::api::loop_state::LoopState;
use crate::table::entry::Entry;
use crate::types::conn_id::{ConnId, ConnKey};
use crate::types::origin::Origin;
use crate::types::thread_bound::ThreadBound;

/// A connection, for the time of a callback.
///
/// Output is only ever appended: it is sent in order, when the turn of the loop ends, and what the
/// socket does not take at once stays queued. Once an ending has been asked for, further output is
/// ignored.
///
/// [`io::Write`] is implemented for use with `write!`; it never fails.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// # use evio_core as evio;
/// use evio::{Action, Conn};
///
/// fn greet(conn: &mut Conn<'_>) -> Action {
///     conn.write(b"welcome, ");
///     match conn.peer_addr() {
///         Ok(peer) => writeln!(conn, "{peer}").expect("writing to a connection never fails"),
///         Err(_) => return Action::Close,
///     }
///     Action::None
/// }
/// ```
pub struct Conn<'a> {
    state: &'a mut LoopState,
    key: ConnKey,
    thread_bound: ThreadBound,
}

impl<'a> Conn<'a> {
    /// `key` must be in the table, and stays there as long as the result lives.
    pub(crate) fn new(state: &'a mut LoopState, key: ConnKey) -> Self {
        Self { state, key, thread_bound: PhantomData }
    }

    fn entry(&self) -> &Entry {
        self.state.table.get(self.key).expect("a Conn lives shorter than its entry")
    }

    /// Returns the name of this connection.
    ///
    /// # Examples
    ///
    /// See [`ConnMap`](crate::ConnMap) and [`Loop::connect`].
    #[must_use]
    pub fn id(&self) -> ConnId {
        ConnId::new(self.state.loop_id, self.key)
    }

    /// Returns how this connection came to be.
    ///
    /// # Examples
    ///
    /// See [`Origin`].
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.entry().origin()
    }

    /// Returns the index of the address this connection came in by, in the order in which the
    /// server was given them; none for a connection that the program asked for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// The `opened` callback of a server whose second address is for those who look after it.
    /// fn opened(conn: &mut Conn<'_>) -> Action {
    ///     match conn.address_index() {
    ///         Some(1) => conn.write(b"welcome, administrator\n"),
    ///         _ => conn.write(b"welcome\n"),
    ///     }
    ///     Action::None
    /// }
    /// ```
    #[must_use]
    pub fn address_index(&self) -> Option<u16> {
        self.entry().address_index()
    }

    /// Returns the address of this end: for a wildcard listener, the one the peer connected to.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// Says which way a client has come, for the log.
    /// fn describe(conn: &Conn<'_>) -> std::io::Result<String> {
    ///     Ok(format!("{}: {} -> {}", conn.id(), conn.peer_addr()?, conn.local_addr()?))
    /// }
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.entry().stream().local_addr()
    }

    /// Returns the address of the peer, also after the connection failed.
    ///
    /// # Errors
    ///
    /// Fails for a Unix socket that is no longer connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let entry = self.entry();
        entry.peer().map_or_else(|| entry.stream().peer_addr(), |peer| Ok(SocketAddr::Inet(peer)))
    }

    /// Returns a connection of the same loop that is connecting, open or half-closed, to be written
    /// to, paused or closed from this callback: without a lock, a message or a copy. The id of this
    /// connection finds the connection itself.
    ///
    /// # Examples
    ///
    /// See [`ConnMap`](crate::ConnMap).
    #[must_use]
    pub fn sibling(&mut self, id: ConnId) -> Option<Conn<'_>> {
        Loop::into_conn(self.state, id)
    }

    /// Returns the time of the present turn of the loop: that of its beginning, or of when it was
    /// first needed in it.
    ///
    /// For what is looked at often and need not be exact, such as whether the second has changed:
    /// it costs nothing to ask again, and is as old as the callbacks of the turn have taken since.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// Counts the requests of the present second, and tells whether there are too many of them.
    /// fn is_too_much(conn: &Conn<'_>, second: &mut (Instant, u32)) -> bool {
    ///     if conn.now() >= second.0 + Duration::from_secs(1) {
    ///         *second = (conn.now(), 0);
    ///     }
    ///     second.1 += 1;
    ///     second.1 > 1000
    /// }
    /// ```
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state.table.clock().now()
    }

    /// Returns the loop of this connection, the way to all else that the loop has: other
    /// connections, UDP sockets, timers, dials and watched descriptors.
    ///
    /// # Examples
    ///
    /// See [`Loop::connect`] and [`WatchId`](crate::WatchId).
    #[must_use]
    pub fn event_loop(&mut self) -> Loop<'_> {
        Loop::new(self.state)
    }

    /// Asks a silent peer whether it is still there; nothing happens for a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the connection has failed already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, Keepalive};
    ///
    /// /// The `opened` callback of a server whose clients are silent for hours.
    /// fn opened(conn: &mut Conn<'_>) -> Action {
    ///     let keepalive = Keepalive { idle: Duration::from_secs(600), ..Keepalive::default() };
    ///     match conn.set_nodelay(true).and_then(|()| conn.set_keepalive(&keepalive)) {
    ///         Ok(()) => Action::None,
    ///         Err(_) => Action::Close,
    ///     }
    /// }
    /// ```
    pub fn set_keepalive(&mut self, keepalive: &Keepalive) -> io::Result<()> {
        self.entry().stream().set_keepalive(keepalive)
    }

    /// Sends small segments at once, or not. It is on unless the listener said otherwise.
    ///
    /// # Errors
    ///
    /// Fails when the connection has failed already.
    ///
    /// # Examples
    ///
    /// See [`set_keepalive`](Self::set_keepalive).
    pub fn set_nodelay(&mut self, nodelay: bool) -> io::Result<()> {
        self.entry().stream().set_nodelay(nodelay)
    }
}

impl io::Write for Conn<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Conn::write(self, bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Conn::write(self, bytes);
        Ok(())
    }

    /// Does nothing: output is sent when the turn ends.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Conn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conn")
            .field("id", &self.id())
            .field("peer", &self.entry().peer())
            .field("output_len", &self.output_len())
            .finish_non_exhaustive()
    }
}

/// The socket, for options that this crate does not know. It must stay non-blocking; bytes that a
/// program reads from it or writes to it itself are missing from the loop's input or come before
/// the loop's queued output.
impl AsFd for Conn<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.entry().stream().as_fd()
    }
}

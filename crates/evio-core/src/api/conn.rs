//! A connection, as a callback sees it.

mod handles;
mod pausing;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio_sys::net::{Keepalive, SocketAddr};

use crate::api::event_loop_access::Loop;
use crate::api::loop_state::LoopState;
use crate::table::entry::Entry;
use crate::types::action::CloseReason;
use crate::types::conn_id::{ConnId, ConnKey};
use crate::types::limits::Limits;
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
    #[must_use]
    pub fn id(&self) -> ConnId {
        ConnId::new(self.state.loop_id, self.key)
    }

    /// Returns how this connection came to be.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.entry().origin()
    }

    /// Returns the index of the address this connection came in by, in the order in which the
    /// server was given them; none for a connection that the program asked for.
    #[must_use]
    pub fn address_index(&self) -> Option<u16> {
        self.entry().address_index()
    }

    /// Returns the address of this end: for a wildcard listener, the one the peer connected to.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
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

    /// Appends to the output.
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        self.state.table.write(self.key, bytes, &mut self.state.outgoing);
    }

    /// Appends to the output, without a copy unless it is short.
    pub fn write_owned(&mut self, bytes: Vec<u8>) {
        self.state.table.push(self.key, bytes.into(), &mut self.state.outgoing);
    }

    /// Appends bytes that many connections share to the output, without a copy.
    pub fn write_shared(&mut self, bytes: Arc<[u8]>) {
        self.state.table.push(self.key, bytes.into(), &mut self.state.outgoing);
    }

    /// Appends bytes that live as long as the program to the output, without a copy.
    pub fn write_static(&mut self, bytes: &'static [u8]) {
        self.state.table.push(self.key, bytes.into(), &mut self.state.outgoing);
    }

    /// Sends at once, straight from `bytes`, as much as the socket takes, and appends the rest.
    ///
    /// Worth it for large output, which it saves a copy. It costs a system call of its own, does
    /// not wait for [`Handler::pre_write`](crate::Handler::pre_write), and appends like
    /// [`write`](Self::write) when earlier output is still waiting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// Sends what is too long to be copied without need.
    /// fn send_snapshot(conn: &mut Conn<'_>, snapshot: &[u8]) {
    ///     // `write` keeps the length until the turn ends, and the snapshot would wait for it.
    ///     conn.write_now(format!("{}\n", snapshot.len()).as_bytes());
    ///     conn.write_now(snapshot);
    /// }
    /// ```
    #[inline]
    pub fn write_now(&mut self, bytes: &[u8]) {
        let sent = self.state.table.send_now(self.key, bytes);
        if sent < bytes.len() {
            self.write(&bytes[sent..]);
        }
    }

    /// Returns how many bytes wait to be sent: none in [`Handler::closed`](crate::Handler::closed),
    /// since what could not be sent is lost by then.
    #[must_use]
    pub fn output_len(&self) -> usize {
        self.entry().output_len()
    }

    /// Returns how many bytes have left for the socket and were not taken by the peer yet: for TCP
    /// those that are not acknowledged, for a Unix socket those that it has not read, with what the
    /// kernel needs to keep them. With [`output_len`](Self::output_len) that is all that is on its
    /// way. Each call is one system call.
    ///
    /// # Errors
    ///
    /// Fails with [`Unsupported`](io::ErrorKind::Unsupported) where the system does not tell, and
    /// when the system call does.
    ///
    /// # Platform notes
    ///
    /// Linux tells for both, FreeBSD, NetBSD and macOS for TCP, OpenBSD and DragonFly for neither.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// A peer that is slow is not idle.
    /// fn is_idle(conn: &Conn<'_>) -> bool {
    ///     conn.output_len() == 0 && conn.untaken_len().is_ok_and(|len| len == 0)
    /// }
    /// ```
    pub fn untaken_len(&self) -> io::Result<usize> {
        self.entry().stream().output_len()
    }

    /// Returns whether more output is waiting than the high watermark allows, and from then on
    /// until it is down to the low one.
    ///
    /// The connection is not read from meanwhile. A callback that still has much to write should
    /// stop, and go on in [`Handler::drained`](crate::Handler::drained).
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.entry().is_congested()
    }

    /// Returns how many bytes of output make the connection [congested](Self::is_congested): none
    /// when it is, nor when it [takes no output](Self::takes_output) any more.
    ///
    /// A handler that writes until there is no room left is called again, by
    /// [`Handler::drained`](crate::Handler::drained), unless the connection is ending or
    /// `max_output` is not above the high watermark.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// Writes as many of the replies as there is room for, and leaves the others for `drained`.
    /// fn reply(conn: &mut Conn<'_>, replies: &mut Vec<Vec<u8>>) {
    ///     while conn.output_room() > 0 {
    ///         let Some(reply) = replies.pop() else { return };
    ///         conn.write_owned(reply);
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn output_room(&self) -> usize {
        self.state.table.output_room(self.key)
    }

    /// Lets input come while [too much output](Self::is_congested) waits, or not, as at first.
    ///
    /// For what passes input on: if each side of a relay waited for its own output, a peer that
    /// writes before it reads would stop both. Such a handler pauses the other side instead.
    pub fn read_while_congested(&mut self, reads: bool) {
        self.state.table.set_reads_while_congested(self.key, reads);
    }

    /// Gives back input that the handler has not used. After
    /// [`Action::Detach`](crate::Action::Detach), [`Detached`](crate::Detached) returns it before
    /// anything that the socket receives; without a detach, it is dropped.
    ///
    /// # Examples
    ///
    /// See [`Detached`](crate::Detached).
    pub fn put_back(&mut self, input: &[u8]) {
        self.state.table.put_back(self.key, input);
    }

    /// Ends the input: nothing more is read, not even the end of the peer's output, of which
    /// `peer_closed` would tell. With [`shutdown_write`](Self::shutdown_write) besides, the
    /// connection closes, as if the peer had.
    ///
    /// For a peer that has announced its last message, such as an HTTP request with
    /// `Connection: close`. A close then has no end of the peer's to wait for, which saves two
    /// system calls. A peer that sends more all the same is reset, and may lose what it has not
    /// read.
    pub fn shutdown_read(&mut self) {
        self.state.table.end_input(self.key);
    }

    /// Ends the output: when what was written has been sent, the peer finds the end of its input.
    /// Input goes on, with `data` and `peer_closed`, and further output is ignored. When the peer
    /// ends its output too, the connection closes, whatever `peer_closed` returns.
    pub fn shutdown_write(&mut self) {
        self.state.table.half_close(self.key);
    }

    /// Closes the connection, as [`Action::Close`](crate::Action::Close) does; one that is still
    /// connecting is given up, with what was written to it.
    pub fn close(&mut self) {
        self.state.table.close(self.key, CloseReason::Closed);
    }

    /// Ends the connection without sending what is left; the peer sees a reset.
    pub fn abort(&mut self) {
        self.state.table.end(self.key, CloseReason::Aborted, true);
    }

    /// Returns whether output is still taken: while the connection is connecting or open, and
    /// neither [`shutdown_write`](Self::shutdown_write) nor an ending or a detach has been asked
    /// for.
    #[must_use]
    pub fn takes_output(&self) -> bool {
        self.entry().takes_output()
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
    #[must_use]
    pub fn now(&self) -> Instant {
        self.state.table.clock().now()
    }

    /// Returns the loop of this connection, the way to its UDP sockets and its other connections.
    #[must_use]
    pub fn event_loop(&mut self) -> Loop<'_> {
        Loop::new(self.state)
    }

    /// Gives the connection limits of its own, which take effect in this turn: output above the new
    /// `max_output` ends the connection, and congestion begins or is over. Timeouts that are under
    /// way count from when they began, and those that there were none of count from now.
    pub fn set_limits(&mut self, limits: Limits) {
        self.state.table.set_limits(self.key, limits);
    }

    /// Closes the connection with [`Timeout::Read`](crate::Timeout::Read) after `timeout`, unless
    /// it is set again, or to `None`, before.
    ///
    /// A handler sets it when a message begins and clears it when that is whole; unlike the idle
    /// timeout, it does not let a peer go on by a byte now and then.
    ///
    /// # Examples
    ///
    /// See [`Timeout`](crate::Timeout).
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.state.table.set_read_timeout(self.key, timeout);
    }

    /// Sets the connection's timer: [`Handler::timer`](crate::Handler::timer) is called once after
    /// `delay`. A connection has one: setting it again replaces it, and `None` stops it.
    ///
    /// It never comes early, and counts in steps of 16 ms: a delay of 1 ms ends after 32 to 48 ms.
    pub fn set_timer(&mut self, delay: Option<Duration>) {
        self.state.table.set_timer(self.key, delay);
    }

    /// Asks a silent peer whether it is still there; nothing happens for a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the connection has failed already.
    pub fn set_keepalive(&mut self, keepalive: &Keepalive) -> io::Result<()> {
        self.entry().stream().set_keepalive(keepalive)
    }

    /// Sends small segments at once, or not. It is on unless the listener said otherwise.
    ///
    /// # Errors
    ///
    /// Fails when the connection has failed already.
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

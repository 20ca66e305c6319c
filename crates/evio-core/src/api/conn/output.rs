//! What a connection is to send, and how much of it waits.

use std::io;
use std::sync::Arc;

use crate::api::conn::Conn;

/// Output.
impl Conn<'_> {
    /// Appends to the output.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// The `data` callback of an echo server.
    /// fn data(conn: &mut Conn<'_>, input: &[u8]) -> Action {
    ///     conn.write(input);
    ///     Action::None
    /// }
    /// ```
    #[inline]
    pub fn write(&mut self, bytes: &[u8]) {
        self.state.table.write(self.key, bytes, &mut self.state.outgoing);
    }

    /// Appends to the output, without a copy unless it is short.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// Sends a file, whose bytes nobody needs afterwards.
    /// fn send_file(conn: &mut Conn<'_>, path: &str) -> std::io::Result<()> {
    ///     conn.write_owned(std::fs::read(path)?);
    ///     Ok(())
    /// }
    /// ```
    pub fn write_owned(&mut self, bytes: Vec<u8>) {
        self.state.table.push(self.key, bytes.into(), &mut self.state.outgoing);
    }

    /// Appends bytes that many connections share to the output, without a copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::sync::Arc;
    /// # use evio_core as evio;
    /// use evio::Conn;
    ///
    /// /// Sends a page that the handler keeps, to any number of clients at the same time.
    /// fn send_page(conn: &mut Conn<'_>, page: &Arc<[u8]>) {
    ///     conn.write_static(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n");
    ///     let _ = write!(conn, "Content-Length: {}\r\n\r\n", page.len());
    ///     conn.write_shared(Arc::clone(page));
    /// }
    /// ```
    pub fn write_shared(&mut self, bytes: Arc<[u8]>) {
        self.state.table.push(self.key, bytes.into(), &mut self.state.outgoing);
    }

    /// Appends bytes that live as long as the program to the output, without a copy.
    ///
    /// # Examples
    ///
    /// See [`write_shared`](Self::write_shared).
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
        self.state.table.write_now(self.key, bytes, &mut self.state.outgoing);
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
    ///
    /// # Examples
    ///
    /// See [`pause_reading`](Self::pause_reading); [`Handler`](crate::Handler) shows a server that
    /// goes on in `drained`.
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
    ///
    /// # Examples
    ///
    /// See [`pause_reading`](Self::pause_reading).
    pub fn read_while_congested(&mut self, reads: bool) {
        self.state.table.set_reads_while_congested(self.key, reads);
    }

    /// Returns whether output is still taken: while the connection is connecting or open, and
    /// neither [`shutdown_write`](Self::shutdown_write) nor an ending or a detach has been asked
    /// for.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::Loop;
    ///
    /// /// Sends what it has measured, and measures only if somebody gets it.
    /// fn publish(event_loop: &mut Loop<'_>, measure: impl Fn() -> String) {
    ///     event_loop.for_each_conn(|mut conn| {
    ///         if conn.takes_output() {
    ///             conn.write(measure().as_bytes());
    ///         }
    ///     });
    /// }
    /// ```
    #[must_use]
    pub fn takes_output(&self) -> bool {
        self.entry().takes_output()
    }
}

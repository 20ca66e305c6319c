//! How a connection comes to its end.

use crate::api::conn::Conn;
use crate::types::action::CloseReason;

/// Endings, of a direction or of both.
impl Conn<'_> {
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// Answers the request of a client that has announced no other.
    /// fn answer_last(conn: &mut Conn<'_>, answer: &[u8]) -> Action {
    ///     conn.write(answer);
    ///     conn.shutdown_read();
    ///     Action::Close
    /// }
    /// ```
    pub fn shutdown_read(&mut self) {
        self.state.table.end_input(self.key);
    }

    /// Ends the output: when what was written has been sent, the peer finds the end of its input.
    /// Input goes on, with `data` and `peer_closed`, and further output is ignored. When the peer
    /// ends its output too, the connection closes, whatever `peer_closed` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// The `opened` callback of a client whose server waits for the end of the question. Its
    /// /// answer comes to `data`.
    /// fn opened(conn: &mut Conn<'_>, question: &[u8]) -> Action {
    ///     conn.write(question);
    ///     conn.shutdown_write();
    ///     Action::None
    /// }
    /// ```
    pub fn shutdown_write(&mut self) {
        self.state.table.half_close(self.key);
    }

    /// Closes the connection, as [`Action::Close`](crate::Action::Close) does; one that is still
    /// connecting is given up, with what was written to it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Conn, ConnId};
    ///
    /// /// Ends the other connections of a user who has logged in anew, or has been locked out.
    /// fn end_others(conn: &mut Conn<'_>, others: &[ConnId], is_locked_out: bool) {
    ///     for &other in others {
    ///         match conn.sibling(other) {
    ///             // What waits to be sent is not for somebody who is locked out.
    ///             Some(mut other) if is_locked_out => other.abort(),
    ///             Some(mut other) => {
    ///                 other.write(b"logged in elsewhere\n");
    ///                 other.close();
    ///             }
    ///             None => {}
    ///         }
    ///     }
    /// }
    /// ```
    pub fn close(&mut self) {
        self.state.table.close(self.key, CloseReason::Closed);
    }

    /// Ends the connection without sending what is left; the peer sees a reset.
    ///
    /// # Examples
    ///
    /// See [`close`](Self::close).
    pub fn abort(&mut self) {
        self.state.table.end(self.key, CloseReason::Aborted, true);
    }
}

//! The callbacks for what comes to an end.

use std::ops::ControlFlow;

use evio_core::{Action, CloseReason, Conn, ConnId, Detached, Loop};

use super::Events;

impl<'a, C, M> Events<'a, C, M> {
    /// Sets [`Handler::peer_closed`](crate::Handler::peer_closed).
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Action, Events};
    ///
    /// // Sends back what a client has sent, when it has sent all of it: `echo hello | nc -N`.
    /// let events = Events::with_context(|_| Vec::new())
    ///     .data(|_, all: &mut Vec<u8>, input| {
    ///         all.extend(input);
    ///         if all.len() > 1 << 20 { Action::Close } else { Action::None }
    ///     })
    ///     .peer_closed(|conn, all| {
    ///         conn.write(all);
    ///         Action::Close
    ///     });
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn peer_closed(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a,
    ) -> Self {
        self.peer_closed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::unanswered`](crate::Handler::unanswered).
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Action, Events};
    ///
    /// /// It may panic, and then drops the reply.
    /// fn answer(question: &[u8]) -> String {
    ///     format!("{}\n", String::from_utf8_lossy(question).trim().len())
    /// }
    ///
    /// let events = Events::new()
    ///     .data(|conn, _, input| {
    ///         let (reply, question) = (conn.reply(), input.to_vec());
    ///         std::thread::spawn(move || reply.send(answer(&question)));
    ///         Action::None
    ///     })
    ///     .unanswered(|conn, _| {
    ///         conn.write(b"that went wrong\n");
    ///         Action::None
    ///     });
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn unanswered(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a,
    ) -> Self {
        self.unanswered = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::stopping`](crate::Handler::stopping).
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Action, Events};
    ///
    /// let events = Events::new().stopping(|conn, _| {
    ///     conn.write(b"goodbye\n");
    ///     Action::Close
    /// });
    /// # drop(events);
    /// ```
    ///
    /// [`ServerHandle::shutdown_gracefully`](crate::ServerHandle::shutdown_gracefully) shows one
    /// that waits for work.
    #[must_use]
    pub fn stopping(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.stopping = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::closed`](crate::Handler::closed).
    ///
    /// # Examples
    ///
    /// See [`Events`].
    #[must_use]
    pub fn closed(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, C, CloseReason) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.closed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::detached`](crate::Handler::detached).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::ops::ControlFlow;
    /// use evio::{Action, Events};
    ///
    /// // Says goodbye on a thread, which may wait for the client.
    /// let events = Events::new().data(|_, _, _| Action::Detach).detached(|_, id, _, mut socket| {
    ///     std::thread::spawn(move || writeln!(socket, "goodbye, {id}"));
    ///     ControlFlow::Continue(())
    /// });
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn detached(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, ConnId, C, Detached) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.detached = Some(Box::new(callback));
        self
    }
}

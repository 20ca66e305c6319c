//! What a callback takes along for other threads.

use std::sync::Arc;

use super::Conn;
use crate::api::conn_handle::ConnHandle;
use crate::api::loop_handle::LoopHandle;
use crate::api::message::{Command, ConnCommand};
use crate::api::reply::Reply;

impl Conn<'_> {
    /// Returns a handle for the loop of this connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// /// The `data` callback of a server that a client can end; the others have time to finish.
    /// fn data(conn: &mut Conn<'_>, input: &[u8]) -> Action {
    ///     if input == b"shut down\n" {
    ///         conn.loop_handle().shutdown_gracefully(Duration::from_secs(30));
    ///     }
    ///     Action::None
    /// }
    /// ```
    #[must_use]
    pub fn loop_handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.state.group), self.state.loop_id)
    }

    /// Returns a handle for this connection that any thread can use at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::thread;
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, ConnState};
    ///
    /// /// The `opened` callback of a server that tells each client the time, by a thread.
    /// fn opened(conn: &mut Conn<'_>, now: fn() -> String) -> Action {
    ///     let client = conn.handle();
    ///     thread::spawn(move || {
    ///         while client.state() != Some(ConnState::Ended) {
    ///             // Without room for this one, there will be some for the next.
    ///             let _ = client.send(now());
    ///             thread::sleep(Duration::from_secs(1));
    ///         }
    ///     });
    ///     Action::None
    /// }
    /// ```
    #[must_use]
    pub fn handle(&self) -> ConnHandle {
        let status = self.state.table.status(self.key).map(Arc::clone);
        ConnHandle::new(Arc::clone(self.state.group.mailbox(self.state.loop_id)), self.id(), status)
    }

    /// Asks the loop to call [`Handler::woken`](crate::Handler::woken) for this connection, after
    /// the present callback and at the latest in the next turn: once for any number of calls.
    /// Unlike [`ConnHandle::wake`] it finds room however full the mailbox is. Nothing happens when
    /// the connection is ending, or still connecting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, ConnId};
    ///
    /// /// Lets another connection go on with the input that it has left.
    /// fn let_go(conn: &mut Conn<'_>, waiting: ConnId) -> Action {
    ///     if let Some(mut waiting) = conn.sibling(waiting) {
    ///         waiting.wake();
    ///     }
    ///     Action::None
    /// }
    /// ```
    pub fn wake(&mut self) {
        if self.state.table.begin_wake(self.key) {
            let command = Command::Conn(self.key, ConnCommand::WakeHere);
            // A loop that has ended wakes nobody.
            let _ = self.state.group.mailbox(self.state.loop_id).push_unbounded(command);
        }
    }

    /// Returns a reply that this connection's peer is owed from now on: for another thread to give
    /// when it has the answer.
    ///
    /// A peer that ends its output after its question, as `nc -N` does, is kept until it has its
    /// replies, and so are the connections of a server that is [ending
    /// gracefully](crate::Handler::stopping): at the latest until
    /// [`Limits::reply_timeout`](crate::Limits::reply_timeout) has passed. A reply that is dropped
    /// without an answer is told to [`Handler::unanswered`](crate::Handler::unanswered).
    ///
    /// With as many owed as [`Limits::max_owed_replies`](crate::Limits::max_owed_replies) the
    /// connection is [paused](Conn::is_paused) until half of them are given.
    ///
    /// Replies are sent in the order in which they are given, whatever the order of the questions,
    /// and what a callback writes meanwhile comes before them. For answers in the order of the
    /// questions, set `max_owed_replies` to 1, take the next question out of the input while the
    /// connection is not paused, and go on in [`Handler::woken`](crate::Handler::woken).
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, Handler};
    ///
    /// /// Answers from a thread of its own.
    /// struct Slow;
    ///
    /// impl Handler for Slow {
    ///     type Context = ();
    ///
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///
    ///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
    ///         let (reply, question) = (conn.reply(), input.to_vec());
    ///         std::thread::spawn(move || reply.send(answer(&question)));
    ///         Action::None
    ///     }
    ///
    ///     fn unanswered(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
    ///         conn.write(b"that was too much\n");
    ///         Action::None
    ///     }
    /// }
    ///
    /// /// It panics for input that is no number, which drops the reply.
    /// fn answer(question: &[u8]) -> String {
    ///     let number: u64 = String::from_utf8_lossy(question).trim().parse().expect("a number");
    ///     format!("{number} is {}\n", if number % 2 == 0 { "even" } else { "odd" })
    /// }
    /// ```
    pub fn reply(&mut self) -> Reply {
        self.state.table.owe_reply(self.key);
        Reply::new(self.handle())
    }
}

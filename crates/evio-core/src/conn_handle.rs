//! A connection, as other threads see it.

use std::fmt;
use std::sync::Arc;

use crate::conn_id::ConnId;
use crate::mailbox::{ConnCommand, MailboxSender, Message, SendError};

/// A connection, for any thread and for any length of time.
///
/// Each method leaves a message for the connection's loop and returns. Messages of one thread are
/// carried out in order. A connection that has ended meanwhile ignores them, also when its place in
/// the loop has been taken by another one.
///
/// # Examples
///
/// ```
/// use evio_core::{Action, Conn, ConnHandle, Handler};
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
///         let (handle, question): (ConnHandle, Vec<u8>) = (conn.handle(), input.to_vec());
///         std::thread::spawn(move || handle.send(question));
///         Action::None
///     }
/// }
/// ```
#[derive(Clone)]
pub struct ConnHandle {
    mailbox: Arc<MailboxSender>,
    id: ConnId,
}

impl ConnHandle {
    pub(crate) fn new(mailbox: Arc<MailboxSender>, id: ConnId) -> Self {
        Self { mailbox, id }
    }

    /// Returns the name of the connection.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Has [`Handler::woken`](crate::Handler::woken) called after this, at least once; several
    /// calls may merge. An outbound connection that is still connecting is not woken.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn wake(&self) -> Result<(), SendError> {
        self.leave(ConnCommand::Wake)
    }

    /// Appends `bytes` to the connection's output.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing of `bytes` will be sent then.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.leave(ConnCommand::Send(bytes.into()))
    }

    /// Appends bytes that many connections share to the connection's output.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing of `bytes` will be sent then.
    pub fn send_shared(&self, bytes: Arc<[u8]>) -> Result<(), SendError> {
        self.leave(ConnCommand::SendShared(bytes))
    }

    /// Stops the connection's input, as [`Conn::pause_reading`](crate::Conn::pause_reading) does.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn pause_reading(&self) -> Result<(), SendError> {
        self.leave(ConnCommand::Pause)
    }

    /// Lets input come again.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn resume_reading(&self) -> Result<(), SendError> {
        self.leave(ConnCommand::Resume)
    }

    /// Closes the connection once what was written to it has been delivered.
    ///
    /// # Errors
    ///
    /// Fails only when the server has ended: an ending is taken even when the mailbox is full.
    pub fn close(&self) -> Result<(), SendError> {
        self.end(ConnCommand::Close)
    }

    /// Ends the connection without sending what is left; the peer sees a reset.
    ///
    /// # Errors
    ///
    /// Fails only when the server has ended: an ending is taken even when the mailbox is full.
    pub fn abort(&self) -> Result<(), SendError> {
        self.end(ConnCommand::Abort)
    }

    fn end(&self, command: ConnCommand) -> Result<(), SendError> {
        self.mailbox.post(Message::Conn(self.id.key(), command))
    }

    fn leave(&self, command: ConnCommand) -> Result<(), SendError> {
        self.mailbox.send(Message::Conn(self.id.key(), command))
    }
}

impl fmt::Debug for ConnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

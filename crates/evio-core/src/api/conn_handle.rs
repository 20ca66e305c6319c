//! A connection, as other threads see it.

use std::fmt;
use std::sync::Arc;

use crate::api::group::Sender;
use crate::api::message::{Command, ConnCommand};
use crate::mail::send_error::SendError;
use crate::types::conn_id::ConnId;
use crate::types::pause_reason::PauseReason;

/// A connection, for any thread and for any length of time.
///
/// Each method sends a message to the connection's loop and returns. Messages of one thread are
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
    mailbox: Arc<Sender>,
    id: ConnId,
}

impl ConnHandle {
    pub(crate) fn new(mailbox: Arc<Sender>, id: ConnId) -> Self {
        Self { mailbox, id }
    }

    /// Returns the name of the connection.
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Asks the loop to call [`Handler::woken`](crate::Handler::woken) after this, at least once;
    /// several calls may merge. An outbound connection that is still connecting is not woken.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn wake(&self) -> Result<(), SendError> {
        self.try_push(ConnCommand::Wake)
    }

    /// Appends `bytes` to the connection's output.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing of `bytes` will be sent then.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.try_push(ConnCommand::Send(bytes.into()))
    }

    /// Appends bytes that many connections share to the connection's output.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; nothing of `bytes` will be sent then.
    pub fn send_shared(&self, bytes: Arc<[u8]>) -> Result<(), SendError> {
        self.try_push(ConnCommand::SendShared(bytes))
    }

    /// Stops the connection's input, as [`Conn::pause_reading`](crate::Conn::pause_reading) does.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn pause_reading(&self) -> Result<(), SendError> {
        self.pause_reading_for(PauseReason::PLAIN)
    }

    /// Takes back [`pause_reading`](Self::pause_reading).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn resume_reading(&self) -> Result<(), SendError> {
        self.resume_reading_for(PauseReason::PLAIN)
    }

    /// Stops the connection's input for a reason, as
    /// [`Conn::pause_reading_for`](crate::Conn::pause_reading_for) does.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn pause_reading_for(&self, reason: PauseReason) -> Result<(), SendError> {
        self.try_push(ConnCommand::Pause(reason))
    }

    /// Takes back [`pause_reading_for`](Self::pause_reading_for).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn resume_reading_for(&self, reason: PauseReason) -> Result<(), SendError> {
        self.try_push(ConnCommand::Resume(reason))
    }

    /// Closes the connection once what was written to it has been delivered.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended, or when twice as many messages wait as `mailbox_capacity`
    /// allows: endings have room when the mailbox is full for others.
    pub fn close(&self) -> Result<(), SendError> {
        self.end(ConnCommand::Close)
    }

    /// Ends the connection without sending what is left; the peer sees a reset.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended, or when twice as many messages wait as `mailbox_capacity`
    /// allows: endings have room when the mailbox is full for others.
    pub fn abort(&self) -> Result<(), SendError> {
        self.end(ConnCommand::Abort)
    }

    fn end(&self, command: ConnCommand) -> Result<(), SendError> {
        self.mailbox.push_reserved(Command::Conn(self.id.key(), command))
    }

    fn try_push(&self, command: ConnCommand) -> Result<(), SendError> {
        let bytes = command.bytes();
        self.mailbox.try_push(Command::Conn(self.id.key(), command), bytes)
    }
}

impl fmt::Debug for ConnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

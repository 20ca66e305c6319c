//! A connection, as other threads see it.

use std::fmt;
use std::sync::Arc;

use crate::api::group::Sender;
use crate::api::message::{Command, ConnCommand, Output, OutputBytes};
use crate::mail::mailbox::Room;
use crate::mail::send_error::{SendError, Unsent};
use crate::types::conn_id::ConnId;
use crate::types::conn_state::{ConnState, ConnStatus};
use crate::types::pause_reason::PauseReason;

/// A connection, for any thread and for any length of time.
///
/// Each method sends a message to the connection's loop and returns. Messages of one thread are
/// carried out in order. A connection that has ended meanwhile ignores them, also when its place in
/// the loop has been taken by another one.
///
/// What the peer waits for is better given by a [`Reply`](crate::Reply): a handle keeps no
/// connection from ending.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{ConnHandle, ConnState};
///
/// /// Sends news to those who keep up, and forgets those who have gone.
/// fn publish(subscribers: &mut Vec<ConnHandle>, news: &str) {
///     subscribers.retain(|subscriber| subscriber.state() != Some(ConnState::Ended));
///     for subscriber in subscribers.iter() {
///         if subscriber.state() == Some(ConnState::Open) {
///             // It may have ended since.
///             let _ = subscriber.send(news);
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct ConnHandle {
    mailbox: Arc<Sender>,
    id: ConnId,
    /// None if it was made from an id alone.
    status: Option<Arc<ConnStatus>>,
}

impl ConnHandle {
    pub(crate) fn new(mailbox: Arc<Sender>, id: ConnId, status: Option<Arc<ConnStatus>>) -> Self {
        Self { mailbox, id, status }
    }

    /// Returns the name of the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    /// # use evio_core as evio;
    /// use evio::{Conn, ConnHandle, ConnId};
    ///
    /// /// Adds a client to those that the threads of the program know.
    /// fn add(clients: &mut HashMap<ConnId, ConnHandle>, conn: &Conn<'_>) {
    ///     let client = conn.handle();
    ///     clients.insert(client.id(), client);
    /// }
    /// ```
    #[must_use]
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Returns how the connection stands, as its loop has told last: it may be otherwise by the
    /// time that a message gets there.
    ///
    /// `None` for a handle that was [made from an id](crate::LoopHandle::conn_handle).
    #[must_use]
    pub fn state(&self) -> Option<ConnState> {
        self.status.as_ref().map(|status| status.state())
    }

    /// Asks the loop to call [`Handler::woken`](crate::Handler::woken) after this, at least once;
    /// several calls may merge. An outbound connection that is still connecting is not woken.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn, ConnHandle, SendError};
    ///
    /// /// Leaves a line where the `woken` callback of a connection finds it.
    /// fn push(to: &ConnHandle, line: &str, lines: &Mutex<Vec<u8>>) -> Result<(), SendError> {
    ///     lines.lock().expect("no thread panics with it").extend(line.bytes());
    ///     // One call of `woken` may be for several lines, so it takes all that are there.
    ///     to.wake()
    /// }
    ///
    /// /// That callback, of the handler that has the lines.
    /// fn woken(conn: &mut Conn<'_>, lines: &Mutex<Vec<u8>>) -> Action {
    ///     conn.write_owned(std::mem::take(&mut lines.lock().expect("no thread panics with it")));
    ///     Action::None
    /// }
    /// ```
    pub fn wake(&self) -> Result<(), SendError> {
        self.try_push(ConnCommand::Wake)
    }

    /// Appends `bytes` to the connection's output.
    ///
    /// # Errors
    ///
    /// The bytes, with what [`SendError`] says of them; nothing of them will be sent.
    ///
    /// # Examples
    ///
    /// See [`SendError`].
    pub fn send(&self, bytes: impl Into<Vec<u8>>) -> Result<(), Unsent<Vec<u8>>> {
        self.send_output(bytes.into(), Vec::len, ConnCommand::Send, Room::AsForAll)
    }

    /// Appends bytes that many connections share to the connection's output.
    ///
    /// # Errors
    ///
    /// The bytes, with what [`SendError`] says of them; nothing of them will be sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// # use evio_core as evio;
    /// use evio::ConnHandle;
    ///
    /// /// Sends a picture to all who are in a room. There is one copy of it, for all of them.
    /// fn send_picture(room: &[ConnHandle], picture: &Arc<[u8]>) {
    ///     for member in room {
    ///         if let Err(unsent) = member.send_shared(Arc::clone(picture)) {
    ///             eprintln!("{} does not get it: {}", member.id(), unsent.error());
    ///         }
    ///     }
    /// }
    /// ```
    pub fn send_shared(&self, bytes: Arc<[u8]>) -> Result<(), Unsent<Arc<[u8]>>> {
        self.send_output(bytes, |bytes| bytes.len(), ConnCommand::Send, Room::AsForAll)
    }

    /// Stops the connection's input, as [`Conn::pause_reading`](crate::Conn::pause_reading) does.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc::Receiver;
    /// # use evio_core as evio;
    /// use evio::{ConnHandle, SendError};
    ///
    /// /// A thread that stores what comes of one client, and lets no more come while it is busy.
    /// fn store(client: &ConnHandle, pieces: Receiver<Vec<u8>>) -> Result<(), SendError> {
    ///     while let Ok(piece) = pieces.recv() {
    ///         client.pause_reading()?;
    ///         if std::fs::write(format!("piece-{}", client.id()), piece).is_err() {
    ///             return client.close();
    ///         }
    ///         client.resume_reading()?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn pause_reading(&self) -> Result<(), SendError> {
        self.pause_reading_for(PauseReason::PLAIN)
    }

    /// Takes back [`pause_reading`](Self::pause_reading).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// See [`pause_reading`](Self::pause_reading).
    pub fn resume_reading(&self) -> Result<(), SendError> {
        self.resume_reading_for(PauseReason::PLAIN)
    }

    /// Stops the connection's input for a reason, as
    /// [`Conn::pause_reading_for`](crate::Conn::pause_reading_for) does.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnHandle, PauseReason, SendError};
    ///
    /// const DISK: PauseReason = PauseReason::new(2);
    ///
    /// /// Keeps the input of all clients waiting while the disk is full.
    /// fn set_disk_full(clients: &[ConnHandle], is_full: bool) -> Result<(), SendError> {
    ///     clients.iter().try_for_each(|client| match is_full {
    ///         true => client.pause_reading_for(DISK),
    ///         false => client.resume_reading_for(DISK),
    ///     })
    /// }
    /// ```
    pub fn pause_reading_for(&self, reason: PauseReason) -> Result<(), SendError> {
        self.try_push(ConnCommand::Pause(reason))
    }

    /// Takes back [`pause_reading_for`](Self::pause_reading_for).
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// See [`pause_reading_for`](Self::pause_reading_for).
    pub fn resume_reading_for(&self, reason: PauseReason) -> Result<(), SendError> {
        self.try_push(ConnCommand::Resume(reason))
    }

    /// Closes the connection once what was written to it has been delivered.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended, or when twice as many messages wait as `mailbox_capacity`
    /// allows: endings have room when the mailbox is full for others.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnHandle, SendError};
    ///
    /// /// Ends the connection of a user who is no longer welcome.
    /// fn dismiss(client: &ConnHandle, is_hostile: bool) -> Result<(), SendError> {
    ///     if is_hostile {
    ///         return client.abort();
    ///     }
    ///     client.send("you are logged out\n")?;
    ///     client.close()
    /// }
    /// ```
    pub fn close(&self) -> Result<(), SendError> {
        self.end(ConnCommand::Close)
    }

    /// Ends the connection without sending what is left; the peer sees a reset.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended, or when twice as many messages wait as `mailbox_capacity`
    /// allows: endings have room when the mailbox is full for others.
    ///
    /// # Examples
    ///
    /// See [`close`](Self::close).
    pub fn abort(&self) -> Result<(), SendError> {
        self.end(ConnCommand::Abort)
    }

    fn end(&self, command: ConnCommand) -> Result<(), SendError> {
        self.mailbox.push_reserved(Command::Conn(self.id.key(), command))
    }

    fn try_push(&self, command: ConnCommand) -> Result<(), SendError> {
        self.mailbox.try_push(Command::Conn(self.id.key(), command), 0)
    }

    /// Sends output, counted in the connection's status as long as it is on its way.
    pub(super) fn send_output<B: Into<OutputBytes>>(
        &self,
        bytes: B,
        len: impl FnOnce(&B) -> usize,
        command: impl FnOnce(Output) -> ConnCommand,
        room: Room,
    ) -> Result<(), Unsent<B>> {
        let (key, len) = (self.id.key(), len(&bytes));
        let is_counted = self.status.is_some();
        if let Some(status) = &self.status {
            status.add_mail(len);
        }
        let result = self.mailbox.try_push_value(room, len, bytes, |commands, bytes| {
            let output = Output { bytes: bytes.into(), is_counted };
            commands.push_back(Command::Conn(key, command(output)));
        });
        if let (Err(_), Some(status)) = (&result, &self.status) {
            status.remove_mail(len);
        }
        result
    }

    /// Tells the loop that a reply will not come.
    pub(super) fn send_unanswered(&self) {
        // A loop that has ended waits for no reply.
        let unanswered = Command::Conn(self.id.key(), ConnCommand::Unanswered);
        let _ = self.mailbox.push_unbounded(unanswered);
    }
}

impl fmt::Debug for ConnHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnHandle").field("id", &self.id).finish_non_exhaustive()
    }
}

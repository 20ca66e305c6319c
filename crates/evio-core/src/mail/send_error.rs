//! Why a message could not be sent.

use std::error;
use std::fmt;

/// Why a message could not be sent to a connection or a loop.
///
/// `Ok` says that the loop will find the message, not that a connection is still there for it.
/// Loops take messages before they run, and carry them out then.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{ConnHandle, SendError};
///
/// /// A thread that sends what a sensor measures, until the server ends.
/// fn watch(sensor: impl Iterator<Item = u32>, client: &ConnHandle) {
///     for value in sensor {
///         match client.send(format!("{value}\n")).map_err(|unsent| unsent.error()) {
///             // A value that finds no room is left out: the next one is newer.
///             Ok(()) | Err(SendError::Full) => {}
///             Err(_) => return,
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// As many messages wait for the loop as `mailbox_capacity` allows, or as many bytes as
    /// `mailbox_bytes` does; for `close` and `abort`, twice as many messages. Try again later.
    Full,
    /// The server does not run yet. Only `ServerHandle` of the `evio` crate says so: it has no loop
    /// to send to before.
    NotStarted,
    /// The loop has ended, or is ending and takes no new socket.
    Stopped,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotStarted => "the server does not run yet",
            Self::Full => "too many messages are waiting for this loop",
            Self::Stopped => "the server has ended",
        })
    }
}

impl error::Error for SendError {}

/// A value that could not be sent, and why.
///
/// `?` turns it into a [`SendError`] where the value does not matter.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{ConnHandle, SendError};
///
/// /// Sends a reply, or tells what was lost.
/// fn reply(handle: &ConnHandle, bytes: Vec<u8>) -> Result<(), SendError> {
///     if let Err(unsent) = handle.send(bytes) {
///         eprintln!("{} bytes were not sent: {}", unsent.get_ref().len(), unsent.error());
///     }
///     handle.send("end of the replies")?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Unsent<T> {
    value: T,
    error: SendError,
}

impl<T> Unsent<T> {
    pub(crate) fn new(value: T, error: SendError) -> Self {
        Self { value, error }
    }

    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Unsent<U> {
        Unsent { value: change(self.value), error: self.error }
    }

    /// Returns why it was not sent.
    #[must_use]
    pub fn error(&self) -> SendError {
        self.error
    }

    /// Returns what was not sent.
    #[must_use]
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// Gives back what was not sent.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::VecDeque;
    /// # use evio_core as evio;
    /// use evio::ConnHandle;
    ///
    /// /// Sends as much as there is room for, and keeps the rest for later.
    /// fn send(client: &ConnHandle, waiting: &mut VecDeque<Vec<u8>>) {
    ///     while let Some(bytes) = waiting.pop_front() {
    ///         if let Err(unsent) = client.send(bytes) {
    ///             return waiting.push_front(unsent.into_inner());
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value
    }
}

impl<T> From<Unsent<T>> for SendError {
    fn from(unsent: Unsent<T>) -> Self {
        unsent.error
    }
}

/// Without the value, which may be anything.
impl<T> fmt::Debug for Unsent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Unsent<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> error::Error for Unsent<T> {}

//! A reply that is owed to a peer.

use std::fmt;
use std::sync::Arc;

use crate::api::conn_handle::ConnHandle;
use crate::api::message::{ConnCommand, OutputBytes};
use crate::mail::mailbox::Room;
use crate::mail::send_error::Unsent;

/// A reply that is owed to a peer; [`Conn::reply`](crate::Conn::reply) makes one, and shows a
/// server that does.
///
/// It has a place in the mailbox of the loop, which so never has too many messages for it.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{ConnState, Reply};
///
/// /// Answers with a long report, on a thread of its own, line by line.
/// fn answer(reply: Reply, report: impl Iterator<Item = String>) {
///     for line in report {
///         let client = reply.handle();
///         // What is left is not worth the work when nobody waits for it, or finds no room. The
///         // reply is dropped, which `unanswered` is told.
///         if client.state() == Some(ConnState::Ended) || client.send(line).is_err() {
///             return;
///         }
///     }
///     if let Err(unsent) = reply.send(*b"end\n") {
///         eprintln!("an answer has no end: {unsent}");
///     }
/// }
/// ```
#[must_use = "a reply that is dropped ends the connection, unless the handler does otherwise"]
pub struct Reply {
    handle: ConnHandle,
    is_given: bool,
}

impl Reply {
    pub(crate) fn new(handle: ConnHandle) -> Self {
        Self { handle, is_given: false }
    }

    /// Returns a handle for the connection: to send a part of the answer ahead, or to find out
    /// whether anybody waits for it.
    #[must_use]
    pub fn handle(&self) -> &ConnHandle {
        &self.handle
    }

    /// Gives the reply, with `bytes` as the last of it.
    ///
    /// # Errors
    ///
    /// The reply and the bytes, when the loop has ended, or the messages that wait hold too many
    /// bytes already: then try again later.
    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Result<(), Unsent<(Self, Vec<u8>)>> {
        self.give(bytes.into(), Vec::len)
    }

    /// Gives the reply, with bytes that several connections share.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// # use evio_core as evio;
    /// use evio::Reply;
    ///
    /// /// Gives everybody who has asked for the same page the same bytes.
    /// fn answer_all(waiting: Vec<Reply>, page: &Arc<[u8]>) {
    ///     for reply in waiting {
    ///         if let Err(unsent) = reply.send_shared(Arc::clone(page)) {
    ///             eprintln!("an answer is lost: {unsent}");
    ///         }
    ///     }
    /// }
    /// ```
    #[expect(clippy::type_complexity, reason = "what comes back is what was given")]
    pub fn send_shared(self, bytes: Arc<[u8]>) -> Result<(), Unsent<(Self, Arc<[u8]>)>> {
        self.give(bytes, |bytes| bytes.len())
    }

    fn give<B: Into<OutputBytes>>(
        mut self,
        bytes: B,
        len: impl FnOnce(&B) -> usize,
    ) -> Result<(), Unsent<(Self, B)>> {
        match self.handle.send_output(bytes, len, ConnCommand::Reply, Room::Reserved) {
            Ok(()) => {
                self.is_given = true;
                Ok(())
            }
            Err(unsent) => Err(unsent.map(|bytes| (self, bytes))),
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if !self.is_given {
            self.handle.send_unanswered();
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply").field("handle", &self.handle).finish_non_exhaustive()
    }
}

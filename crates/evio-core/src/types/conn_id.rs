//! The name of a connection.

use std::fmt;

/// Names one connection of a server, and never another: ids carry a generation, so the id of a
/// closed connection does not come to mean the next one that uses its place.
///
/// In log lines it is `loop-index-generation`.
///
/// # Examples
///
/// See [`ConnMap`](crate::ConnMap).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    loop_id: u16,
    key: ConnKey,
}

/// A connection within its loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnKey {
    /// Position in the connection table.
    pub(crate) index: u32,
    /// Invariant: never zero.
    pub(crate) generation: u32,
}

impl ConnId {
    pub(crate) fn new(loop_id: u16, key: ConnKey) -> Self {
        Self { loop_id, key }
    }

    pub(crate) fn key(self) -> ConnKey {
        self.key
    }

    /// Returns the index of the loop that owns the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, LoopHandle, SendError};
    ///
    /// /// Runs a task where a connection is, if the connection is still there then.
    /// fn greet(id: ConnId, server: &LoopHandle) -> Result<(), SendError> {
    ///     let Some(event_loop) = server.of_loop(id.loop_id()) else { return Ok(()) };
    ///     event_loop.post(move |here| {
    ///         if let Some(mut conn) = here.conn(id) {
    ///             conn.write(b"hello\n");
    ///         }
    ///     })?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn loop_id(self) -> usize {
        usize::from(self.loop_id)
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.loop_id, self.key.index, self.key.generation)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

//! The name of a watched descriptor.

use std::fmt;

/// Names one descriptor that a loop [watches](crate::Loop::watch), and never another: numbers are
/// not used again.
///
/// In log lines it is `loop-number`.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{Conn, ConnMap, WatchId};
///
/// /// What a server does in `closed` that sends on to each client what a child process prints.
/// fn closed(client: &mut Conn<'_>, outputs: &mut ConnMap<WatchId>) {
///     if let Some(output) = outputs.remove(client.id()) {
///         // Dropping it closes the pipe: the child finds EPIPE when it goes on printing.
///         drop(client.event_loop().unwatch(output));
///     }
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WatchId {
    loop_id: u16,
    number: u64,
}

impl WatchId {
    pub(crate) fn new(loop_id: u16, number: u64) -> Self {
        Self { loop_id, number }
    }

    pub(crate) fn number(self) -> u64 {
        self.number
    }

    /// Returns the index of the loop that watches the descriptor.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{LoopHandle, SendError, WatchId};
    ///
    /// /// Ends a watch from any thread: its own loop does it, as no other knows the descriptor.
    /// fn end(watch: WatchId, server: &LoopHandle) -> Result<(), SendError> {
    ///     let Some(event_loop) = server.of_loop(watch.loop_id()) else { return Ok(()) };
    ///     event_loop.post(move |here| drop(here.unwatch(watch)))?;
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn loop_id(self) -> usize {
        usize::from(self.loop_id)
    }
}

impl fmt::Display for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.loop_id, self.number)
    }
}

impl fmt::Debug for WatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

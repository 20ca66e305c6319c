//! The callbacks for what is sent.

use std::io;

use evio_core::{Action, Conn, Loop};

use super::Events;

impl<'a, C, M> Events<'a, C, M> {
    /// Sets [`Handler::drained`](crate::Handler::drained).
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Action, Conn, Events};
    ///
    /// /// Writes as much of the rest as there is room for.
    /// fn write_some(conn: &mut Conn<'_>, rest: &mut &[u8]) -> Action {
    ///     let (now, later) = rest.split_at(conn.output_room().min(rest.len()));
    ///     conn.write(now);
    ///     *rest = later;
    ///     if later.is_empty() { Action::Close } else { Action::None }
    /// }
    ///
    /// // Sends much to each client, as fast as the client takes it.
    /// let much = vec![b'.'; 100 << 20];
    /// let events = Events::with_context(|_| &much[..]).opened(write_some).drained(write_some);
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn drained(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.drained = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::pre_write`](crate::Handler::pre_write).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::io::Write;
    /// use evio::{Action, Events};
    ///
    /// // Confirms what is on the disk, and only then; one sync is for all requests of a turn.
    /// let log = std::fs::File::create("requests.log")?;
    /// let events = Events::new()
    ///     .data(|conn, _, input| match (&log).write_all(input) {
    ///         Ok(()) => {
    ///             conn.write(b"stored\n");
    ///             Action::None
    ///         }
    ///         Err(_) => Action::Close,
    ///     })
    ///     .pre_write(|_| log.sync_data());
    /// events.serve(["tcp://localhost:5000"])?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn pre_write(mut self, callback: impl FnMut(&mut Loop<'_>) -> io::Result<()> + 'a) -> Self {
        self.pre_write = Some(Box::new(callback));
        self
    }
}

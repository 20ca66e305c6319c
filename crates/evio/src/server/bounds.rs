//! How much the loops of a server keep for others.

use crate::server::Server;

impl Server {
    /// Sets how many messages from other threads may wait for a loop before [`ConnHandle`] and
    /// [`LoopHandle`] refuse more; as many again that end a connection. Default: 65,536.
    ///
    /// [`ConnHandle`]: crate::ConnHandle
    /// [`LoopHandle`]: crate::LoopHandle
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::Server;
    ///
    /// // A server on a small machine.
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?
    ///     .mailbox_capacity(1024)
    ///     .mailbox_bytes(4 << 20)
    ///     .max_watches(8)
    ///     .max_timers(1024)
    ///     .max_dials(16);
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn mailbox_capacity(mut self, capacity: usize) -> Self {
        self.config.mailbox_capacity = capacity;
        self
    }

    /// Sets how many bytes these messages may hold together; one that is longer is taken when no
    /// other waits. Default: 64 MiB.
    ///
    /// # Examples
    ///
    /// See [`mailbox_capacity`](Self::mailbox_capacity).
    #[must_use]
    pub fn mailbox_bytes(mut self, bytes: usize) -> Self {
        self.config.mailbox_bytes = bytes;
        self
    }

    /// Sets how many descriptors of the program's own each loop may watch at once; see
    /// [`Loop::watch`](crate::Loop::watch). Default: 1,024.
    ///
    /// # Examples
    ///
    /// See [`mailbox_capacity`](Self::mailbox_capacity).
    #[must_use]
    pub fn max_watches(mut self, max_watches: usize) -> Self {
        self.config.max_watches = max_watches;
        self
    }

    /// Sets how many timers each loop has at once, of those that
    /// [`Loop::set_timer`](crate::Loop::set_timer) and
    /// [`Loop::set_interval`](crate::Loop::set_interval) set. Default: 65,536.
    ///
    /// # Examples
    ///
    /// See [`mailbox_capacity`](Self::mailbox_capacity).
    #[must_use]
    pub fn max_timers(mut self, max_timers: usize) -> Self {
        self.config.max_timers = max_timers;
        self
    }

    /// Sets how many [dials](crate::Loop::dial) of each loop may be under way at once. Each takes
    /// up to eight descriptors. Default: 1,024.
    ///
    /// # Examples
    ///
    /// See [`mailbox_capacity`](Self::mailbox_capacity).
    #[must_use]
    pub fn max_dials(mut self, max_dials: usize) -> Self {
        self.config.max_dials = max_dials;
        self
    }
}

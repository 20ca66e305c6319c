//! How many clients there may be, and what each may take.

use evio_core::Limits;

use crate::server::Server;

impl Server {
    /// Sets how many connections there may be at once, but for those by addresses that have a
    /// [number of their own](Self::max_connections_of). More of them wait in the backlogs of the
    /// listeners until one ends. Default: as many as the system lets the process have.
    ///
    /// # Examples
    ///
    /// See [`max_connections_of`](Self::max_connections_of).
    #[must_use]
    pub fn max_connections(mut self, max_connections: usize) -> Self {
        self.config.max_connections = max_connections;
        self
    }

    /// Sets how many connections there may be by one address, by its index. They are not counted
    /// for [`max_connections`](Self::max_connections): so an address for those who look after the
    /// server has room when all others are full. If there is no such address, the server does not
    /// start; addresses that are added while it runs share the room of the server.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use evio::{Limits, Server};
    ///
    /// // The second address is for those who look after the server, and may be silent for long.
    /// let limits = Limits::default();
    /// let server = Server::bind(["tcp://127.0.0.1:0", "tcp://127.0.0.1:0"])?
    ///     .max_connections(10_000)
    ///     .max_connections_of(1, 8)
    ///     .limits(limits.idle_timeout(Some(Duration::from_secs(60))))
    ///     .limits_of(1, limits);
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn max_connections_of(mut self, address_index: u16, max_connections: usize) -> Self {
        set_at(&mut self.config.address_max_connections, address_index, max_connections);
        self
    }

    /// Sets what a connection may hold, and how long its ending may take.
    ///
    /// # Examples
    ///
    /// See [`max_connections_of`](Self::max_connections_of).
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets the limits of the connections that come in by one address, by its index, instead of
    /// [`limits`](Self::limits). If there is no such address, the server does not start; addresses
    /// that are added while it runs have the limits of the server.
    ///
    /// # Examples
    ///
    /// See [`max_connections_of`](Self::max_connections_of).
    #[must_use]
    pub fn limits_of(mut self, address_index: u16, limits: Limits) -> Self {
        set_at(&mut self.config.address_limits, address_index, limits);
        self
    }
}

/// Sets what is different for the address with an index.
fn set_at<T>(all: &mut Vec<Option<T>>, address_index: u16, value: T) {
    let index = usize::from(address_index);
    all.resize_with(all.len().max(index + 1), || None);
    all[index] = Some(value);
}

//! The limits, the timeouts and the timer of a connection.

use std::time::Duration;

use crate::api::conn::Conn;
use crate::types::limits::Limits;

/// Limits and times.
impl Conn<'_> {
    /// Gives the connection limits of its own, which take effect in this turn: output above the new
    /// `max_output` ends the connection, and congestion begins or is over. Timeouts that are under
    /// way count from when they began, and those that there were none of count from now.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Conn, Limits};
    ///
    /// /// Trusts a user who has logged in with more than a stranger.
    /// fn welcome(conn: &mut Conn<'_>) {
    ///     let limits = Limits::default().idle_timeout(Some(Duration::from_secs(3600)));
    ///     conn.set_limits(limits.max_output(256 << 20));
    /// }
    /// ```
    pub fn set_limits(&mut self, limits: Limits) {
        self.state.table.set_limits(self.key, limits);
    }

    /// Closes the connection with [`Timeout::Read`](crate::Timeout::Read) after `timeout`, unless
    /// it is set again, or to `None`, before.
    ///
    /// A handler sets it when a message begins and clears it when that is whole; unlike the idle
    /// timeout, it does not let a peer go on by a byte now and then.
    ///
    /// # Examples
    ///
    /// See [`Timeout`](crate::Timeout).
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.state.table.set_read_timeout(self.key, timeout);
    }

    /// Sets the connection's timer: [`Handler::timer`](crate::Handler::timer) is called once after
    /// `delay`. A connection has one: setting it again replaces it, and `None` stops it.
    ///
    /// It never comes early, and counts in steps of 16 ms: a delay of 1 ms ends after 32 to 48 ms.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::{Action, Conn};
    ///
    /// const PING: Option<Duration> = Some(Duration::from_secs(30));
    ///
    /// /// The `opened` callback of a server that gives each client a sign of life.
    /// fn opened(conn: &mut Conn<'_>) -> Action {
    ///     conn.set_timer(PING);
    ///     Action::None
    /// }
    ///
    /// /// Its `timer` callback.
    /// fn timer(conn: &mut Conn<'_>) -> Action {
    ///     conn.write(b"ping\n");
    ///     conn.set_timer(PING);
    ///     Action::None
    /// }
    /// ```
    pub fn set_timer(&mut self, delay: Option<Duration>) {
        self.state.table.set_timer(self.key, delay);
    }
}

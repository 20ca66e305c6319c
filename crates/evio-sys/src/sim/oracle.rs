//! What a kernel knows of what was sent, for those who check what was received.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};

use super::{ConnectionId, Direction, Kernel, Mismatch, StrayDatagram};

impl Kernel {
    /// Compares bytes that the reader of a stream was given with those that were sent there.
    ///
    /// # Errors
    ///
    /// Fails at the first byte that is not as it was sent.
    pub fn check_bytes(&self, of: Direction, at: usize, bytes: &[u8]) -> Result<(), Mismatch> {
        self.0.lock().records.check(of, at, bytes)
    }

    /// Compares a datagram that a handler or a script was given with those that were sent. Each
    /// copy that was on its way counts once.
    ///
    /// # Errors
    ///
    /// Fails when nobody has sent it, from there to here, or it was given before.
    pub fn check_datagram(
        &self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), StrayDatagram> {
        self.0.lock().datagrams.check(from, to, bytes)
    }

    /// Returns what the reader of this socket is given; `None` if it is none of this kernel, or no
    /// connection.
    #[must_use]
    pub fn input_of(&self, socket: &impl AsFd) -> Option<Direction> {
        let mut state = self.0.lock();
        let id = state.id_of(socket.as_fd().as_raw_fd())?;
        state.end(id).ok().map(|end| end.incoming())
    }

    /// Returns how many bytes have been sent in a direction of a connection.
    #[must_use]
    pub fn sent(&self, of: Direction) -> usize {
        self.0.lock().records.sent(of)
    }

    /// Looks for a connection of which a loop that sleeps ought to know something: it waits for
    /// that, was told of it, and has left it as it was. Returns what it is.
    #[must_use]
    pub fn find_overlooked(&self) -> Option<String> {
        self.0.lock().find_overlooked()
    }

    /// Describes the connections that a peer on a host has open, and their other ends.
    #[must_use]
    pub fn describe_host(&self, host: IpAddr) -> String {
        let lines = self.0.lock().describe_host(host);
        if lines.is_empty() { "no connection".to_owned() } else { lines.join("; ") }
    }

    /// Returns whether any connection was cut by chance, or a call of the program has failed so.
    #[must_use]
    pub fn any_was_cut(&self) -> bool {
        let state = self.0.lock();
        state.counts.call_errors > 0 || state.records.any_was_cut()
    }

    /// Returns whether a connection was cut by chance.
    #[must_use]
    pub fn was_cut(&self, connection: ConnectionId) -> bool {
        self.0.lock().records.was_cut(connection)
    }
}

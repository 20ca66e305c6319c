//! Where a server really listens.

use std::fmt;

use evio_sys::net::SocketAddr;

use crate::address::Scheme;

/// An address that a server is bound to, with the real port.
///
/// Displays as an address that clients and [`Server::bind`] understand: `tcp://127.0.0.1:5000`.
///
/// [`Server::bind`]: crate::Server::bind
#[derive(Clone, Debug)]
pub struct BoundAddress {
    index: u16,
    scheme: Scheme,
    addr: SocketAddr,
}

impl BoundAddress {
    pub(crate) fn new(index: u16, scheme: Scheme, addr: SocketAddr) -> Self {
        Self { index, scheme, addr }
    }

    /// Returns the index of the address that was given to [`Server::bind`]. A host name can stand
    /// for several bound addresses, which then have the same index.
    ///
    /// [`Server::bind`]: crate::Server::bind
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// Returns the socket's address.
    #[must_use]
    pub fn addr(&self) -> &SocketAddr {
        &self.addr
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addr = self.addr.to_string();
        // A path that has a `?` needs one more, since the last one begins the options.
        let end = if self.scheme == Scheme::Unix && addr.contains('?') { "?" } else { "" };
        write!(f, "{}://{addr}{end}", self.scheme)
    }
}

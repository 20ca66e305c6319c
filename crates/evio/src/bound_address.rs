//! Where a server really listens.

use std::fmt;
use std::net;

use evio_sys::net::SocketAddr;

use crate::address::{Host, Scheme};

/// An address that a server is bound to, with the real port.
///
/// Displays as an address that clients and [`Server::bind`] understand: `tcp://127.0.0.1:5000`.
///
/// [`Server::bind`]: crate::Server::bind
///
/// # Examples
///
/// ```
/// use evio::{BoundAddress, Server};
///
/// /// Says how to reach a server that has let the system choose its ports.
/// fn announce(bound: &[BoundAddress]) -> String {
///     bound.iter().map(|address| format!("listening on {address}\n")).collect()
/// }
///
/// let server = Server::bind(["tcp://127.0.0.1:0"])?;
/// let bound = server.local_addrs();
/// assert!(announce(&bound).starts_with("listening on tcp://127.0.0.1:"));
/// assert_eq!(bound[0].index(), 0);
///
/// let address = bound[0].addr().as_inet().expect("a TCP address");
/// std::net::TcpStream::connect(address).expect("the server listens");
/// # Ok::<(), evio::Error>(())
/// ```
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
        if let Some(net::SocketAddr::V6(v6)) = self.addr.as_inet() {
            let zone = (v6.scope_id() != 0).then(|| v6.scope_id().to_string());
            let host = Host::Ipv6 { ip: *v6.ip(), zone };
            return write!(f, "{}://{host}:{}", self.scheme, v6.port());
        }
        let addr = self.addr.to_string();
        // A path that has a `?` needs one more, since the last one begins the options.
        let end = if self.scheme == Scheme::Unix && addr.contains('?') { "?" } else { "" };
        write!(f, "{}://{addr}{end}", self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv6Addr, SocketAddrV6};

    use super::*;
    use crate::Address;

    #[test]
    fn it_is_written_as_an_address_that_means_the_same() {
        let link = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
        for zone in [0, 1, 25, 250, 2_500, u32::MAX] {
            let addr = net::SocketAddr::from(SocketAddrV6::new(link, 80, 0, zone));
            let bound = BoundAddress::new(0, Scheme::Udp, addr.into());
            let address: Address = bound.to_string().parse().expect("an address");
            assert_eq!(address.resolve().expect("a literal"), [addr], "{bound}");
        }
    }
}

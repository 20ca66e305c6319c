//! The address of either end of a connection.

use std::fmt;
use std::net;
use std::os::unix::net as unix;

use crate::backend;

/// The address of a socket: IP and port, or a Unix domain name.
///
/// # Examples
///
/// ```
/// # use evio_sys::net as evio;
/// use evio::SocketAddr;
///
/// let address = SocketAddr::from("127.0.0.1:80".parse::<std::net::SocketAddr>().unwrap());
/// assert_eq!(address.to_string(), "127.0.0.1:80");
/// ```
#[derive(Clone, Debug)]
pub enum SocketAddr {
    /// An IPv4 or IPv6 address with its port.
    Inet(net::SocketAddr),
    /// A path, an abstract name, or nothing: most clients of a Unix socket have no name.
    Unix(unix::SocketAddr),
}

impl SocketAddr {
    /// Returns the address of the peer of a connection to this address: an unspecified address
    /// stands for this machine, a mapped one for one of IPv4, and a zone stays where it means
    /// something. `None` for a Unix domain address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_sys::net as evio;
    /// use evio::SocketAddr;
    ///
    /// let peer = |asked: &str| {
    ///     let asked: std::net::SocketAddr = asked.parse().unwrap();
    ///     SocketAddr::from(asked).destination().unwrap().to_string()
    /// };
    /// assert_eq!(peer("0.0.0.0:80"), "127.0.0.1:80");
    /// assert_eq!(peer("[::]:80"), "[::1]:80");
    /// assert_eq!(peer("[::ffff:10.0.0.1]:80"), "10.0.0.1:80");
    /// assert_eq!(peer("[2001:db8::1]:80"), "[2001:db8::1]:80");
    /// ```
    #[must_use]
    pub fn destination(&self) -> Option<net::SocketAddr> {
        self.as_inet().map(destination)
    }

    /// Returns the IP address and port, unless this is a Unix domain address.
    #[must_use]
    pub fn as_inet(&self) -> Option<net::SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl From<net::SocketAddr> for SocketAddr {
    fn from(address: net::SocketAddr) -> Self {
        Self::Inet(address)
    }
}

impl From<unix::SocketAddr> for SocketAddr {
    fn from(address: unix::SocketAddr) -> Self {
        Self::Unix(address)
    }
}

/// `127.0.0.1:80`, `[::1]:80`, a path as it is, `@name` for an abstract name, or `(unnamed)`.
impl fmt::Display for SocketAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inet(address) => address.fmt(f),
            Self::Unix(address) => {
                if let Some(path) = address.as_pathname() {
                    path.display().fmt(f)
                } else if let Some(name) = backend::abstract_name(address) {
                    write!(f, "@{}", String::from_utf8_lossy(name))
                } else {
                    f.write_str("(unnamed)")
                }
            }
        }
    }
}

/// Shows an IPv4 peer of a dual-stack socket as what it is, not as `::ffff:a.b.c.d`.
pub(super) fn canonical(address: net::SocketAddr) -> net::SocketAddr {
    match address {
        net::SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(ip) => net::SocketAddr::from((ip, v6.port())),
            None => address,
        },
        net::SocketAddr::V4(_) => address,
    }
}

pub(super) fn destination(address: net::SocketAddr) -> net::SocketAddr {
    match canonical(address) {
        net::SocketAddr::V4(v4) if v4.ip().is_unspecified() => {
            (net::Ipv4Addr::LOCALHOST, v4.port()).into()
        }
        net::SocketAddr::V6(v6) if v6.ip().is_unspecified() => {
            (net::Ipv6Addr::LOCALHOST, v6.port()).into()
        }
        net::SocketAddr::V6(v6) => {
            let scope_id = if v6.ip().is_unicast_link_local() { v6.scope_id() } else { 0 };
            net::SocketAddrV6::new(*v6.ip(), v6.port(), 0, scope_id).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_and_canonical() {
        let unix = unix::SocketAddr::from_pathname("/tmp/a b").unwrap();
        assert_eq!(SocketAddr::from(unix).to_string(), "/tmp/a b");
        let (left, _right) = unix::UnixStream::pair().unwrap();
        assert_eq!(SocketAddr::from(left.local_addr().unwrap()).to_string(), "(unnamed)");

        let cases = [
            ("[::ffff:10.0.0.1]:5", "10.0.0.1:5"),
            ("[::1]:5", "[::1]:5"),
            ("10.0.0.1:5", "10.0.0.1:5"),
        ];
        for (input, expected) in cases {
            assert_eq!(canonical(input.parse().unwrap()).to_string(), expected);
        }
    }
}

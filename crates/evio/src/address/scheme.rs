//! The seven schemes.

use std::fmt;
use std::net::IpAddr;

/// The transport of an [`Address`](super::Address), and the internet protocol where it is fixed.
///
/// More schemes may follow.
///
/// # Examples
///
/// ```
/// use evio::{Address, Scheme};
///
/// let address: Address = "UDP6://[::1]:9000".parse()?;
/// assert_eq!(address.scheme(), Scheme::Udp6);
/// assert!(address.scheme().is_datagram());
/// assert_eq!(address.scheme().to_string(), "udp6");
/// # Ok::<(), evio::ParseAddressError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// TCP over IPv4 and IPv6.
    Tcp,
    /// TCP over IPv4 only.
    Tcp4,
    /// TCP over IPv6 only.
    Tcp6,
    /// UDP over IPv4 and IPv6.
    Udp,
    /// UDP over IPv4 only.
    Udp4,
    /// UDP over IPv6 only.
    Udp6,
    /// Unix domain stream sockets.
    Unix,
}

impl Scheme {
    pub(super) const ALL: [Scheme; 7] = [
        Scheme::Tcp,
        Scheme::Tcp4,
        Scheme::Tcp6,
        Scheme::Udp,
        Scheme::Udp4,
        Scheme::Udp6,
        Scheme::Unix,
    ];

    /// Tells whether the transport carries datagrams, which have no connections.
    pub fn is_datagram(self) -> bool {
        matches!(self, Scheme::Udp | Scheme::Udp4 | Scheme::Udp6)
    }

    /// Finds the scheme of this name, in either case and with or without the suffix `-net`.
    pub(super) fn from_name(name: &str) -> Option<Scheme> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix("-net").unwrap_or(&name);
        Scheme::ALL.into_iter().find(|scheme| scheme.name() == name)
    }

    /// The version of the internet protocol the scheme insists on.
    pub(super) fn ip_version(self) -> Option<u8> {
        match self {
            Scheme::Tcp4 | Scheme::Udp4 => Some(4),
            Scheme::Tcp6 | Scheme::Udp6 => Some(6),
            Scheme::Tcp | Scheme::Udp | Scheme::Unix => None,
        }
    }

    /// Tells whether a socket of this scheme may be bound to `ip`.
    pub(super) fn admits(self, ip: IpAddr) -> bool {
        match self.ip_version() {
            Some(4) => ip.is_ipv4(),
            Some(_) => ip.is_ipv6(),
            None => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Scheme::Tcp => "tcp",
            Scheme::Tcp4 => "tcp4",
            Scheme::Tcp6 => "tcp6",
            Scheme::Udp => "udp",
            Scheme::Udp4 => "udp4",
            Scheme::Udp6 => "udp6",
            Scheme::Unix => "unix",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_has_its_name_and_its_kind() {
        let names = ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6", "unix"];
        for (scheme, name) in Scheme::ALL.into_iter().zip(names) {
            assert_eq!(scheme.to_string(), name);
            assert_eq!(Scheme::from_name(name), Some(scheme));
            assert_eq!(scheme.is_datagram(), name.starts_with("udp"), "{name}");
        }
    }
}

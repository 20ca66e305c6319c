//! From an address to the socket addresses that a server binds.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::{Address, Endpoint, Host, Scheme};

impl Address {
    /// Resolves an internet address to the socket addresses to bind.
    ///
    /// A wildcard is `0.0.0.0` under an IPv4 scheme and `[::]` under all others;
    /// [`is_dual_stack`](Self::is_dual_stack) tells whether the socket is to take IPv4 too. A name
    /// gives every address of the scheme's family that it resolves to, each once and in the order
    /// of the resolver, and blocks while the resolver works.
    ///
    /// # Errors
    ///
    /// Fails if the name has no address of the scheme's family, or the resolver cannot find out;
    /// if the zone of an IPv6 address is no interface of this machine; and with
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a Unix socket, which has no such address.
    ///
    /// # Examples
    ///
    /// ```
    /// let address: evio::Address = "udp4://*:9000".parse()?;
    /// assert_eq!(address.resolve()?, ["0.0.0.0:9000".parse()?]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let Endpoint::Inet { host, port } = self.endpoint() else {
            let message = format!("{self} is not an internet address");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        };
        let port = *port;
        let address = match host {
            Host::Any if self.scheme.admits(Ipv6Addr::UNSPECIFIED.into()) => {
                (Ipv6Addr::UNSPECIFIED, port).into()
            }
            Host::Any => (Ipv4Addr::UNSPECIFIED, port).into(),
            Host::Ipv4(ip) => (*ip, port).into(),
            Host::Ipv6 { ip, zone } => {
                let scope_id = zone.as_deref().map_or(Ok(0), zone_index)?;
                SocketAddrV6::new(*ip, port, 0, scope_id).into()
            }
            Host::Name(name) => return resolve_name(self.scheme, name, port),
        };
        Ok(vec![address])
    }
}

fn resolve_name(scheme: Scheme, name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = evio_sys::names::look_up(name, port).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot resolve host {name:?}: {error}"))
    })?;
    bindable(scheme, name, found.into_iter())
}

/// Keeps the addresses that a socket of the scheme can be bound to, each once.
fn bindable(
    scheme: Scheme,
    name: &str,
    found: impl Iterator<Item = SocketAddr>,
) -> io::Result<Vec<SocketAddr>> {
    let mut kept = Vec::new();
    for address in found {
        // A resolver answers with a handful of addresses: looking through them beats hashing them.
        if scheme.admits(address.ip()) && !kept.contains(&address) {
            kept.push(address);
        }
    }
    if kept.is_empty() {
        let family = scheme.ip_version().map_or(String::new(), |version| format!("IPv{version} "));
        let message = format!("host {name:?} has no {family}address");
        return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
    }
    Ok(kept)
}

/// The scope id of a zone, which is an interface number or the name of an interface.
fn zone_index(zone: &str) -> io::Result<u32> {
    zone.parse().or_else(|_| evio_sys::net::interface_index(zone)).map_err(|error: io::Error| {
        io::Error::new(error.kind(), format!("no network interface {zone:?}: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(input: &str) -> Address {
        input.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn only_a_wildcard_of_no_family_is_dual_stack() {
        for (input, expected) in [
            ("tcp://:1", true),
            ("udp://*:1", true),
            ("tcp://", true),
            ("tcp4://:1", false),
            ("tcp6://:1", false),
            ("udp6://:1", false),
            ("tcp://[::]:1", false),
            ("tcp://0.0.0.0:1", false),
            ("tcp://localhost:1", false),
            ("unix://a", false),
        ] {
            assert_eq!(parse(input).is_dual_stack(), expected, "{input}");
        }
    }

    #[test]
    fn literals_and_wildcards_resolve_to_one_socket_address() {
        for (input, expected) in [
            ("tcp://:5000", "[::]:5000"),
            ("udp://*:5000", "[::]:5000"),
            ("tcp://", "[::]:0"),
            ("tcp4://:5000", "0.0.0.0:5000"),
            ("udp4://:5000", "0.0.0.0:5000"),
            ("tcp6://:5000", "[::]:5000"),
            ("udp6://:5000", "[::]:5000"),
            ("tcp://0.0.0.0:1", "0.0.0.0:1"),
            ("tcp4://127.0.0.1:1", "127.0.0.1:1"),
            ("tcp6://[::1]:1", "[::1]:1"),
            ("udp://[fe80::1%3]:1", "[fe80::1%3]:1"),
            ("udp://[fe80::1%4294967295]:1", "[fe80::1%4294967295]:1"),
        ] {
            assert_eq!(parse(input).resolve().unwrap(), [expected.parse().unwrap()], "{input}");
        }
    }

    #[test]
    fn names_resolve_within_the_family_of_the_scheme() {
        let addresses = parse("tcp4://localhost:5000").resolve().unwrap();
        assert_eq!(addresses, ["127.0.0.1:5000".parse().unwrap()]);
        assert!(parse("tcp://localhost:5000").resolve().unwrap().contains(&addresses[0]));
    }

    #[test]
    fn a_name_that_cannot_be_resolved_is_named() {
        // No resolver is asked: a label this long does not fit in a query.
        let host = "a".repeat(300);
        let error = parse(&format!("tcp://{host}:1")).resolve().unwrap_err();
        assert!(
            error.to_string().starts_with(&format!("cannot resolve host {host:?}: ")),
            "{error}"
        );
    }

    #[test]
    fn zones_resolve_to_the_index_of_the_interface() {
        // The loopback interface has the first name on Linux, the second elsewhere.
        let scope = |zone| match parse(&format!("[fe80::1%{zone}]:1")).resolve()?[0] {
            SocketAddr::V6(address) => Ok(address.scope_id()),
            SocketAddr::V4(address) => Err(io::Error::other(address.to_string())),
        };
        let index = scope("lo").or_else(|_| scope("lo0")).unwrap();
        assert_ne!(index, 0);

        let error = scope("no-such-zone").unwrap_err();
        assert!(error.to_string().starts_with(r#"no network interface "no-such-zone""#), "{error}");
    }

    #[test]
    fn unix_addresses_do_not_resolve() {
        for input in ["unix://a", "unix://@a"] {
            let error = parse(input).resolve().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{input}");
            assert_eq!(error.to_string(), format!("{input} is not an internet address"));
        }
    }

    #[test]
    fn each_address_of_the_family_is_kept_once_and_in_order() {
        let found = ["[::1]:7", "127.0.0.1:7", "[::1]:7", "10.0.0.1:7", "127.0.0.1:7", "[::2]:7"];
        let cases: [(Scheme, &[&str]); 6] = [
            (Scheme::Tcp, &["[::1]:7", "127.0.0.1:7", "10.0.0.1:7", "[::2]:7"]),
            (Scheme::Udp, &["[::1]:7", "127.0.0.1:7", "10.0.0.1:7", "[::2]:7"]),
            (Scheme::Tcp4, &["127.0.0.1:7", "10.0.0.1:7"]),
            (Scheme::Udp4, &["127.0.0.1:7", "10.0.0.1:7"]),
            (Scheme::Tcp6, &["[::1]:7", "[::2]:7"]),
            (Scheme::Udp6, &["[::1]:7", "[::2]:7"]),
        ];
        for (scheme, expected) in cases {
            let found = found.iter().map(|address| address.parse().unwrap());
            let kept = bindable(scheme, "some.example", found).unwrap();
            let kept: Vec<_> = kept.iter().map(ToString::to_string).collect();
            assert_eq!(kept, expected, "{scheme}");
        }
    }

    #[test]
    fn a_name_without_an_address_of_the_family_is_an_error_that_names_both() {
        let found = ["127.0.0.1:7".parse().unwrap()];
        let error = bindable(Scheme::Udp6, "v4.example", found.into_iter()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
        assert_eq!(error.to_string(), r#"host "v4.example" has no IPv6 address"#);

        let error = bindable(Scheme::Tcp, "none.example", [].into_iter()).unwrap_err();
        assert_eq!(error.to_string(), r#"host "none.example" has no address"#);
    }
}

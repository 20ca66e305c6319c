//! From an address to sockets.

use std::io;
use std::net;
use std::path::Path;

use evio_sys::net::{ListenOptions, Listener, SocketAddr, UdpSocket, UnixName, is_unavailable};

use crate::address::{Address, Endpoint, Scheme, UnixPath};

/// A bound socket of either kind.
#[derive(Debug)]
pub(crate) enum Socket {
    Stream(Listener),
    Datagram(UdpSocket),
}

impl Socket {
    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Stream(listener) => listener.local_addr(),
            Self::Datagram(socket) => socket.local_addr().map(SocketAddr::Inet),
        }
    }
}

/// Binds everything that `address` stands for: a host name may have several addresses.
pub(crate) fn bind(address: &Address) -> io::Result<Vec<Socket>> {
    match address.endpoint() {
        Endpoint::Unix(path) => {
            let name = match path {
                UnixPath::Path(path) => UnixName::Path(Path::new(path)),
                UnixPath::Abstract(name) => UnixName::Abstract(name.as_bytes()),
            };
            Ok(vec![Socket::Stream(Listener::unix(name, &ListenOptions::default())?)])
        }
        Endpoint::Inet { .. } => bind_all(address, &address.resolve()?),
    }
}

/// Binds one more socket to the place of an earlier one; both must have `reuseport`.
pub(crate) fn bind_again(address: &Address, place: net::SocketAddr) -> io::Result<Socket> {
    bind_one(address, place)
}

/// Addresses that this machine does not have are left out, as long as one is left. Port 0 is chosen
/// once and for all of them.
fn bind_all(address: &Address, places: &[net::SocketAddr]) -> io::Result<Vec<Socket>> {
    let mut sockets: Vec<Socket> = Vec::new();
    let mut port = None;
    let mut unavailable = None;
    for &place in places {
        let mut place = place;
        place.set_port(port.unwrap_or(place.port()));
        match bind_one(address, place) {
            Ok(socket) => {
                port = socket.local_addr()?.as_inet().map(|local| local.port());
                sockets.push(socket);
            }
            Err(error) if is_unavailable(&error) => unavailable = Some(error),
            Err(error) => return Err(error),
        }
    }
    match unavailable {
        Some(error) if sockets.is_empty() => Err(error),
        _ => Ok(sockets),
    }
}

fn bind_one(address: &Address, place: net::SocketAddr) -> io::Result<Socket> {
    let options = ListenOptions {
        reuse_port: address.reuse_port(),
        only_v6: !address.is_dual_stack(),
        ..ListenOptions::default()
    };
    let bind_to = |place| match address.scheme() {
        Scheme::Udp | Scheme::Udp4 | Scheme::Udp6 => {
            UdpSocket::bind(place, &options).map(Socket::Datagram)
        }
        _ => Listener::tcp(place, &options).map(Socket::Stream),
    };
    match bind_to(place) {
        // A wildcard for both families, on a machine without IPv6.
        Err(error) if address.is_dual_stack() && place.is_ipv6() && is_unavailable(&error) => {
            bind_to((net::Ipv4Addr::UNSPECIFIED, place.port()).into())
        }
        result => result,
    }
}

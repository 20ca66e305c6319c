//! From an address, or a socket that somebody else has made, to the sockets of each loop.

use std::io;
use std::net;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;

use evio_core::{EventLoop, LoopHandle, SendError};
use evio_sys::net::{ListenOptions, Listener, SocketAddr, UdpSocket, UnixName, is_unavailable};

use crate::address::{Address, Endpoint, Scheme, UnixPath};
use crate::bound_address::BoundAddress;
use crate::error::Error;

/// A socket that listens, or takes datagrams, already: made by the program itself, or handed over
/// by the one that started it.
///
/// It is refused with [`InvalidInput`](io::ErrorKind::InvalidInput) when it is of another kind than
/// its type says, which only the kernel knows of a descriptor from elsewhere; when it does not
/// listen, or is not bound; and when `UDP_GRO`, `UDP_SEGMENT` or `UDP_CORK` is set, with which
/// several datagrams are received or sent as one.
///
/// These options are changed, and no others:
///
/// | option | of | becomes | why |
/// |---|---|---|---|
/// | `O_NONBLOCK` | all | on | a loop waits for nothing but its poller |
/// | `SO_LINGER` | TCP | off, unless its time is zero, which resets | a close would wait for the peer, and all others with it |
/// | `IP_PKTINFO`, `IPV6_RECVPKTINFO` | UDP, bound to a wildcard | on | a reply leaves from the address that was asked |
/// | `IP_RECVERR`, `IPV6_RECVERR`, `SO_TIMESTAMPING` | UDP | off | nobody reads the error queue, which is reported until it is read |
///
/// # Examples
///
/// ```
/// use evio::{ReadySocket, Server};
///
/// let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
/// let server = Server::from_socket(ReadySocket::try_from(listener)?)?;
/// assert!(server.local_addrs()[0].to_string().starts_with("tcp://127.0.0.1:"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ReadySocket(Socket);

impl TryFrom<net::TcpListener> for ReadySocket {
    type Error = io::Error;

    fn try_from(listener: net::TcpListener) -> io::Result<Self> {
        Ok(Self(Socket::Stream(listener.try_into()?)))
    }
}

/// The socket file is left where it is when the server ends.
impl TryFrom<UnixListener> for ReadySocket {
    type Error = io::Error;

    fn try_from(listener: UnixListener) -> io::Result<Self> {
        Ok(Self(Socket::Stream(listener.try_into()?)))
    }
}

impl TryFrom<net::UdpSocket> for ReadySocket {
    type Error = io::Error;

    fn try_from(socket: net::UdpSocket) -> io::Result<Self> {
        Ok(Self(Socket::Datagram(socket.try_into()?)))
    }
}

/// A bound socket of either kind.
#[derive(Debug)]
pub(crate) enum Socket {
    Stream(Listener),
    Datagram(UdpSocket),
}

impl Socket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Stream(listener) => listener.local_addr(),
            Self::Datagram(socket) => socket.local_addr().map(SocketAddr::Inet),
        }
    }

    fn set_reuse_port(&self) -> io::Result<()> {
        match self {
            Self::Stream(listener) => listener.set_reuse_port(),
            Self::Datagram(socket) => socket.set_reuse_port(),
        }
    }

    fn scheme(&self, local: &SocketAddr) -> Scheme {
        match (self, local) {
            (Self::Datagram(_), _) => Scheme::Udp,
            (Self::Stream(_), SocketAddr::Unix(_)) => Scheme::Unix,
            (Self::Stream(_), SocketAddr::Inet(_)) => Scheme::Tcp,
        }
    }
}

/// A bound socket, and how to make more of its kind.
#[derive(Debug)]
pub(crate) struct Bound {
    index: u16,
    local: SocketAddr,
    scheme: Scheme,
    /// `None` for a ready-made socket, of which there is only one.
    address: Option<Address>,
    options: ListenOptions,
    socket: Socket,
}

/// A socket for a loop.
#[derive(Debug)]
pub(crate) struct Share {
    index: u16,
    socket: SharedSocket,
}

#[derive(Debug)]
enum SharedSocket {
    /// Every loop accepts from it.
    Listener(Arc<Listener>),
    /// The loop's own: the kernel balances what comes in.
    LocalListener(Listener),
    Datagram(UdpSocket),
}

impl Bound {
    /// Binds everything that `address` stands for: a host name may have several addresses.
    pub(crate) fn all(
        index: u16,
        address: &Address,
        options: &ListenOptions,
    ) -> Result<Vec<Self>, Error> {
        let options = options
            .clone()
            .reuse_port(address.reuse_port())
            .only_v6(!address.is_dual_stack())
            .mode(address.mode());
        let bound = |socket: Socket| {
            let local = socket.local_addr()?;
            let (address, options) = (Some(address.clone()), options.clone());
            let scheme = socket.scheme(&local);
            let scheme = address.as_ref().map_or(scheme, Address::scheme);
            Ok(Self { index, local, scheme, address, options, socket })
        };
        bind(address, &options)
            .and_then(|sockets| sockets.into_iter().map(bound).collect())
            .map_err(|source| Error::Bind { address: Box::new(address.clone()), source })
    }

    pub(crate) fn ready(index: u16, ReadySocket(socket): ReadySocket) -> io::Result<Self> {
        let local = socket.local_addr()?;
        let scheme = socket.scheme(&local);
        let options = ListenOptions::default();
        Ok(Self { index, local, scheme, address: None, options, socket })
    }

    pub(crate) fn local_addr(&self) -> BoundAddress {
        BoundAddress::new(self.index, self.scheme, self.local.clone())
    }

    /// Gives each loop its socket: one of its own for UDP and with `reuseport`, where the kernel
    /// balances, and otherwise one listener for all of them, so that a loop that is held up keeps
    /// no connection of the others waiting. A UDP socket that cannot be shared is for loop 0.
    pub(crate) fn share(self, loops: usize) -> Result<Vec<(usize, Share)>, Error> {
        let Self { index, local, address, options, socket, .. } = self;
        let share = |socket| Share { index, socket };
        let own = |socket| share(SharedSocket::own(socket));
        let is_balanced = match &socket {
            Socket::Stream(_) => options.reuse_port,
            // It was bound without, so that an address that is in use was noticed.
            Socket::Datagram(socket) => {
                let can_share =
                    || address.is_some() && loops > 1 && socket.set_reuse_port().is_ok();
                options.reuse_port || can_share()
            }
        };
        let address = address.as_ref().zip(local.as_inet()).filter(|_| is_balanced);
        let Some((address, place)) = address else {
            return Ok(match socket {
                Socket::Stream(listener) => {
                    let listener = Arc::new(listener);
                    let listener =
                        |loop_id| (loop_id, SharedSocket::Listener(Arc::clone(&listener)));
                    let all = (0..loops).map(listener);
                    all.map(|(loop_id, socket)| (loop_id, share(socket))).collect()
                }
                Socket::Datagram(_) => vec![(0, own(socket))],
            });
        };
        let options = options.reuse_port(true);
        let mut shares = vec![(0, own(socket))];
        for loop_id in 1..loops {
            let socket = bind_one(address.scheme(), place, &options)
                .map_err(|source| Error::Bind { address: Box::new(address.clone()), source })?;
            shares.push((loop_id, own(socket)));
        }
        Ok(shares)
    }
}

impl SharedSocket {
    fn own(socket: Socket) -> Self {
        match socket {
            Socket::Stream(listener) => Self::LocalListener(listener),
            Socket::Datagram(socket) => Self::Datagram(socket),
        }
    }
}

impl Share {
    pub(crate) fn give_to(self, event_loop: &mut EventLoop) -> io::Result<()> {
        match self.socket {
            SharedSocket::Listener(listener) => event_loop.listen(self.index, listener),
            SharedSocket::LocalListener(listener) => event_loop.listen_here(self.index, listener),
            SharedSocket::Datagram(socket) => event_loop.bind(self.index, socket),
        }
    }

    /// The same for a loop that is running.
    pub(crate) fn send_to(self, event_loop: &LoopHandle) -> Result<(), SendError> {
        match self.socket {
            SharedSocket::Listener(listener) => event_loop.listen(self.index, listener),
            SharedSocket::LocalListener(listener) => event_loop.listen_here(self.index, listener),
            SharedSocket::Datagram(socket) => event_loop.bind(self.index, socket),
        }
    }
}

fn bind(address: &Address, options: &ListenOptions) -> io::Result<Vec<Socket>> {
    match address.endpoint() {
        Endpoint::Unix(path) => {
            let name = match path {
                UnixPath::Path(path) => UnixName::Path(Path::new(path)),
                UnixPath::Abstract(name) => UnixName::Abstract(name.as_bytes()),
            };
            Ok(vec![Socket::Stream(Listener::unix(name, options)?)])
        }
        Endpoint::Inet { .. } => bind_all(address, options, &address.resolve()?),
    }
}

/// How often a port is chosen for several addresses at once. In a range that is half in use, all of
/// these fail for two addresses once in 60,000.
const PORT_ATTEMPTS: usize = 16;

/// Binds all of `places`. A port that the system has chosen for the first of them may be taken for
/// another: then it is asked for a new one.
fn bind_all(
    address: &Address,
    options: &ListenOptions,
    places: &[net::SocketAddr],
) -> io::Result<Vec<Socket>> {
    let is_chosen = places.len() > 1 && places[0].port() == 0;
    for _ in 1..PORT_ATTEMPTS {
        match bind_together(address, options, places) {
            Err(error) if is_chosen && error.kind() == io::ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    bind_together(address, options, places)
}

/// Addresses that this machine does not have are left out, as long as one is left. Port 0 is chosen
/// once and for all of them, among those that nobody has: it can be shared from then on only.
fn bind_together(
    address: &Address,
    options: &ListenOptions,
    places: &[net::SocketAddr],
) -> io::Result<Vec<Socket>> {
    let mut sockets: Vec<Socket> = Vec::new();
    let mut port = None;
    let shares_later = options.reuse_port && places.iter().any(|place| place.port() == 0);
    let options = options.clone().reuse_port(options.reuse_port && !shares_later);
    let mut unavailable = None;
    for &place in places {
        let mut place = place;
        place.set_port(port.unwrap_or(place.port()));
        match bind_either_family(address, &options, place) {
            Ok(socket) => {
                port = socket.local_addr()?.as_inet().map(|local| local.port());
                if shares_later {
                    socket.set_reuse_port()?;
                }
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

fn bind_either_family(
    address: &Address,
    options: &ListenOptions,
    place: net::SocketAddr,
) -> io::Result<Socket> {
    match bind_one(address.scheme(), place, options) {
        // A wildcard for both families, on a machine without IPv6.
        Err(error) if address.is_dual_stack() && place.is_ipv6() && is_unavailable(&error) => {
            let place = (net::Ipv4Addr::UNSPECIFIED, place.port()).into();
            bind_one(address.scheme(), place, options)
        }
        result => result,
    }
}

fn bind_one(scheme: Scheme, place: net::SocketAddr, options: &ListenOptions) -> io::Result<Socket> {
    if scheme.is_datagram() {
        UdpSocket::bind(place, options).map(Socket::Datagram)
    } else {
        Listener::tcp(place, options).map(Socket::Stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many ports of one of the addresses are in use by others, who would share them.
    #[test]
    fn a_chosen_port_is_free_for_all_addresses() {
        const TAKEN: usize = 100;
        let address: Address = "udp://localhost:0".parse().unwrap();
        let port = |socket: &Socket| socket.local_addr().unwrap().as_inet().unwrap().port();
        let places = ["127.0.0.1:0", "[::1]:0"].map(|place| place.parse().unwrap());
        let options = ListenOptions::default();
        let can_share = bind_one(Scheme::Udp, places[0], &options)
            .is_ok_and(|socket| socket.set_reuse_port().is_ok());
        let options = options.reuse_port(can_share);
        let taken = (0..TAKEN).map(|_| bind_one(Scheme::Udp, places[1], &options));
        let Ok(taken) = taken.collect::<io::Result<Vec<_>>>() else { return };
        let taken: Vec<u16> = taken.iter().map(port).collect();
        for options in [ListenOptions::default(), options] {
            for _ in 0..20 * TAKEN {
                let sockets = bind_all(&address, &options, &places).unwrap();
                let ports: Vec<_> = sockets.iter().map(port).collect();
                assert_eq!(ports, [ports[0]; 2]);
                assert!(!taken.contains(&ports[0]), "somebody else has port {}", ports[0]);
            }
        }
    }

    /// Both are the same address, so the second one finds each port taken.
    #[test]
    fn no_port_that_is_free_for_all_addresses_is_an_error() {
        for address in ["tcp://localhost:0", "udp://localhost:0"] {
            let address: Address = address.parse().unwrap();
            let places = ["127.0.0.1:0"; 2].map(|place| place.parse().unwrap());
            let error = bind_all(&address, &ListenOptions::default(), &places).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "{address}");
        }
    }

    /// The address is one for documentation, which no machine has: as `[::]` on one without IPv6.
    #[test]
    fn a_wildcard_for_both_families_is_one_for_ipv4_where_there_is_no_ipv6() {
        let place = "[2001:db8::1]:0".parse().unwrap();
        for (address, has_fallback) in
            [("tcp://:0", true), ("udp://:0", true), ("tcp6://:0", false), ("tcp://[::]:0", false)]
        {
            let address: Address = address.parse().unwrap();
            let socket = bind_either_family(&address, &ListenOptions::default(), place);
            let local = socket.map(|socket| socket.local_addr().unwrap().as_inet().unwrap());
            match local {
                Ok(local) if has_fallback => assert!(local.ip() == net::Ipv4Addr::UNSPECIFIED),
                Err(error) if !has_fallback => assert!(is_unavailable(&error), "{error}"),
                local => panic!("{address}: {local:?}"),
            }
        }
    }
}

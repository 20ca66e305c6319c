//! UDP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{SockType, getsockopt, sockopt};

use super::addr::canonical;
use super::listener::{bind_inet, family_of};
use super::options::ListenOptions;
use super::taken_over::{check_datagrams, check_kind};
use super::uninterrupted;
use crate::backend;

/// A buffer of this size takes any datagram whole: UDP counts length in 16 bits.
///
/// # Examples
///
/// ```
/// use evio_sys::net::{ListenOptions, MAX_DATAGRAM, UdpSocket};
///
/// # fn main() -> std::io::Result<()> {
/// let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
/// socket.send_to(&[0; 8000], socket.local_addr()?)?;
/// let mut buffer = vec![0; MAX_DATAGRAM];
/// assert_eq!(socket.recv_from(&mut buffer)?.len, 8000);
/// # Ok(())
/// # }
/// ```
pub const MAX_DATAGRAM: usize = 65_535;

/// A non-blocking UDP socket.
///
/// # Examples
///
/// ```
/// use evio_sys::net::{ListenOptions, Received, UdpSocket};
///
/// # fn main() -> std::io::Result<()> {
/// let mut socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
/// let address = socket.local_addr()?;
/// socket.send_to(b"to myself", address)?;
/// let mut buffer = [0; 16];
/// let Received { len, peer, .. } = socket.recv_from(&mut buffer)?;
/// assert_eq!((&buffer[..len], peer), (&b"to myself"[..], address));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    socket: std::net::UdpSocket,
    /// Whether it knows addresses by their IPv6 form, those of IPv4 by their mapped one.
    is_v6: bool,
    takes_v4: bool,
    takes_v6: bool,
    /// Room for what the system tells beside a datagram; `None` if it is not asked to.
    control: Option<Vec<u8>>,
}

/// The size and the addresses of a received datagram.
///
/// # Examples
///
/// See [`UdpSocket`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// How many bytes of the buffer it took.
    pub len: usize,
    /// Where it came from.
    pub peer: SocketAddr,
    /// The address of this machine that it came to, if the socket is bound to a wildcard and the
    /// system tells.
    pub local: Option<IpAddr>,
}

impl UdpSocket {
    /// Binds a UDP address; port 0 lets the system choose one. The backlog does not apply.
    ///
    /// # Errors
    ///
    /// Fails when the address is in use, not local, or not permitted, or when the process is out
    /// of file descriptors.
    pub fn bind(address: SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        #[cfg(feature = "sim")]
        if crate::sim::current().is_some() {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let socket = backend::open_socket(family_of(&address), SockType::Datagram)?;
        bind_inet(&socket, address, options)?;
        backend::disable_multicast_all(socket.as_fd(), address.is_ipv6());
        Self::bound(socket.into())
    }

    fn bound(socket: std::net::UdpSocket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let is_v6 = address.is_ipv6();
        let address = canonical(address);
        // With one address there is nothing to ask.
        let control = if address.ip().is_unspecified() {
            backend::enable_pktinfo(socket.as_fd(), is_v6)?
        } else {
            None
        };
        let takes_v4 = !is_v6 || !getsockopt(&socket, sockopt::Ipv6V6Only)?;
        Ok(Self { socket, is_v6, takes_v4, takes_v6: address.is_ipv6(), control })
    }

    /// Lets further sockets bind the same address, each taking some of the peers
    /// (`SO_REUSEPORT`).
    ///
    /// # Errors
    ///
    /// [`Unsupported`](io::ErrorKind::Unsupported) on systems other than Linux and FreeBSD.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio_sys::net::{ListenOptions, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let options = ListenOptions::default();
    /// let first = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &options)?;
    /// // It fails where the system has no such thing.
    /// if first.set_reuse_port().is_ok() {
    ///     UdpSocket::bind(first.local_addr()?, &options.reuse_port(true))?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_reuse_port(&self) -> io::Result<()> {
        backend::set_reuse_port(self.socket.as_fd())
    }

    /// Returns whether the socket is one for addresses of this family.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio_sys::net::{ListenOptions, UdpSocket};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
    /// assert!(socket.is_for("192.0.2.1:53".parse().unwrap()));
    /// assert!(!socket.is_for("[2001:db8::1]:53".parse().unwrap()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_for(&self, peer: SocketAddr) -> bool {
        if peer.is_ipv4() { self.takes_v4 } else { self.takes_v6 }
    }

    /// Receives one datagram. With a `buffer` of [`MAX_DATAGRAM`] bytes nothing is ever cut off.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when none is there, and what
    /// [`is_defunct`](crate::net::is_defunct) says so of when the socket is of no use any more.
    /// The others mostly tell of an earlier datagram that one peer did not take, each once; what
    /// fails again and again is short of memory or permission, so leave it alone for a while.
    #[inline]
    pub fn recv_from(&mut self, buffer: &mut [u8]) -> io::Result<Received> {
        let Some(control) = &mut self.control else {
            let (len, peer) = uninterrupted(|| self.socket.recv_from(buffer))?;
            return Ok(Received { len, peer: canonical(peer), local: None });
        };
        let socket = self.socket.as_fd();
        let mut received = uninterrupted(|| backend::recv_with_local(socket, buffer, control))?;
        received.peer = canonical(received.peer);
        received.local = received.local.map(|local| local.to_canonical());
        Ok(received)
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room; others when the datagram is
    /// too large for the network or the peer cannot be reached.
    #[inline]
    pub fn send_to(&self, bytes: &[u8], peer: SocketAddr) -> io::Result<usize> {
        let peer = self.native(peer);
        uninterrupted(|| self.socket.send_to(bytes, peer))
    }

    /// Sends one datagram from `source`, which is an address of this machine.
    ///
    /// # Errors
    ///
    /// As [`send_to`](Self::send_to); also when `source` is not an address of this machine.
    ///
    /// # Platform notes
    ///
    /// On OpenBSD and DragonFly the system chooses the source of a datagram of IPv6. Where one of
    /// IPv4 may not be sent from `source`, kqueue systems choose it, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio_sys::net::UdpSocket;
    ///
    /// /// Answers each datagram from the address that it was sent to.
    /// fn echo(socket: &mut UdpSocket, buffer: &mut [u8]) -> std::io::Result<()> {
    ///     loop {
    ///         let received = socket.recv_from(buffer)?;
    ///         let bytes = &buffer[..received.len];
    ///         match received.local {
    ///             Some(local) => socket.send_from(bytes, local, received.peer)?,
    ///             None => socket.send_to(bytes, received.peer)?,
    ///         };
    ///     }
    /// }
    /// ```
    pub fn send_from(&self, bytes: &[u8], source: IpAddr, peer: SocketAddr) -> io::Result<usize> {
        let source = self.native((source, 0).into()).ip();
        let peer = self.native(peer);
        uninterrupted(|| backend::send_from(self.socket.as_fd(), bytes, source, peer))
    }

    /// A dual-stack socket knows IPv4 addresses by their mapped form.
    fn native(&self, address: SocketAddr) -> SocketAddr {
        match address {
            SocketAddr::V4(v4) if self.is_v6 => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            address => address,
        }
    }

    /// Joins an IPv4 multicast group, on the interface with the given address; an unspecified one
    /// leaves the choice to the system.
    ///
    /// # Errors
    ///
    /// Fails when `group` is no multicast address, the socket takes no IPv4, the interface does not
    /// exist, or the group was joined already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::{Ipv4Addr, Ipv6Addr};
    /// use evio_sys::net::UdpSocket;
    ///
    /// /// Hears what is said to a group of each family, and then no more.
    /// fn listen(v4: &UdpSocket, v6: &UdpSocket) -> std::io::Result<()> {
    ///     let group = Ipv4Addr::new(239, 1, 2, 3);
    ///     let group_v6 = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x0102, 3);
    ///     v4.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED)?;
    ///     v6.join_multicast_v6(group_v6, 0)?;
    ///     v6.leave_multicast_v6(group_v6, 0)?;
    ///     v4.leave_multicast_v4(group, Ipv4Addr::UNSPECIFIED)
    /// }
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket.join_multicast_v4(&group, &interface)
    }

    /// Joins an IPv6 multicast group, on the interface with the given index; zero leaves the choice
    /// to the system.
    ///
    /// # Errors
    ///
    /// Fails when `group` is no multicast address, the socket is not one of IPv6, the interface
    /// does not exist, or the group was joined already.
    ///
    /// # Examples
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.join_multicast_v6(&group, interface)
    }

    /// Leaves an IPv4 multicast group.
    ///
    /// # Errors
    ///
    /// Fails when it was not joined on that interface.
    ///
    /// # Examples
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.socket.leave_multicast_v4(&group, &interface)
    }

    /// Leaves an IPv6 multicast group.
    ///
    /// # Errors
    ///
    /// Fails when it was not joined on that interface.
    ///
    /// # Examples
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.leave_multicast_v6(&group, interface)
    }

    /// Returns the address that was bound, with the real port.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// Takes over a socket that is bound already, and makes it non-blocking. Its options stay as they
/// are, but for these on Linux: a socket that is bound to a wildcard tells the local address of
/// each datagram (`IP_PKTINFO`, `IPV6_RECVPKTINFO`), and nothing is put on the error queue any more
/// (`IP_RECVERR`, `IPV6_RECVERR`, `SO_TIMESTAMPING`), since this type does not read it.
///
/// # Errors
///
/// [`InvalidInput`](io::ErrorKind::InvalidInput) when it is not a UDP socket, when it is not bound,
/// and when it has an option with which several datagrams are received or sent as one (`UDP_GRO`,
/// `UDP_SEGMENT`, `UDP_CORK`).
impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    fn try_from(socket: std::net::UdpSocket) -> io::Result<Self> {
        check_kind(&socket)?;
        check_datagrams(&socket)?;
        socket.set_nonblocking(true)?;
        backend::disable_error_queue(socket.as_fd());
        // The error of an earlier datagram, which is reported until it is taken.
        socket.take_error()?;
        Self::bound(socket)
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

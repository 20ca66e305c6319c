//! UDP.

use std::io;
use std::net::{SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::SockType;

use super::addr::canonical;
use super::listener::{bind_inet, family_of};
use super::options::ListenOptions;
use super::uninterrupted;
use crate::backend;

/// A buffer of this size takes any datagram whole: UDP counts length in 16 bits.
pub const MAX_DATAGRAM: usize = 65_535;

/// A non-blocking UDP socket.
///
/// # Examples
///
/// ```
/// use evio_sys::net::{ListenOptions, UdpSocket};
///
/// # fn main() -> std::io::Result<()> {
/// let socket = UdpSocket::bind("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
/// let address = socket.local_addr()?;
/// socket.send_to(b"to myself", address)?;
/// let mut buffer = [0; 16];
/// assert_eq!(socket.recv_from(&mut buffer)?, (9, address));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct UdpSocket {
    socket: std::net::UdpSocket,
    is_v6: bool,
}

impl UdpSocket {
    /// Binds a UDP address; port 0 lets the system choose one. The backlog does not apply.
    ///
    /// # Errors
    ///
    /// Fails when the address is in use, not local, or not permitted, or when the process is out
    /// of file descriptors.
    pub fn bind(address: SocketAddr, options: &ListenOptions) -> io::Result<Self> {
        let socket = backend::open_socket(family_of(&address), SockType::Datagram)?;
        bind_inet(&socket, address, options)?;
        Ok(Self { socket: socket.into(), is_v6: address.is_ipv6() })
    }

    /// Receives one datagram. With a `buffer` of [`MAX_DATAGRAM`] bytes nothing is ever cut off.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when none is there. The others tell of an earlier
    /// datagram that one peer did not take; the socket goes on working.
    #[inline]
    pub fn recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (len, peer) = uninterrupted(|| self.socket.recv_from(buffer))?;
        Ok((len, canonical(peer)))
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room; others when the datagram is
    /// too large for the network or the peer cannot be reached.
    #[inline]
    pub fn send_to(&self, bytes: &[u8], peer: SocketAddr) -> io::Result<usize> {
        let peer = match peer {
            // A dual-stack socket knows IPv4 peers by their mapped addresses.
            SocketAddr::V4(v4) if self.is_v6 => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            peer => peer,
        };
        uninterrupted(|| self.socket.send_to(bytes, peer))
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

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

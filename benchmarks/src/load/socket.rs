//! The sockets of the generator, whatever the network.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

use super::endpoint::Endpoint;

/// A connected socket that does not block.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Udp(UdpSocket),
    Unix(UnixStream),
}

impl Socket {
    /// Connects to a server, for which it may take as long as `patience`.
    pub(super) fn connect(endpoint: &Endpoint, patience: Duration) -> io::Result<Self> {
        match endpoint {
            Endpoint::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, patience)?;
                stream.set_nonblocking(true)?;
                stream.set_nodelay(true)?;
                // Closed with a reset. Otherwise each closed connection would keep its port for a
                // minute, and a run that opens a connection per request would soon have none left.
                setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
                Ok(Self::Tcp(stream))
            }
            Endpoint::Udp(address) => {
                let any_port = SocketAddr::new(loopback(address), 0);
                let socket = UdpSocket::bind(any_port)?;
                socket.connect(address)?;
                socket.set_nonblocking(true)?;
                Ok(Self::Udp(socket))
            }
            Endpoint::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(stream))
            }
        }
    }

    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Udp(socket) => socket.recv(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Udp(socket) => socket.send(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Udp(socket) => socket.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

/// Returns the loopback address of the family of `peer`.
fn loopback(peer: &SocketAddr) -> IpAddr {
    match peer {
        SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    }
}

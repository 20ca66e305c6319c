//! Datagrams, as fast as they can be sent.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};

use super::neighbour::Noise;

/// Sockets that datagrams come from.
const SOCKETS: usize = 4;

/// Datagrams that a socket sends in a step, of 3 microseconds each.
const BURST: usize = 16;

/// Sends datagrams and counts those that come back. Most are lost: they are sent faster than any
/// server takes them.
pub(super) struct Datagrams {
    sockets: Vec<UdpSocket>,
    message: Vec<u8>,
    next: usize,
    answers: u64,
}

impl Datagrams {
    pub(super) fn connect(address: SocketAddr, message: Vec<u8>) -> io::Result<Self> {
        let here: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let open = |_| {
            let socket = UdpSocket::bind((here, 0))?;
            socket.connect(address)?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let sockets = (0..SOCKETS).map(open).collect::<io::Result<_>>()?;
        Ok(Self { sockets, message, next: 0, answers: 0 })
    }
}

impl Noise for Datagrams {
    fn step(&mut self, _: Instant) -> io::Result<bool> {
        self.next = (self.next + 1) % self.sockets.len();
        let socket = self.sockets[self.next].as_raw_fd();
        for _ in 0..BURST {
            match send(socket, &self.message, MsgFlags::MSG_NOSIGNAL) {
                Ok(_) => {}
                // There is no room, or nobody listens any more.
                Err(Errno::EAGAIN | Errno::ENOBUFS | Errno::ECONNREFUSED) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let mut answer = [0; 64];
        while recv(socket, &mut answer, MsgFlags::empty()).is_ok() {
            self.answers += 1;
        }
        Ok(true)
    }

    fn served(&self) -> u64 {
        self.answers
    }

    /// There is always more to send.
    fn readiness(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

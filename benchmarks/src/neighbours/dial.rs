//! Connections of the generator: they do not block, and close with a reset.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc::linger;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, connect, setsockopt, socket, sockopt,
};

/// How long a server may take to accept a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a peer that never reads may make the kernel keep for it in each direction. Of a thousand
/// such peers, the usual buffers would take more than the kernel has for all of TCP, and that would
/// be what is measured.
const NARROW: usize = 16 << 10;

/// The segments of an Ethernet. The kernel lets a sender queue a multiple of a segment, and those
/// of the loopback device are 64 KiB long.
const NARROW_SEGMENT: u32 = 1448;

/// How much the kernel keeps for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buffers {
    /// As much as it finds right.
    Usual,
    /// Little.
    Narrow,
}

/// Begins to connect. On the loopback device the connection is there when this returns, unless the
/// listener's backlog is full.
///
/// A reset at its end leaves the port free. Otherwise each connection would keep it for a minute.
pub(super) fn begin(address: SocketAddr, buffers: Buffers) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let stream = socket(family, SockType::Stream, flags, None)?;
    setsockopt(&stream, sockopt::TcpNoDelay, &true)?;
    setsockopt(&stream, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
    if buffers == Buffers::Narrow {
        setsockopt(&stream, sockopt::RcvBuf, &NARROW)?;
        setsockopt(&stream, sockopt::SndBuf, &NARROW)?;
        setsockopt(&stream, sockopt::TcpMaxSeg, &NARROW_SEGMENT)?;
    }
    match connect(stream.as_raw_fd(), &SockaddrStorage::from(address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(stream),
        Err(error) => Err(error.into()),
    }
}

/// Connects, and waits until the connection is there.
pub(super) fn open(address: SocketAddr, buffers: Buffers) -> io::Result<OwnedFd> {
    let stream = begin(address, buffers)?;
    let limit = PollTimeout::try_from(PATIENCE).expect("some seconds fit a timeout");
    let mut room = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
    if poll(&mut room, limit)? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the server accepts no connection"));
    }
    match nix::sys::socket::getsockopt(&stream, sockopt::SocketError)? {
        0 => Ok(stream),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

//! Datagrams with what the system tells of them, where the backends agree.

// What a refused system has does not matter, but the refusal must be the only error there.
#[cfg(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd"))]
#[path = "datagram/sendmmsg.rs"]
mod sender;
#[cfg(not(any(target_os = "linux", target_os = "freebsd", target_os = "netbsd")))]
#[path = "datagram/sendmsg.rs"]
mod sender;

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};

pub(super) use sender::Sender;

use crate::net::Received;

/// Room for what else a socket may tell that was set up elsewhere: timestamps, dropped datagrams,
/// the hop limit, the traffic class and the like, 20 to 40 bytes each.
pub(super) const OTHER_MESSAGES: usize = 512;

/// Receives a datagram. `local_address` finds the address to reply from in what the system tells.
pub(super) fn recv(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [u8],
    local_address: impl Fn(&mut dyn Iterator<Item = ControlMessageOwned>) -> Option<IpAddr>,
) -> io::Result<Received> {
    let mut buffers = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::empty();
    let message = recvmsg::<SockaddrStorage>(fd.as_raw_fd(), &mut buffers, Some(control), flags)?;
    let peer = message.address.as_ref().and_then(inet).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "a datagram without an internet address")
    })?;
    // If there was no room for all, nothing is told.
    let local = message.cmsgs().ok().and_then(|mut messages| local_address(&mut messages));
    Ok(Received { len: message.bytes, peer, local })
}

fn inet(address: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| SocketAddrV4::from(*v4).into());
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddrV6::from(*v6).into()))
}

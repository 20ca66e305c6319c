//! The local address of a datagram: IP_RECVDSTADDR and IP_SENDSRCADDR of ip(4), and IPV6_PKTINFO
//! of ip6(4).
//!
//! macOS names the source of a datagram by IP_PKTINFO, and so does the model, which is told it by
//! that, too. nix has no message for the source of IPv6 on OpenBSD and DragonFly: there the system
//! chooses it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, sendto, setsockopt, sockopt,
};

use crate::backend::datagram::{self, OTHER_MESSAGES, Sender};
use crate::net::Received;

/// Asks for the local address of each datagram, and returns the room for it.
pub(crate) fn enable_pktinfo(fd: BorrowedFd<'_>, is_v6: bool) -> io::Result<Option<Vec<u8>>> {
    #[cfg(evio_kqueue)]
    use sockopt::Ipv4PacketInfo as LocalV4;
    #[cfg(not(evio_kqueue))]
    use sockopt::Ipv4RecvDstAddr as LocalV4;

    if !is_v6 {
        setsockopt(&fd, LocalV4, &true)?;
    } else if cfg!(any(target_os = "openbsd", target_os = "dragonfly")) {
        return Ok(None);
    } else {
        setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(Some(nix::cmsg_space!([u8; 16], libc::in6_pktinfo, [u8; OTHER_MESSAGES])))
}

pub(crate) fn recv_with_local(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<Received> {
    datagram::recv(fd, buffer, control, |messages| messages.filter_map(local_address).next())
}

/// Returns the address to reply from: none for a datagram that was sent to many.
fn local_address(message: ControlMessageOwned) -> Option<IpAddr> {
    let local = match message {
        #[cfg(evio_kqueue)]
        ControlMessageOwned::Ipv4PacketInfo(info) => v4(info.ipi_spec_dst),
        #[cfg(not(evio_kqueue))]
        ControlMessageOwned::Ipv4RecvDstAddr(address) => v4(address),
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            IpAddr::from(info.ipi6_addr.s6_addr).to_canonical()
        }
        _ => return None,
    };
    let is_for_many = local.is_multicast() || local == IpAddr::V4(Ipv4Addr::BROADCAST);
    (!is_for_many).then_some(local)
}

fn v4(address: libc::in_addr) -> IpAddr {
    IpAddr::from(address.s_addr.to_ne_bytes())
}

/// What names the source of a datagram of IPv4.
#[cfg(any(target_os = "macos", evio_kqueue))]
type SourceV4 = libc::in_pktinfo;
#[cfg(not(any(target_os = "macos", evio_kqueue)))]
type SourceV4 = libc::in_addr;

thread_local! {
    static V4_SENDER: Sender = Sender::new(nix::cmsg_space!(SourceV4));
    #[cfg(not(any(target_os = "openbsd", target_os = "dragonfly")))]
    static V6_SENDER: Sender = Sender::new(nix::cmsg_space!(libc::in6_pktinfo));
}

/// Sends from an address that a datagram came to. That may have been the broadcast address of a
/// network, which these systems do not tell apart: then the system chooses the source.
pub(crate) fn send_from(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    source: IpAddr,
    peer: SocketAddr,
) -> io::Result<usize> {
    let sent = match source {
        IpAddr::V4(source) => send_from_v4(fd, bytes, source, peer),
        IpAddr::V6(source) => send_from_v6(fd, bytes, source, peer),
    };
    match sent {
        // ENETUNREACH is what Linux says, and so the model, on a socket for both families.
        Err(Errno::EADDRNOTAVAIL | Errno::ENETUNREACH) if source.to_canonical().is_ipv4() => {
            Ok(send(fd, bytes, peer)?)
        }
        sent => Ok(sent?),
    }
}

fn send_from_v4(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    source: Ipv4Addr,
    peer: SocketAddr,
) -> nix::Result<usize> {
    let source = libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) };
    #[cfg(any(target_os = "macos", evio_kqueue))]
    let source =
        SourceV4 { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: libc::in_addr { s_addr: 0 } };
    #[cfg(any(target_os = "macos", evio_kqueue))]
    let message = ControlMessage::Ipv4PacketInfo(&source);
    #[cfg(not(any(target_os = "macos", evio_kqueue)))]
    let message = ControlMessage::Ipv4SendSrcAddr(&source);
    V4_SENDER.with(|sender| sender.send(fd, bytes, message, peer))
}

#[cfg(not(any(target_os = "openbsd", target_os = "dragonfly")))]
fn send_from_v6(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    source: Ipv6Addr,
    peer: SocketAddr,
) -> nix::Result<usize> {
    let ipi6_addr = libc::in6_addr { s6_addr: source.octets() };
    let info = libc::in6_pktinfo { ipi6_addr, ipi6_ifindex: 0 };
    let message = ControlMessage::Ipv6PacketInfo(&info);
    V6_SENDER.with(|sender| sender.send(fd, bytes, message, peer))
}

/// nix has no message that names the source: the system chooses it.
#[cfg(any(target_os = "openbsd", target_os = "dragonfly"))]
fn send_from_v6(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    _source: Ipv6Addr,
    peer: SocketAddr,
) -> nix::Result<usize> {
    send(fd, bytes, peer)
}

fn send(fd: BorrowedFd<'_>, bytes: &[u8], peer: SocketAddr) -> nix::Result<usize> {
    sendto(fd.as_raw_fd(), bytes, &SockaddrStorage::from(peer), MsgFlags::empty())
}

//! Linux: what the system tells of a datagram beside its bytes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, getsockopt, recv, setsockopt, sockopt,
};

use super::options;
use crate::backend::datagram::{self, OTHER_MESSAGES, Sender};
use crate::net::Received;

/// Asks for the local address of each datagram, and returns the room for it.
pub(crate) fn enable_pktinfo(fd: BorrowedFd<'_>, is_v6: bool) -> io::Result<Option<Vec<u8>>> {
    // A dual-stack socket tells of IPv4 in both ways, and only one has the address to reply from.
    setsockopt(&fd, sockopt::Ipv4PacketInfo, &true)?;
    if is_v6 {
        setsockopt(&fd, sockopt::Ipv6RecvPacketInfo, &true)?;
    }
    Ok(Some(nix::cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo, [u8; OTHER_MESSAGES])))
}

/// By default a socket that is bound to a wildcard receives what any socket of the machine has
/// joined; see `ip(7)`, `IP_MULTICAST_ALL`. A system without the options stays with that.
pub(crate) fn disable_multicast_all(fd: BorrowedFd<'_>, is_v6: bool) {
    if is_v6 {
        let _ = setsockopt(&fd, options::Ipv6MulticastAll, &0);
    }
    let _ = setsockopt(&fd, options::IpMulticastAll, &0);
}

/// Turns off what puts messages on the socket's error queue, and empties it. It would be reported
/// as a failure until somebody reads it; see `ip(7)`, `IP_RECVERR`, and `SO_TIMESTAMPING` in the
/// kernel's documentation of the network. An option of another family, or one that this system does
/// not have, is off.
pub(crate) fn disable_error_queue(fd: BorrowedFd<'_>) {
    let _ = setsockopt(&fd, sockopt::Ipv4RecvErr, &false);
    let _ = setsockopt(&fd, sockopt::Ipv6RecvErr, &false);
    let _ = setsockopt(&fd, options::Timestamping, &0);
    while recv(fd.as_raw_fd(), &mut [0], MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT).is_ok() {}
}

/// Returns the name of an option of the socket with which several datagrams are received or sent as
/// one; `udp(7)`.
pub(crate) fn datagram_merger(fd: BorrowedFd<'_>) -> Option<&'static str> {
    // One that the system does not have is off.
    if getsockopt(&fd, sockopt::UdpGroSegment).unwrap_or(false) {
        Some("UDP_GRO")
    } else if getsockopt(&fd, sockopt::UdpGsoSegment).unwrap_or(0) != 0 {
        Some("UDP_SEGMENT")
    } else if getsockopt(&fd, options::UdpCork).unwrap_or(0) != 0 {
        Some("UDP_CORK")
    } else {
        None
    }
}

pub(crate) fn recv_with_local(
    fd: BorrowedFd<'_>,
    buffer: &mut [u8],
    control: &mut [u8],
) -> io::Result<Received> {
    datagram::recv(fd, buffer, control, local_address)
}

/// Returns the address to reply from, which for IPv4 is that of the interface if the datagram was
/// sent to many.
fn local_address(messages: &mut dyn Iterator<Item = ControlMessageOwned>) -> Option<IpAddr> {
    let mut by_v6 = None;
    for message in messages {
        match message {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                return Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()));
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                by_v6 = Some(IpAddr::from(info.ipi6_addr.s6_addr).to_canonical());
            }
            _ => {}
        }
    }
    by_v6.filter(|local| !local.is_multicast())
}

thread_local! {
    static V4_SENDER: Sender = Sender::new(nix::cmsg_space!(libc::in_pktinfo));
    static V6_SENDER: Sender = Sender::new(nix::cmsg_space!(libc::in6_pktinfo));
}

pub(crate) fn send_from(
    fd: BorrowedFd<'_>,
    bytes: &[u8],
    source: IpAddr,
    peer: SocketAddr,
) -> io::Result<usize> {
    // No interface is named, so that the route is still the system's choice.
    let sent = match source {
        IpAddr::V4(source) => V4_SENDER.with(|sender| {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(source.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            sender.send(fd, bytes, ControlMessage::Ipv4PacketInfo(&info), peer)
        }),
        IpAddr::V6(source) => V6_SENDER.with(|sender| {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                ipi6_ifindex: 0,
            };
            sender.send(fd, bytes, ControlMessage::Ipv6PacketInfo(&info), peer)
        }),
    };
    Ok(sent?)
}

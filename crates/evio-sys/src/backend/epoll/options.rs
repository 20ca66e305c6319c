//! Linux: socket options that nix has no name for.

use nix::libc::{self, c_int};
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};

sockopt_impl!(
    /// Reports a connection when it has sent something; `tcp(7)`.
    TcpDeferAccept,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_DEFER_ACCEPT,
    c_int
);

sockopt_impl!(
    /// Whether multicast that other sockets joined is received too; `ip(7)`.
    IpMulticastAll,
    Both,
    libc::IPPROTO_IP,
    libc::IP_MULTICAST_ALL,
    c_int
);

sockopt_impl!(
    /// The same for IPv6; `linux/in6.h` of Linux 4.20 and later.
    Ipv6MulticastAll,
    Both,
    libc::IPPROTO_IPV6,
    libc::IPV6_MULTICAST_ALL,
    c_int
);

sockopt_impl!(
    /// The protocol of a socket, such as `IPPROTO_TCP`; `socket(7)`.
    SocketProtocol,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_PROTOCOL,
    c_int
);

sockopt_impl!(
    /// Which timestamps are told, those of what was sent by the error queue; 0 turns all off.
    Timestamping,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_TIMESTAMPING,
    c_int
);

sockopt_impl!(
    /// Whether what is sent waits to leave as one datagram; `udp(7)`.
    UdpCork,
    Both,
    libc::IPPROTO_UDP,
    libc::UDP_CORK,
    c_int
);

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
    SetOnly,
    libc::IPPROTO_IP,
    libc::IP_MULTICAST_ALL,
    c_int
);

sockopt_impl!(
    /// The same for IPv6; `linux/in6.h` of Linux 4.20 and later.
    Ipv6MulticastAll,
    SetOnly,
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

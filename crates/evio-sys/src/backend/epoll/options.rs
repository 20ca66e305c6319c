//! Linux: socket options that nix has no name for.

use std::io;
use std::os::fd::BorrowedFd;

use nix::libc::{self, c_int};

use crate::backend::raw;

/// An option whose value is an `int`.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntOption {
    level: c_int,
    name: c_int,
}

/// Reports a connection when it has sent something; `tcp(7)`.
pub(super) const TCP_DEFER_ACCEPT: IntOption =
    IntOption { level: libc::IPPROTO_TCP, name: libc::TCP_DEFER_ACCEPT };

/// Whether multicast that other sockets joined is received too; `ip(7)`.
pub(super) const IP_MULTICAST_ALL: IntOption =
    IntOption { level: libc::IPPROTO_IP, name: libc::IP_MULTICAST_ALL };

/// The same for IPv6; `linux/in6.h` of Linux 4.20 and later.
pub(super) const IPV6_MULTICAST_ALL: IntOption =
    IntOption { level: libc::IPPROTO_IPV6, name: libc::IPV6_MULTICAST_ALL };

impl IntOption {
    pub(super) fn set(self, fd: BorrowedFd<'_>, value: c_int) -> io::Result<()> {
        raw::set_option(fd, self.level, self.name, value)
    }
}

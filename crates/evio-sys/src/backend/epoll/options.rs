//! Linux: socket options that nix has no name for.
//!
//! The only unsafe code of the project, since no crate that we would depend on has a safe call for
//! options of one's own.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::libc::{self, c_int};

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
    #[expect(unsafe_code, reason = "nix can set the options that it knows, and no others")]
    pub(super) fn set(self, fd: BorrowedFd<'_>, value: c_int) -> io::Result<()> {
        let len = mem::size_of::<c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open for the time of the borrow, and the kernel reads `len`
        // bytes from the address of `value`, which is that long and lives until the call returns.
        let result = unsafe {
            let value = std::ptr::from_ref(&value).cast();
            libc::setsockopt(fd.as_raw_fd(), self.level, self.name, value, len)
        };
        Ok(Errno::result(result).map(drop)?)
    }
}

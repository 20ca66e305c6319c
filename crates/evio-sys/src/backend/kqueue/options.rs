//! Socket options, where the systems differ.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

#[cfg(not(any(target_os = "openbsd", evio_kqueue)))]
use nix::libc;
use nix::sys::socket::{
    AddressFamily, SockaddrLike, SockaddrStorage, getsockname, setsockopt, sockopt,
};
#[cfg(target_os = "macos")]
use nix::{getsockopt_impl, setsockopt_impl, sockopt_impl};
#[cfg(any(target_os = "freebsd", target_os = "netbsd", target_os = "dragonfly"))]
use nix::{setsockopt_impl, sockopt_impl};

use crate::net::Keepalive;

#[cfg(target_os = "macos")]
sockopt_impl!(
    /// No SIGPIPE for what is sent; `getsockopt(2)`.
    NoSigPipe,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_NOSIGPIPE,
    bool
);

#[cfg(target_os = "netbsd")]
sockopt_impl!(
    /// Silence before the first probe, in seconds; `tcp(4)`.
    TcpKeepIdle,
    SetOnly,
    libc::IPPROTO_TCP,
    libc::TCP_KEEPIDLE,
    u32
);

/// FreeBSD makes a socket one of a group when it is bound.
pub(crate) const IS_SHARED_LATER: bool = false;

#[cfg(target_os = "freebsd")]
pub(crate) fn set_reuse_port(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(setsockopt(&fd, sockopt::ReusePortLb, &true)?)
}

/// With `SO_REUSEPORT` of these systems the last socket gets everything.
#[cfg(not(target_os = "freebsd"))]
pub(crate) fn set_reuse_port(_fd: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "sockets that share a port are balanced on Linux and FreeBSD only; leave reuseport out, \
         and the server's own load balancing takes its place",
    ))
}

/// OpenBSD and DragonFly refuse to serve IPv4 on a socket of IPv6. It is as if this machine had no
/// such address: a wildcard without a family falls back to the one of IPv4.
pub(crate) fn set_only_v6(fd: BorrowedFd<'_>, only_v6: bool) -> io::Result<()> {
    match setsockopt(&fd, sockopt::Ipv6V6Only, &only_v6) {
        Err(nix::errno::Errno::EINVAL) if !only_v6 => Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "this system has no sockets for IPv6 and IPv4 at once; listen on both addresses, the \
             one of IPv6 with ipv6only",
        )),
        result => Ok(result?),
    }
}

#[cfg(any(target_os = "freebsd", target_os = "macos", target_os = "netbsd", evio_kqueue))]
pub(crate) fn set_keepalive(fd: BorrowedFd<'_>, keepalive: &Keepalive) -> io::Result<()> {
    #[cfg(target_os = "netbsd")]
    use TcpKeepIdle as Idle;
    #[cfg(target_os = "macos")]
    use sockopt::TcpKeepAlive as Idle;
    #[cfg(not(any(target_os = "macos", target_os = "netbsd")))]
    use sockopt::TcpKeepIdle as Idle;

    setsockopt(&fd, Idle, &keepalive.idle_seconds())?;
    setsockopt(&fd, sockopt::TcpKeepInterval, &keepalive.interval_seconds())?;
    setsockopt(&fd, sockopt::TcpKeepCount, &keepalive.count)?;
    Ok(setsockopt(&fd, sockopt::KeepAlive, &true)?)
}

/// Turns keep-alive on with the system's own times: OpenBSD has no others for a socket, and
/// DragonFly counts them in milliseconds.
#[cfg(any(target_os = "openbsd", target_os = "dragonfly"))]
pub(crate) fn set_keepalive(fd: BorrowedFd<'_>, _keepalive: &Keepalive) -> io::Result<()> {
    Ok(setsockopt(&fd, sockopt::KeepAlive, &true)?)
}

/// A filter, `accf_data(9)`, keeps a connection from the listener until it has sent something,
/// however long that takes. Where it is not loaded (ENOENT), and on macOS and OpenBSD, connections
/// are reported at once.
#[cfg(any(target_os = "freebsd", target_os = "netbsd", target_os = "dragonfly"))]
pub(crate) fn set_defer_accept(fd: BorrowedFd<'_>, _seconds: u32) -> io::Result<()> {
    // `struct accept_filter_arg`: 16 bytes for the name of the filter, and 240 for its argument.
    let mut filter = [0; 256];
    let name = b"dataready";
    filter[..name.len()].copy_from_slice(name);
    match setsockopt(&fd, AcceptFilter, &filter) {
        Err(nix::errno::Errno::ENOENT) => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(not(any(target_os = "freebsd", target_os = "netbsd", target_os = "dragonfly")))]
pub(crate) fn set_defer_accept(_fd: BorrowedFd<'_>, _seconds: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(any(target_os = "freebsd", target_os = "netbsd", target_os = "dragonfly"))]
sockopt_impl!(
    /// What a connection must have done to be accepted; `accept_filter(9)`.
    AcceptFilter,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_ACCEPTFILTER,
    [u8; 256]
);

/// Nothing like it is common to these systems; the retransmissions are as the system counts them.
pub(crate) fn set_user_timeout(_fd: BorrowedFd<'_>, _milliseconds: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(target_os = "macos")]
sockopt_impl!(
    /// How many bytes of output were not taken yet; `sys/socket.h`.
    OutputLen,
    GetOnly,
    libc::SOL_SOCKET,
    libc::SO_NWRITE,
    libc::c_int
);

/// Returns how much output a TCP socket holds. That of a Unix socket is in the buffer of its peer
/// from the start, and not told.
pub(crate) fn output_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let address = getsockname::<SockaddrStorage>(fd.as_raw_fd())?;
    if address.family() == Some(AddressFamily::Unix) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "kqueue systems do not tell what the peer of a unix socket has not read",
        ));
    }
    unsent_len(fd)
}

#[cfg(target_os = "macos")]
fn unsent_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let len = nix::sys::socket::getsockopt(&fd, OutputLen)?;
    Ok(usize::try_from(len).unwrap_or(0))
}

/// `FIONWRITE` of FreeBSD and NetBSD; the model has the request of Linux.
#[cfg(any(target_os = "freebsd", target_os = "netbsd", evio_kqueue))]
fn unsent_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    super::super::raw::output_len(fd)
}

#[cfg(any(target_os = "openbsd", target_os = "dragonfly"))]
fn unsent_len(_fd: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system does not tell how much it holds"))
}

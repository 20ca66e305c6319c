//! Making sockets, and sending.

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(not(evio_kqueue))]
use std::os::fd::RawFd;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, SockFlag, SockType, SockaddrStorage, getsockopt, sendmsg,
    setsockopt, sockopt,
};

use crate::backend::raw;

#[cfg(not(target_os = "macos"))]
const SOCKET_FLAGS: SockFlag = SockFlag::SOCK_CLOEXEC.union(SockFlag::SOCK_NONBLOCK);
/// What macOS has not got, [`prepare`] makes up for.
#[cfg(target_os = "macos")]
const SOCKET_FLAGS: SockFlag = SockFlag::empty();

pub(crate) fn open_socket(family: AddressFamily, kind: SockType) -> io::Result<OwnedFd> {
    let socket = socket::socket(family, kind, SOCKET_FLAGS, None)?;
    #[cfg(target_os = "macos")]
    prepare(&socket)?;
    Ok(socket)
}

/// Gives a socket the flags that a call cannot give it on macOS, and that a connection does not
/// inherit: closed on exec, non-blocking, and no SIGPIPE.
#[cfg(target_os = "macos")]
fn prepare(socket: &OwnedFd) -> io::Result<()> {
    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};

    fcntl(socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(socket, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(setsockopt(socket, super::options::NoSigPipe, &true)?)
}

/// A connection is non-blocking from the start. The BSDs have it inherit that, but not through
/// accept4(2), and NetBSD's send(2) waits on a blocking socket whatever MSG_DONTWAIT says.
fn accept(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, Option<SockaddrStorage>)> {
    let (socket, peer) = raw::accept(listener, SOCKET_FLAGS)?;
    #[cfg(target_os = "macos")]
    prepare(&socket).map_err(|_| GONE)?;
    Ok((socket, peer))
}

/// The error of one connection that was gone before it was accepted; accept(2).
const GONE: Errno = Errno::ECONNABORTED;

pub(crate) fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = accept(listener.as_fd())?;
    let inet = |peer: SockaddrStorage| match (peer.as_sockaddr_in(), peer.as_sockaddr_in6()) {
        (Some(v4), _) => Some(SocketAddr::V4((*v4).into())),
        (None, v6) => v6.map(|v6| SocketAddr::V6((*v6).into())),
    };
    let peer = peer.and_then(inet).ok_or(GONE)?;
    Ok((socket.into(), peer))
}

pub(crate) fn accept_unix(listener: &UnixListener) -> io::Result<UnixStream> {
    Ok(accept(listener.as_fd())?.0.into())
}

/// macOS has no flag for it: there [`prepare`] tells the socket.
#[cfg(not(target_os = "macos"))]
const SEND_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);
#[cfg(target_os = "macos")]
const SEND_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT;

pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    socket::send(fd.as_raw_fd(), bytes, SEND_FLAGS).map_err(|errno| cause(fd, errno))
}

pub(crate) fn send_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    sendmsg::<()>(fd.as_raw_fd(), buffers, &[], SEND_FLAGS, None).map_err(|errno| cause(fd, errno))
}

pub(crate) fn send_before_fin(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    send_vectored(fd, buffers)
}

/// Returns why a send failed. After a reset it says EPIPE, and the socket has the error.
fn cause(fd: BorrowedFd<'_>, errno: Errno) -> io::Error {
    let pending = match errno {
        Errno::EPIPE => getsockopt(&fd, sockopt::SocketError).unwrap_or(0),
        _ => 0,
    };
    if pending == 0 { errno.into() } else { io::Error::from_raw_os_error(pending) }
}

/// Returns whether both directions of a connection have ended: then it has no peer any more
/// (`soisdisconnected` in the kernels). What is no socket, such as a pipe, has one direction.
#[cfg(not(evio_kqueue))]
pub(super) fn is_over(fd: RawFd) -> bool {
    socket::getpeername::<SockaddrStorage>(fd).is_err()
}

#[cfg(evio_kqueue)]
pub(super) use super::model::is_over;

/// Resets a TCP connection when its last descriptor is closed.
pub(crate) fn reset(fd: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    Ok(setsockopt(&fd, sockopt::Linger, &linger)?)
}

//! Sockets that were made elsewhere: which of them are refused, and which options are changed.
//!
//! Std makes any descriptor a socket of any type without looking at it.

use std::io;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{SockType, getsockopt, setsockopt, sockopt};

use crate::backend;

/// A socket of std, which tells its own address only if it is of the family that its type says.
pub(super) trait Taken: AsFd {
    const NAME: &'static str;
    const KIND: SockType;
    /// The protocols that it may speak; all that the system has for the family if there are none.
    const PROTOCOLS: &'static [i32];

    fn check_family(&self) -> io::Result<()>;
}

/// `IPPROTO_MPTCP` of Linux, for which libc has no name elsewhere.
const MPTCP: i32 = 262;
const UDPLITE: i32 = 136;

macro_rules! taken {
    ($socket:ty, $name:literal, $kind:ident, $protocols:expr) => {
        impl Taken for $socket {
            const NAME: &'static str = $name;
            const KIND: SockType = SockType::$kind;
            const PROTOCOLS: &'static [i32] = $protocols;

            fn check_family(&self) -> io::Result<()> {
                self.local_addr().map(drop)
            }
        }
    };
}

taken!(TcpListener, "TCP", Stream, &[libc::IPPROTO_TCP, MPTCP]);
taken!(TcpStream, "TCP", Stream, &[libc::IPPROTO_TCP, MPTCP]);
taken!(UdpSocket, "UDP", Datagram, &[libc::IPPROTO_UDP, UDPLITE]);
taken!(UnixListener, "Unix stream", Stream, &[]);
taken!(UnixStream, "Unix stream", Stream, &[]);

/// Refuses a socket of another family, type or protocol than `S` says: its input would be lost or
/// misread.
pub(super) fn check_kind<S: Taken>(socket: &S) -> io::Result<()> {
    let other = |what: String| Err(invalid(format!("not a {} socket: {what}", S::NAME)));
    match getsockopt(socket, sockopt::SockType) {
        Ok(kind) if kind == S::KIND => {}
        Ok(kind) => return other(format!("its type is {kind:?}")),
        // Not a socket, or one of a type that nix does not know.
        Err(error) => return other(error.desc().to_owned()),
    }
    if let Err(error) = socket.check_family() {
        return other(error.to_string());
    }
    match backend::protocol(socket.as_fd()) {
        Some(number) if !S::PROTOCOLS.is_empty() && !S::PROTOCOLS.contains(&number) => {
            other(format!("its protocol is number {number}"))
        }
        _ => Ok(()),
    }
}

/// Refuses a socket that does not listen.
pub(super) fn check_listens(socket: &impl AsFd) -> io::Result<()> {
    match listens(socket)? {
        Some(false) => Err(invalid("the socket does not listen")),
        _ => Ok(()),
    }
}

/// Refuses a socket that listens.
pub(super) fn check_connects(socket: &impl AsFd) -> io::Result<()> {
    match listens(socket)? {
        Some(true) => Err(invalid("the socket listens, and is no connection")),
        _ => Ok(()),
    }
}

/// Returns `None` where the system does not tell, as macOS.
fn listens(socket: &impl AsFd) -> io::Result<Option<bool>> {
    match getsockopt(socket, sockopt::AcceptConn) {
        Err(Errno::ENOPROTOOPT) => Ok(None),
        result => Ok(Some(result?)),
    }
}

/// Refuses a socket that is not bound, which receives nothing, and one that does not keep datagrams
/// apart.
pub(super) fn check_datagrams(socket: &UdpSocket) -> io::Result<()> {
    if socket.local_addr()?.port() == 0 {
        return Err(invalid("the socket is not bound"));
    }
    match backend::datagram_merger(socket.as_fd()) {
        Some(option) => Err(invalid(format!(
            "{option} is set, with which several datagrams are received or sent as one; turn it off"
        ))),
        None => Ok(()),
    }
}

/// Lets a close of the socket, or of a connection that inherits from it, return without waiting for
/// the peer (`SO_LINGER`). A reset instead of a close, which is a time of zero, stays.
pub(super) fn close_without_waiting(socket: &impl AsFd) -> io::Result<()> {
    let linger = getsockopt(socket, sockopt::Linger)?;
    if linger.l_onoff != 0 && linger.l_linger != 0 {
        setsockopt(socket, sockopt::Linger, &libc::linger { l_onoff: 0, l_linger: 0 })?;
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}

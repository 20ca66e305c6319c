//! Non-blocking sockets.
//!
//! Every socket made here is non-blocking and closed on exec. Nothing in this module resolves names
//! or parses addresses; a socket address goes in and a socket, or an error, comes out.

use std::io;

mod accept_error;
mod addr;
mod datagram;
mod listener;
mod options;
mod reserve;
mod stream;
mod taken_over;
mod unix_path;

pub use accept_error::AcceptError;
pub use addr::SocketAddr;
pub use datagram::{MAX_DATAGRAM, Received, UdpSocket};
pub use listener::{Listener, UnixName};
pub use options::{Keepalive, ListenOptions};
pub use reserve::Reserve;
pub use stream::Stream;

/// Returns the index of the network interface called `name`, as an IPv6 zone wants it.
///
/// # Errors
///
/// Fails when there is no such interface.
///
/// # Examples
///
/// ```
/// # use evio_sys as evio;
/// assert!(evio::net::interface_index("no-such-interface").is_err());
/// ```
pub fn interface_index(name: &str) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(name)?)
}

/// Returns whether a bind failed because this machine has no such address or address family: for
/// one of several addresses of a host name, not an error worth stopping for.
///
/// # Examples
///
/// ```
/// # use evio_sys as evio;
/// use evio::net::{ListenOptions, Listener, is_unavailable};
///
/// let listen = |ip| Listener::tcp((ip, 0).into(), &ListenOptions::default());
/// assert!(is_unavailable(&listen([192, 0, 2, 1]).unwrap_err()), "set aside for documentation");
/// let listener = listen([127, 0, 0, 1])?;
/// let again = Listener::tcp(listener.local_addr()?.as_inet().unwrap(), &ListenOptions::default());
/// assert!(!is_unavailable(&again.unwrap_err()), "in use");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn is_unavailable(error: &io::Error) -> bool {
    use nix::errno::Errno;
    let is_unknown = matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EAFNOSUPPORT | Errno::EPROTONOSUPPORT)
    );
    is_unknown || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// Returns whether an error of a socket that waits for peers is that of the socket itself, which is
/// of no use any more.
///
/// # Examples
///
/// ```
/// use std::io;
/// # use evio_sys as evio;
/// use evio::net::is_defunct;
///
/// assert!(!is_defunct(&io::Error::from(io::ErrorKind::ConnectionRefused)));
/// ```
#[must_use]
pub fn is_defunct(error: &io::Error) -> bool {
    use nix::errno::Errno;
    matches!(
        error.raw_os_error().map(Errno::from_raw),
        Some(Errno::EBADF | Errno::EINVAL | Errno::ENOTSOCK)
    )
}

/// Repeats a system call that a signal interrupted.
#[inline]
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if is_interruption(&error) => {}
            result => return result,
        }
    }
}

/// A function of its own, so that the compiler lays out apart what leads to it.
#[cold]
#[inline(never)]
fn is_interruption(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Interrupted
}

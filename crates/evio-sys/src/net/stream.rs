//! One connection's socket.

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::libc;
use nix::sys::socket::{MsgFlags, recv, setsockopt, sockopt};

use super::addr::{SocketAddr, canonical};
use super::options::Keepalive;
use super::uninterrupted;
use crate::backend;

/// A connected socket, TCP or Unix.
///
/// The methods take `&self`; calls for the same socket are meant to come from one thread. They
/// never wait: they say so with each call, which saves one to set the mode of the socket.
///
/// # Platform notes
///
/// On systems other than Linux a socket may have to be non-blocking besides. One that comes from
/// [`Listener::accept`](super::Listener::accept) is there.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixStream;
/// use evio_sys::net::Stream;
///
/// # fn main() -> std::io::Result<()> {
/// let (left, right) = UnixStream::pair()?;
/// let (left, right) = (Stream::from(left), Stream::from(right));
/// left.send(b"ping")?;
/// let mut buffer = [0; 8];
/// assert_eq!(right.recv(&mut buffer)?, 4);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum Stream {
    /// A TCP connection.
    Tcp(TcpStream),
    /// A Unix domain connection.
    Unix(UnixStream),
}

impl Stream {
    /// Reads what is there, up to the length of `buffer`; 0 is the end of input.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing is there; any other error is the end
    /// of the connection.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| Ok(recv(self.as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?))
    }

    /// Writes as much of `bytes` as there is room for.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room; any other error is the end
    /// of the connection.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| backend::send(self.as_fd(), bytes))
    }

    /// Writes as much as there is room for of `buffers`, one after the other, in one system call.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); also when there are more buffers than the system takes at once
    /// (1024 on Linux).
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        uninterrupted(|| backend::send_vectored(self.as_fd(), buffers))
    }

    /// As [`send_vectored`](Self::send_vectored), for bytes that the end of the output follows at
    /// once: they may wait for it, for 200 ms at most, to leave together.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    ///
    /// # Platform notes
    ///
    /// Linux saves a TCP segment (`MSG_MORE`); other systems send the bytes as ever.
    pub fn send_last(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        uninterrupted(|| backend::send_last(self.as_fd(), buffers))
    }

    /// Ends the output: the peer reads what was sent, then the end of input.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Makes the coming drop of a TCP socket reset the connection instead of closing it.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does. Unix sockets have no reset; for them nothing happens.
    pub fn reset_on_drop(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                let linger = libc::linger { l_onoff: 1, l_linger: 0 };
                Ok(setsockopt(stream, sockopt::Linger, &linger)?)
            }
            Self::Unix(_) => Ok(()),
        }
    }

    /// Takes the error that is pending on the socket, such as a reset by the peer.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        }
    }

    /// Sends small segments at once, or not; nothing happens for a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(nodelay),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Asks a silent peer whether it is still there; nothing happens for a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn set_keepalive(&self, keepalive: &Keepalive) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => backend::set_keepalive(stream.as_fd(), keepalive),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Chooses whether calls wait.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Self::Unix(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(match self {
            Self::Tcp(stream) => canonical(stream.local_addr()?).into(),
            Self::Unix(stream) => stream.local_addr()?.into(),
        })
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(match self {
            Self::Tcp(stream) => canonical(stream.peer_addr()?).into(),
            Self::Unix(stream) => stream.peer_addr()?.into(),
        })
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self::Tcp(stream)
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self::Unix(stream)
    }
}

impl AsRawFd for Stream {
    #[inline]
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(stream) => stream.as_raw_fd(),
            Self::Unix(stream) => stream.as_raw_fd(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

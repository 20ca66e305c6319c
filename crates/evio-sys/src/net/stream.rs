//! One connection's socket.

mod convert;
mod options;
mod state;

use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockType, SockaddrLike, SockaddrStorage, connect, recv, setsockopt,
    sockopt,
};

use super::addr::{SocketAddr, destination};
use super::listener::family_of;
use super::uninterrupted;
use super::unix_path::unix_address_of;
use crate::backend;
#[cfg(feature = "sim")]
use crate::sim::SimStream;

/// A connected socket, TCP or Unix.
///
/// The methods take `&self`; calls for the same socket are meant to come from one thread. They
/// never wait: they say so with each call, which saves one to set the mode of the socket. Only
/// [`Read`](std::io::Read) and [`Write`](std::io::Write) wait, unless the socket is non-blocking.
///
/// It is made of a socket of std, and can be made one again.
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
/// # use evio_sys::net as evio;
/// use evio::Stream;
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
pub struct Stream(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    #[cfg(feature = "sim")]
    Simulated(SimStream),
}

impl Stream {
    /// Begins to connect to the [`destination`](SocketAddr::destination) of `peer`, and returns
    /// whether that is done already. If it is not, the socket becomes writable when it is, or when
    /// it has failed; see [`finish_connect`](Self::finish_connect). Small segments are sent at
    /// once.
    ///
    /// # Errors
    ///
    /// Fails when `peer` cannot be reached from here or has no name, when nobody listens on a Unix
    /// socket or too many wait there to be accepted
    /// ([`WouldBlock`](io::ErrorKind::WouldBlock)), and when the process is out of file
    /// descriptors or the system of ports.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use std::thread;
    /// # use evio_sys::net as evio;
    /// use evio::{SocketAddr, Stream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let peer = SocketAddr::from(listener.local_addr()?);
    /// let (stream, is_done) = Stream::connect(&peer)?;
    /// if !is_done {
    ///     // A poller tells when it is worth asking.
    ///     while !stream.finish_connect()? {
    ///         thread::yield_now();
    ///     }
    /// }
    /// assert_eq!(stream.peer_addr()?.as_inet(), peer.as_inet());
    /// assert_ne!(stream.local_addr()?.as_inet(), peer.as_inet());
    /// assert!(stream.take_error()?.is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn connect(peer: &SocketAddr) -> io::Result<(Self, bool)> {
        #[cfg(feature = "sim")]
        if let Some(shared) = crate::sim::current() {
            let address = peer.destination().ok_or(io::ErrorKind::Unsupported)?;
            return Ok((Self(Socket::Simulated(SimStream::connect(shared, address)?)), false));
        }
        match peer {
            SocketAddr::Inet(address) => {
                let address = destination(*address);
                let socket = backend::open_socket(family_of(&address), SockType::Stream)?;
                setsockopt(&socket, sockopt::TcpNoDelay, &true)?;
                let done = begin_connect(&socket, &SockaddrStorage::from(address))?;
                Ok((Self(Socket::Tcp(socket.into())), done))
            }
            SocketAddr::Unix(address) => {
                let address = unix_address_of(address)?;
                let socket = backend::open_socket(AddressFamily::Unix, SockType::Stream)?;
                let done = begin_connect(&socket, &address).map_err(queue_is_full)?;
                Ok((Self(Socket::Unix(socket.into())), done))
            }
        }
    }

    /// Returns whether the connection that was begun has come about; to be asked when the socket
    /// has become writable.
    ///
    /// # Errors
    ///
    /// Fails when it will not: refused, unreachable and the like. It is refused, too, when the
    /// system gave this end the port that it was to connect to, and so connected it to itself.
    ///
    /// # Examples
    ///
    /// See [`connect`](Self::connect).
    pub fn finish_connect(&self) -> io::Result<bool> {
        if let Some(error) = self.take_error()? {
            return Err(error);
        }
        match self.peer_addr() {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
            Ok(SocketAddr::Inet(peer)) if self.local_addr()?.as_inet() == Some(peer) => {
                Err(io::ErrorKind::ConnectionRefused.into())
            }
            Ok(_) => Ok(true),
        }
    }

    /// Reads what is there, up to the length of `buffer`; 0 is the end of input.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing is there; any other error is the end
    /// of the connection.
    #[inline]
    pub fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.recv(buffer);
        }
        uninterrupted(|| Ok(recv(self.as_fd().as_raw_fd(), buffer, MsgFlags::MSG_DONTWAIT)?))
    }

    /// Writes as much of `bytes` as there is room for.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is no room; any other error is the end
    /// of the connection.
    #[inline]
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.send(&[IoSlice::new(bytes)]);
        }
        uninterrupted(|| backend::send(self.as_fd(), bytes))
    }

    /// Writes as much as there is room for of `buffers`, one after the other, in one system call.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); also when there are more buffers than the system takes at once
    /// (1024 on Linux).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::IoSlice;
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// let (left, right) = (Stream::from(left), Stream::from(right));
    /// let parts = [IoSlice::new(b"head "), IoSlice::new(b"and body")];
    /// assert_eq!(left.send_vectored(&parts)?, 13);
    /// assert_eq!(right.recv(&mut [0; 16])?, 13);
    ///
    /// // What is the last of it can wait for the end of the output.
    /// left.send_before_fin(&[IoSlice::new(b"goodbye")])?;
    /// left.shutdown_write()?;
    /// assert_eq!(right.recv(&mut [0; 16])?, 7);
    /// assert_eq!(right.recv(&mut [0; 16])?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn send_vectored(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.send(buffers);
        }
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
    ///
    /// # Examples
    ///
    /// See [`send_vectored`](Self::send_vectored).
    pub fn send_before_fin(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.send(buffers);
        }
        uninterrupted(|| backend::send_before_fin(self.as_fd(), buffers))
    }

    /// Ends the output: the peer reads what was sent, then the end of input.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    ///
    /// # Examples
    ///
    /// See [`send_vectored`](Self::send_vectored).
    pub fn shutdown_write(&self) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.shutdown(false),
        }
    }

    /// Ends both directions of the socket itself (`shutdown(2)`, `SHUT_RDWR`): the peer reads what
    /// was sent, then the end of input, even while another descriptor of the socket is open, such
    /// as one that a child process has inherited. A connection that is gone already stays so.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (left, right) = UnixStream::pair()?;
    /// let _copy = left.try_clone()?;
    /// let (left, right) = (Stream::from(left), Stream::from(right));
    /// left.shutdown_both()?;
    /// assert_eq!(right.recv(&mut [0; 8])?, 0, "the end, though the copy is open");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_both(&self) -> io::Result<()> {
        let result = match &self.0 {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Both),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.shutdown(true),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            result => result,
        }
    }
}

#[cfg(feature = "sim")]
impl From<SimStream> for Stream {
    fn from(stream: SimStream) -> Self {
        Self(Socket::Simulated(stream))
    }
}

/// Returns whether the connection has come about at once.
fn begin_connect(socket: &OwnedFd, address: &dyn SockaddrLike) -> io::Result<bool> {
    match connect(socket.as_raw_fd(), address) {
        Ok(()) => Ok(true),
        // A signal does not end what it interrupts here.
        Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Says what "resource temporarily unavailable" means for a Unix socket.
fn queue_is_full(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::WouldBlock => {
            io::Error::new(kind, "too many connections wait to be accepted on this socket")
        }
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr as Inet};

    use nix::sys::socket::bind;

    use super::*;

    #[test]
    fn a_socket_that_is_connected_to_itself_is_refused() {
        let any = Inet::from((Ipv4Addr::LOCALHOST, 0));
        let socket = backend::open_socket(AddressFamily::Inet, SockType::Stream).unwrap();
        bind(socket.as_raw_fd(), &SockaddrStorage::from(any)).unwrap();
        let stream = TcpStream::from(socket);
        let own = stream.local_addr().unwrap();
        let _ = connect(stream.as_raw_fd(), &SockaddrStorage::from(own));
        // Some systems refuse to begin with.
        assert!(!matches!(Stream::from(stream).finish_connect(), Ok(true)));
    }

    #[test]
    fn a_full_queue_says_so() {
        let full = queue_is_full(io::ErrorKind::WouldBlock.into());
        assert!(full.to_string().contains("wait to be accepted"), "{full}");
        let other = queue_is_full(io::Error::from_raw_os_error(Errno::ECONNREFUSED as i32));
        assert_eq!(other.raw_os_error(), Some(Errno::ECONNREFUSED as i32));
    }
}

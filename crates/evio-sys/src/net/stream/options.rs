//! The options of one connection.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::{Socket, Stream};
use crate::backend;
use crate::net::Keepalive;
use crate::net::options::whole_milliseconds;
use crate::net::taken_over::{check_connects, check_kind, close_without_waiting};

impl Stream {
    /// Resets a TCP connection: the peer finds an error, and what it has not read yet is lost. The
    /// socket is to be dropped after it. A Unix socket, which has no reset, is shut down in both
    /// directions.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Platform notes
    ///
    /// Linux resets at once, also when a copy of the descriptor is open elsewhere. Other systems do
    /// so when the last copy is closed (`SO_LINGER` of zero seconds).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{ErrorKind, Read};
    /// use std::net::{TcpListener, TcpStream};
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let mut client = TcpStream::connect(listener.local_addr()?)?;
    /// let stream = Stream::from(listener.accept()?.0);
    /// let _ = stream.reset();
    /// drop(stream);
    /// let error = client.read(&mut [0; 8]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(&self) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => backend::reset(stream.as_fd()),
            Socket::Unix(_) => self.shutdown_both(),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.reset(),
        }
    }

    /// Sends small segments at once, or not; nothing happens for a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    ///
    /// # Examples
    ///
    /// See [`set_keepalive`](Self::set_keepalive).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => stream.set_nodelay(nodelay),
            Socket::Unix(_) => Ok(()),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.set_option(),
        }
    }

    /// Asks a silent peer whether it is still there; nothing happens for a Unix socket.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::{TcpListener, TcpStream};
    /// use std::time::Duration;
    /// # use evio_sys::net as evio;
    /// use evio::{Keepalive, Stream};
    ///
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let stream = Stream::from(TcpStream::connect(listener.local_addr()?)?);
    /// stream.set_nodelay(true)?;
    /// stream.set_keepalive(&Keepalive::default())?;
    /// stream.set_user_timeout(Some(Duration::from_secs(30)))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_keepalive(&self, keepalive: &Keepalive) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => backend::set_keepalive(stream.as_fd(), keepalive),
            Socket::Unix(_) => Ok(()),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.set_option(),
        }
    }

    /// Makes a socket that was connected elsewhere what a poller and this type need: calls do
    /// not wait, nor does a close (`SO_LINGER`, of which a time of zero stays: it resets); nothing
    /// is put on the error queue any more (`IP_RECVERR`, `IPV6_RECVERR`, `SO_TIMESTAMPING` of
    /// Linux), since this type does not read it. Its other options stay as they are.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) when it is not a stream socket of TCP or of
    /// the Unix domain, and when it listens.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::OwnedFd;
    /// use std::os::unix::net::{UnixDatagram, UnixStream};
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let (stream, _peer) = UnixStream::pair()?;
    /// Stream::from(stream).take_over()?;
    ///
    /// let (datagrams, _peer) = UnixDatagram::pair()?;
    /// let misread = UnixStream::from(OwnedFd::from(datagrams));
    /// let error = Stream::from(misread).take_over().unwrap_err();
    /// assert_eq!(error.to_string(), "not a Unix stream socket: its type is Datagram");
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_over(&self) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => {
                check_kind(stream)?;
                close_without_waiting(stream)?;
                backend::disable_error_queue(stream.as_fd());
            }
            Socket::Unix(stream) => check_kind(stream)?,
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => return stream.set_nonblocking(true),
        }
        check_connects(self)?;
        self.set_nonblocking(true)
    }

    /// Chooses whether calls wait.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{ErrorKind, Read};
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (left, _right) = UnixStream::pair()?;
    /// let mut left = Stream::from(left);
    /// left.set_nonblocking(true)?;
    /// assert_eq!(left.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => stream.set_nonblocking(nonblocking),
            Socket::Unix(stream) => stream.set_nonblocking(nonblocking),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.set_nonblocking(nonblocking),
        }
    }

    /// Limits how long what was sent may stay unacknowledged before the connection fails with
    /// `ETIMEDOUT` (`TCP_USER_TIMEOUT`, `tcp(7)`). `None` leaves it to the system, which
    /// retransmits for about 15 minutes. With keep-alive on, the limit also takes the place of the
    /// number of probes. Nothing happens for a Unix socket, whose peer cannot vanish.
    ///
    /// Milliseconds, rounded up; 24 days at most.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    ///
    /// # Platform notes
    ///
    /// Nothing happens on systems other than Linux.
    ///
    /// # Examples
    ///
    /// See [`set_keepalive`](Self::set_keepalive).
    pub fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match &self.0 {
            Socket::Tcp(stream) => {
                backend::set_user_timeout(stream.as_fd(), whole_milliseconds(timeout))
            }
            Socket::Unix(_) => Ok(()),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.set_user_timeout(timeout),
        }
    }
}

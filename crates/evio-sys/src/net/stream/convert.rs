//! To and from the sockets of std.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use super::{Socket, Stream};

impl Stream {
    /// Returns whether this is a Unix domain socket. What it is decides what readiness means: a
    /// read that is short has emptied a TCP socket, but may stop at descriptors that a Unix socket
    /// was sent along with its bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (left, _right) = UnixStream::pair()?;
    /// assert!(Stream::from(left).is_unix());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_unix(&self) -> bool {
        matches!(self.0, Socket::Unix(_))
    }
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Self {
        Self(Socket::Tcp(stream))
    }
}

impl From<UnixStream> for Stream {
    fn from(stream: UnixStream) -> Self {
        Self(Socket::Unix(stream))
    }
}

/// Gives the stream back when it is of another kind.
///
/// # Examples
///
/// ```
/// use std::net::TcpStream;
/// use std::os::unix::net::UnixStream;
/// # use evio_sys::net as evio;
/// use evio::Stream;
///
/// let (stream, _peer) = UnixStream::pair()?;
/// let stream = TcpStream::try_from(Stream::from(stream)).expect_err("a Unix socket");
/// assert!(UnixStream::try_from(stream).is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
impl TryFrom<Stream> for TcpStream {
    type Error = Stream;

    fn try_from(stream: Stream) -> Result<Self, Stream> {
        match stream.0 {
            Socket::Tcp(stream) => Ok(stream),
            socket => Err(Stream(socket)),
        }
    }
}

/// Gives the stream back when it is of another kind.
impl TryFrom<Stream> for UnixStream {
    type Error = Stream;

    fn try_from(stream: Stream) -> Result<Self, Stream> {
        match stream.0 {
            Socket::Unix(stream) => Ok(stream),
            socket => Err(Stream(socket)),
        }
    }
}

/// Waits for input unless the socket is non-blocking; see
/// [`set_nonblocking`](Stream::set_nonblocking).
impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.0 {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.recv(buffer),
        }
    }
}

/// Waits for room unless the socket is non-blocking; see
/// [`set_nonblocking`](Stream::set_nonblocking).
impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.send(&[io::IoSlice::new(bytes)]),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// For options that have no method here.
impl AsFd for Stream {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Socket::Tcp(stream) => stream.as_fd(),
            Socket::Unix(stream) => stream.as_fd(),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.as_fd(),
        }
    }
}

//! Questions about one connection.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, recv};

use super::{Socket, Stream};
use crate::backend;
use crate::net::addr::{SocketAddr, canonical};
use crate::net::uninterrupted;

impl Stream {
    /// Returns whether [`recv`](Self::recv) would find bytes or the end of input now.
    ///
    /// # Errors
    ///
    /// The end of the connection, as for [`recv`](Self::recv), which does not report it again.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (mut left, right) = UnixStream::pair()?;
    /// let right = Stream::from(right);
    /// right.set_nonblocking(true)?;
    /// assert!(!right.has_input()?);
    /// left.write_all(b"hello")?;
    /// assert!(right.has_input()?);
    /// assert_eq!(right.input_len()?, 5);
    ///
    /// drop(left);
    /// right.recv(&mut [0; 8])?;
    /// assert!(right.has_input()?, "the end is there");
    /// assert_eq!(right.input_len()?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn has_input(&self) -> io::Result<bool> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.has_input();
        }
        let peek = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_PEEK;
        match uninterrupted(|| Ok(recv(self.as_fd().as_raw_fd(), &mut [0], peek)?)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            result => result.map(|_| true),
        }
    }

    /// Returns how many bytes [`recv`](Self::recv) would find now (`FIONREAD`). Zero does not tell
    /// the end of input or an error from mere silence; [`has_input`](Self::has_input) does.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Platform notes
    ///
    /// Linux counts up to an urgent mark, where a read stops too.
    ///
    /// # Examples
    ///
    /// See [`has_input`](Self::has_input).
    pub fn input_len(&self) -> io::Result<usize> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.input_len();
        }
        uninterrupted(|| backend::input_len(self.as_fd()))
    }

    /// Returns how many bytes were sent that the kernel still holds: for TCP those that the peer
    /// has not acknowledged, for a Unix socket what the peer has not read, with what the kernel
    /// needs to keep it. It falls as the peer takes some, long before
    /// [`has_room`](Self::has_room) is true again.
    ///
    /// # Errors
    ///
    /// Fails with [`Unsupported`](io::ErrorKind::Unsupported) where the system does not tell, and
    /// when the system call does.
    ///
    /// # Platform notes
    ///
    /// `SIOCOUTQ` on Linux. For TCP, `FIONWRITE` on FreeBSD and NetBSD and `SO_NWRITE` on macOS,
    /// which do not tell for a Unix socket. OpenBSD and DragonFly do not tell at all.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (stream, _peer) = UnixStream::pair()?;
    /// let stream = Stream::from(stream);
    /// stream.send(b"hello")?;
    /// if let Ok(len) = stream.output_len() {
    ///     assert!(len >= 5);
    /// }
    /// # std::io::Result::Ok(())
    /// ```
    pub fn output_len(&self) -> io::Result<usize> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.output_len();
        }
        uninterrupted(|| backend::output_len(self.as_fd()))
    }

    /// Returns whether a poller would report room for output now (`poll(2)` with `POLLOUT` and no
    /// wait), or that the connection failed: the next [`send`](Self::send) says how.
    ///
    /// A send may succeed although this is false: a system reports room only when there is a good
    /// deal of it.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Platform notes
    ///
    /// On Linux the room is what `EPOLLOUT` reports too: a third of the send buffer for TCP, three
    /// quarters of it for a Unix socket. The BSDs have `SO_SNDLOWAT` for it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::ErrorKind;
    /// use std::os::unix::net::UnixStream;
    /// # use evio_sys::net as evio;
    /// use evio::Stream;
    ///
    /// let (left, _right) = UnixStream::pair()?;
    /// let left = Stream::from(left);
    /// left.set_nonblocking(true)?;
    /// assert!(left.has_room()?);
    /// let full = loop {
    ///     if let Err(error) = left.send(&[0; 4096]) {
    ///         break error;
    ///     }
    /// };
    /// assert_eq!(full.kind(), ErrorKind::WouldBlock);
    /// assert!(!left.has_room()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn has_room(&self) -> io::Result<bool> {
        #[cfg(feature = "sim")]
        if let Socket::Simulated(stream) = &self.0 {
            return stream.has_room();
        }
        let mut sockets = [PollFd::new(self.as_fd(), PollFlags::POLLOUT)];
        uninterrupted(|| Ok(poll(&mut sockets, PollTimeout::ZERO)?))?;
        let events = sockets[0].revents().unwrap_or(PollFlags::empty());
        if events.contains(PollFlags::POLLNVAL) {
            return Err(Errno::EBADF.into());
        }
        Ok(!events.is_empty())
    }

    /// Takes the error that is pending on the socket, such as a reset by the peer.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Examples
    ///
    /// See [`Stream::connect`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Socket::Tcp(stream) => stream.take_error(),
            Socket::Unix(stream) => stream.take_error(),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.take_error(),
        }
    }

    /// Returns the address of this end.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Examples
    ///
    /// See [`Stream::connect`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(match &self.0 {
            Socket::Tcp(stream) => canonical(stream.local_addr()?).into(),
            Socket::Unix(stream) => stream.local_addr()?.into(),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.local_addr()?.into(),
        })
    }

    /// Returns the address of the other end.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    ///
    /// # Examples
    ///
    /// See [`Stream::connect`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(match &self.0 {
            Socket::Tcp(stream) => canonical(stream.peer_addr()?).into(),
            Socket::Unix(stream) => stream.peer_addr()?.into(),
            #[cfg(feature = "sim")]
            Socket::Simulated(stream) => stream.peer_addr()?.into(),
        })
    }
}

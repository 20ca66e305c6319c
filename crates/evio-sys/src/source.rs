//! The sockets and descriptors that a poller can wait for.

use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::Arc;

use crate::net::{Listener, Stream, UdpSocket};
use crate::poller::Poller;

/// A thing that can be registered with a [`Poller`]: the sockets of this crate and of std, another
/// poller, any other descriptor as an [`OwnedFd`] or a [`BorrowedFd`], and each of these in an
/// [`Arc`].
///
/// No other crate can implement it: a backend need not have descriptors, and then knows only what
/// it has made itself.
///
/// # Examples
///
/// ```
/// use std::os::fd::AsFd;
/// use std::os::unix::net::UnixStream;
/// use evio_sys::{Interest, Poller, Token};
///
/// let (left, right) = UnixStream::pair()?;
/// let poller = Poller::new()?;
/// poller.register(&left, Token(1), Interest::READABLE)?;
/// poller.register(&right.as_fd(), Token(2), Interest::READABLE)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Source: sealed::Source {}

mod sealed {
    use std::os::fd::BorrowedFd;

    pub trait Source {
        /// Returns what the operating system knows the source by.
        fn descriptor(&self) -> BorrowedFd<'_>;
    }
}

macro_rules! sources {
    ($($source:ty),* $(,)?) => {
        $(
            impl Source for $source {}

            impl sealed::Source for $source {
                #[inline]
                fn descriptor(&self) -> BorrowedFd<'_> {
                    self.as_fd()
                }
            }
        )*
    };
}

sources!(
    Poller,
    Listener,
    Stream,
    UdpSocket,
    TcpListener,
    TcpStream,
    std::net::UdpSocket,
    UnixDatagram,
    UnixListener,
    UnixStream,
    OwnedFd,
    BorrowedFd<'_>,
);

impl<S: Source> Source for Arc<S> {}

impl<S: Source> sealed::Source for Arc<S> {
    #[inline]
    fn descriptor(&self) -> BorrowedFd<'_> {
        S::descriptor(self)
    }
}

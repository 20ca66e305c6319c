//! macOS and the BSDs: kqueue.
//!
//! Reading and writing are two filters of their own, added and removed separately.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
#[cfg(not(evio_kqueue))]
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use nix::sys::socket::{
    self, AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, sendmsg, setsockopt,
    sockopt,
};
use nix::sys::time::TimeSpec;

use crate::event::{Event, Readiness};
use crate::interest::Interest;
use crate::net::{Keepalive, Received};
use crate::token::Token;

#[cfg(evio_kqueue)]
#[path = "kqueue/model/mod.rs"]
mod model;
#[cfg(evio_kqueue)]
use model::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

#[derive(Debug)]
pub(crate) struct Selector {
    kqueue: Kqueue,
}

impl Selector {
    pub(crate) fn new() -> io::Result<Self> {
        let kqueue = Kqueue::new()?;
        fcntl(&kqueue, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
        Ok(Self { kqueue })
    }

    /// kevent does not mind a second EV_ADD; only the epoll backend notices a double registration.
    pub(crate) fn register(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        if interest.is_readable() {
            self.change(fd, EventFilter::EVFILT_READ, EvFlags::EV_ADD, token)?;
        }
        if interest.is_writable() {
            self.change(fd, EventFilter::EVFILT_WRITE, EvFlags::EV_ADD, token)?;
        }
        Ok(())
    }

    pub(crate) fn reregister(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        self.set(fd, EventFilter::EVFILT_READ, interest.is_readable(), token)?;
        self.set(fd, EventFilter::EVFILT_WRITE, interest.is_writable(), token)
    }

    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.set(fd, EventFilter::EVFILT_READ, false, Token(0))?;
        self.set(fd, EventFilter::EVFILT_WRITE, false, Token(0))
    }

    pub(crate) fn wait(
        &self,
        buffer: &mut EventBuffer,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        buffer.len = 0;
        let timeout = timeout.map(|timeout| *TimeSpec::from(timeout.min(LONGEST_WAIT)).as_ref());
        buffer.len = self.kqueue.kevent(&[], &mut buffer.events, timeout)?;
        Ok(())
    }

    /// Adds the filter, or removes it where it may already be absent.
    fn set(
        &self,
        fd: BorrowedFd<'_>,
        filter: EventFilter,
        wanted: bool,
        token: Token,
    ) -> io::Result<()> {
        let flags = if wanted { EvFlags::EV_ADD } else { EvFlags::EV_DELETE };
        match self.change(fd, filter, flags, token) {
            Err(error) if !wanted && error.raw_os_error() == Some(Errno::ENOENT as i32) => Ok(()),
            result => result,
        }
    }

    /// EV_RECEIPT makes the kernel answer with exactly one entry, whose data is the error, and
    /// keeps pending events for the next wait.
    fn change(
        &self,
        fd: BorrowedFd<'_>,
        filter: EventFilter,
        flags: EvFlags,
        token: Token,
    ) -> io::Result<()> {
        let change = kevent(fd, filter, flags | EvFlags::EV_RECEIPT, token);
        let mut receipt = [change];
        let count = loop {
            match self.kqueue.kevent(&[change], &mut receipt, None) {
                Err(Errno::EINTR) => {}
                result => break result?,
            }
        };
        let [receipt] = receipt;
        match receipt.data() {
            errno if count == 1 && receipt.flags().contains(EvFlags::EV_ERROR) && errno != 0 => {
                Err(io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(i32::MAX)))
            }
            _ => Ok(()),
        }
    }
}

/// Longer waits are refused by some kernels; the poller waits again.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

fn kevent(fd: BorrowedFd<'_>, filter: EventFilter, flags: EvFlags, token: Token) -> KEvent {
    let ident = usize::try_from(fd.as_raw_fd()).expect("an open descriptor is not negative");
    // The token travels in a pointer-sized field; every supported kqueue system is 64-bit.
    KEvent::new(ident, filter, flags, FilterFlag::empty(), 0, token.0 as isize)
}

#[derive(Debug)]
pub(crate) struct EventBuffer {
    events: Vec<KEvent>,
    len: usize,
}

impl EventBuffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let blank =
            KEvent::new(0, EventFilter::EVFILT_READ, EvFlags::empty(), FilterFlag::empty(), 0, 0);
        Self { events: vec![blank; capacity], len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// EV_EOF on the read filter comes with what is still unread, so it is only `readable`. On
    /// the write filter it may be the echo of our own half-close; it is a failure only when the
    /// kernel adds an error number.
    pub(crate) fn get(&self, index: usize) -> Event {
        let event = &self.events[index];
        let eof = event.flags().contains(EvFlags::EV_EOF);
        let failed = eof && event.fflags().bits() != 0;
        let readiness = Readiness {
            readable: matches!(event.filter(), Ok(EventFilter::EVFILT_READ)),
            writable: matches!(event.filter(), Ok(EventFilter::EVFILT_WRITE)),
            hangup_or_error: failed || event.flags().contains(EvFlags::EV_ERROR),
            // Whatever is left is reported again.
            read_on: false,
        };
        Event::new(Token(event.udata() as u64), readiness)
    }
}

/// A socket pair: EVFILT_USER is missing on NetBSD and OpenBSD.
#[derive(Debug)]
pub(crate) struct Notifier {
    sender: UnixStream,
    receiver: UnixStream,
}

impl Notifier {
    pub(crate) fn new(selector: &Selector, token: Token) -> io::Result<Self> {
        let (sender, receiver) = UnixStream::pair()?;
        sender.set_nonblocking(true)?;
        receiver.set_nonblocking(true)?;
        let notifier = Self { sender, receiver };
        let filter = EventFilter::EVFILT_READ;
        let receiver = std::os::fd::AsFd::as_fd(&notifier.receiver);
        selector.change(receiver, filter, EvFlags::EV_ADD, token)?;
        Ok(notifier)
    }

    pub(crate) fn notify(&self) -> io::Result<()> {
        loop {
            match (&self.sender).write(&[1]) {
                Ok(_) => return Ok(()),
                // A full pair is readable: the report is under way.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Empties the pair. Calls merge above, so it holds a byte or two.
    pub(crate) fn acknowledge(&self) {
        let mut sink = [0; 64];
        while matches!((&self.receiver).read(&mut sink), Ok(count) if count == sink.len()) {}
    }
}

pub(crate) fn open_socket(family: AddressFamily, kind: SockType) -> io::Result<OwnedFd> {
    // SOCK_CLOEXEC and SOCK_NONBLOCK are missing on macOS.
    let fd = socket::socket(family, kind, SockFlag::empty(), None)?;
    fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    fcntl(&fd, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(fd)
}

/// The Rust runtime ignores SIGPIPE; where another runtime brings the process up, it must too.
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(socket::send(fd.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT)?)
}

pub(crate) fn send_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(sendmsg::<()>(fd.as_raw_fd(), buffers, &[], MsgFlags::MSG_DONTWAIT, None)?)
}

pub(crate) fn send_before_fin(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    send_vectored(fd, buffers)
}

/// Resets a TCP connection when its last descriptor is closed.
pub(crate) fn reset(fd: BorrowedFd<'_>) -> io::Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    Ok(setsockopt(&fd, sockopt::Linger, &linger)?)
}

pub(crate) fn pin_thread(_number: usize) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "a thread can be put on one processor on Linux only",
    ))
}

/// FreeBSD alone would balance, by an option that the others do not have.
pub(crate) fn set_reuse_port(_fd: BorrowedFd<'_>) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "sockets that share a port are balanced on Linux only; leave reuseport out, and the \
         server's own load balancing takes its place",
    ))
}

/// More than `SOMAXCONN` is taken for that much.
pub(crate) fn backlog(connections: u16) -> Backlog {
    Backlog::new(i32::from(connections)).unwrap_or(Backlog::MAXCONN)
}

/// There is nothing like it that all of these systems have; connections are reported at once.
pub(crate) fn set_defer_accept(_fd: BorrowedFd<'_>, _seconds: u32) -> io::Result<()> {
    Ok(())
}

/// Nothing like it is common to these systems; the retransmissions are as the system counts them.
pub(crate) fn set_user_timeout(_fd: BorrowedFd<'_>, _milliseconds: u32) -> io::Result<()> {
    Ok(())
}

/// FreeBSD and NetBSD would tell by FIONWRITE, macOS by SO_NWRITE, and OpenBSD does not.
pub(crate) fn output_len(_fd: BorrowedFd<'_>) -> io::Result<usize> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "only Linux is asked how much output it holds"))
}

pub(crate) fn enable_pktinfo(_fd: BorrowedFd<'_>, _is_v6: bool) -> io::Result<Option<Vec<u8>>> {
    Ok(None)
}

/// Only groups that a socket joined are received here anyway.
pub(crate) fn disable_multicast_all(_fd: BorrowedFd<'_>, _is_v6: bool) {}

/// None of these systems has a queue of errors beside that of the input.
pub(crate) fn disable_error_queue(_fd: BorrowedFd<'_>) {}

pub(crate) fn datagram_merger(_fd: BorrowedFd<'_>) -> Option<&'static str> {
    None
}

/// Only some of these systems have an option for it.
pub(crate) fn protocol(_fd: BorrowedFd<'_>) -> Option<i32> {
    None
}

pub(crate) fn recv_with_local(
    _fd: BorrowedFd<'_>,
    _buffer: &mut [u8],
    _control: &mut [u8],
) -> io::Result<Received> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn send_from(
    _fd: BorrowedFd<'_>,
    _bytes: &[u8],
    _source: IpAddr,
    _peer: SocketAddr,
) -> io::Result<usize> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "the source of a datagram can be chosen on Linux only",
    ))
}

/// Turns keep-alive on with the system's own times, which are the only ones that all of these
/// systems let a socket have.
pub(crate) fn set_keepalive(fd: BorrowedFd<'_>, _keepalive: &Keepalive) -> io::Result<()> {
    Ok(setsockopt(&fd, sockopt::KeepAlive, &true)?)
}

pub(crate) fn abstract_address(_name: &[u8]) -> io::Result<UnixAddr> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "abstract unix socket names exist on Linux only; use a path",
    ))
}

pub(crate) fn abstract_name(_address: &UnixSocketAddr) -> Option<&[u8]> {
    None
}

//! Linux: epoll and eventfd.

#[path = "epoll/datagram.rs"]
mod datagram;
#[path = "epoll/options.rs"]
mod options;

use std::io::{self, IoSlice};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixSocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{
    self, AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, getsockopt, sendmsg, setsockopt,
    sockopt,
};
use nix::unistd::Pid;

use crate::event::{Event, Readiness};
use crate::interest::Interest;
use crate::net::Keepalive;
use crate::token::Token;

pub(crate) use datagram::{
    datagram_merger, disable_error_queue, disable_multicast_all, enable_pktinfo, recv_with_local,
    send_from,
};

pub(crate) const NAME: &str = "epoll";

#[derive(Debug)]
pub(crate) struct Selector {
    epoll: Epoll,
}

impl Selector {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)? })
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.0.as_fd()
    }

    pub(crate) fn register(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(self.epoll.add(fd, EpollEvent::new(flags_of(interest), token.0))?)
    }

    pub(crate) fn reregister(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        Ok(self.epoll.modify(fd, &mut EpollEvent::new(flags_of(interest), token.0))?)
    }

    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.epoll.delete(fd)?)
    }

    pub(crate) fn wait(
        &self,
        buffer: &mut EventBuffer,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        buffer.len = 0;
        buffer.len = self.epoll.wait(&mut buffer.events, milliseconds(timeout))?;
        Ok(())
    }
}

/// EPOLLERR and EPOLLHUP are always reported and need no bit. When they are all that is waited for,
/// once is enough: nothing that the caller could read or write would make them go away.
fn flags_of(interest: Interest) -> EpollFlags {
    let mut flags = EpollFlags::empty();
    let waits_for_nothing = !interest.is_readable() && !interest.is_writable();
    flags.set(EpollFlags::EPOLLIN, interest.is_readable());
    flags.set(EpollFlags::EPOLLOUT, interest.is_writable());
    flags.set(EpollFlags::EPOLLEXCLUSIVE, interest.is_exclusive());
    // EPOLLEXCLUSIVE is refused together with the next two, which a listener has no use for. They
    // are for input: neither is to wake the loop for a connection that is paused.
    let has_end = interest.is_readable() && !interest.is_exclusive();
    flags.set(EpollFlags::EPOLLRDHUP, has_end);
    // A read stops at a FIN and at an urgent mark.
    flags.set(EpollFlags::EPOLLPRI, has_end && interest.is_edge());
    flags.set(EpollFlags::EPOLLET, interest.is_edge() || waits_for_nothing);
    flags.set(EpollFlags::EPOLLONESHOT, interest.is_one_shot());
    flags
}

/// Rounds up, so that a wait never ends early; a wait beyond the counter's 24 days is cut.
fn milliseconds(timeout: Option<Duration>) -> EpollTimeout {
    let Some(timeout) = timeout else { return EpollTimeout::NONE };
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
    i32::try_from(milliseconds)
        .ok()
        .and_then(|milliseconds| EpollTimeout::try_from(milliseconds).ok())
        .unwrap_or(EpollTimeout::MAX)
}

#[derive(Debug)]
pub(crate) struct EventBuffer {
    events: Vec<EpollEvent>,
    len: usize,
}

impl EventBuffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { events: vec![EpollEvent::empty(); capacity], len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn get(&self, index: usize) -> Event {
        let event = &self.events[index];
        let flags = event.events();
        // As nearly always.
        if flags == EpollFlags::EPOLLIN {
            return Event::new(Token(event.data()), Readiness::INPUT);
        }
        let hangup_or_error = EpollFlags::EPOLLERR | EpollFlags::EPOLLHUP;
        let read_closed = EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLHUP;
        let readiness = Readiness {
            readable: flags.contains(EpollFlags::EPOLLIN),
            writable: flags.contains(EpollFlags::EPOLLOUT),
            hangup_or_error: flags.intersects(hangup_or_error),
            read_on: flags
                .intersects(hangup_or_error | EpollFlags::EPOLLRDHUP | EpollFlags::EPOLLPRI),
            read_closed: flags.intersects(read_closed),
            write_closed: flags.intersects(hangup_or_error),
        };
        Event::new(Token(event.data()), readiness)
    }
}

/// An eventfd that is registered edge-triggered: each write is one report, and the counter never
/// has to be read back, which saves a system call per wake.
#[derive(Debug)]
pub(crate) struct Notifier {
    counter: EventFd,
}

impl Notifier {
    pub(crate) fn new(selector: &Selector, token: Token) -> io::Result<Self> {
        let counter = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        let flags = EpollFlags::EPOLLIN | EpollFlags::EPOLLET;
        selector.epoll.add(&counter, EpollEvent::new(flags, token.0))?;
        Ok(Self { counter })
    }

    pub(crate) fn notify(&self) -> io::Result<()> {
        loop {
            match self.counter.write(1) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                // The counter is full after 2^64 - 2 writes: empty it, so that the next write is
                // an edge again.
                Err(Errno::EAGAIN) => match self.counter.read() {
                    Ok(_) | Err(Errno::EAGAIN | Errno::EINTR) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// An edge is reported once, so there is nothing to take back.
    pub(crate) fn acknowledge(&self) {}
}

pub(crate) fn open_socket(family: AddressFamily, kind: SockType) -> io::Result<OwnedFd> {
    Ok(socket::socket(family, kind, SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK, None)?)
}

/// The connection is closed on exec, and waits for nothing because each call says so: to make it
/// non-blocking would be one more bit for accept4(2), which std does not set, or one more call.
pub(crate) fn accept_tcp(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    listener.accept()
}

pub(crate) fn accept_unix(listener: &UnixListener) -> io::Result<UnixStream> {
    Ok(listener.accept()?.0)
}

pub(crate) fn set_only_v6(fd: BorrowedFd<'_>, only_v6: bool) -> io::Result<()> {
    Ok(setsockopt(&fd, sockopt::Ipv6V6Only, &only_v6)?)
}

const SEND_FLAGS: MsgFlags = MsgFlags::MSG_DONTWAIT.union(MsgFlags::MSG_NOSIGNAL);

/// nix has no name for `MSG_MORE`.
const SEND_BEFORE_FIN_FLAGS: MsgFlags =
    SEND_FLAGS.union(MsgFlags::from_bits_retain(libc::MSG_MORE));

#[inline]
pub(crate) fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(socket::send(fd.as_raw_fd(), bytes, SEND_FLAGS)?)
}

pub(crate) fn send_vectored(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(sendmsg::<()>(fd.as_raw_fd(), buffers, &[], SEND_FLAGS, None)?)
}

pub(crate) fn send_before_fin(fd: BorrowedFd<'_>, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(sendmsg::<()>(fd.as_raw_fd(), buffers, &[], SEND_BEFORE_FIN_FLAGS, None)?)
}

/// Resets a TCP connection at once.
pub(crate) fn reset(fd: BorrowedFd<'_>) -> io::Result<()> {
    super::raw::disconnect(fd)
}

pub(crate) fn pin_thread(number: usize) -> io::Result<()> {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread)?;
    let is_allowed = |&cpu: &usize| allowed.is_set(cpu).unwrap_or(false);
    let cpus: Vec<usize> = (0..CpuSet::count()).filter(is_allowed).collect();
    let Some(index) = number.checked_rem(cpus.len()) else { return Ok(()) };
    let mut one = CpuSet::new();
    one.set(cpus[index])?;
    Ok(sched_setaffinity(this_thread, &one)?)
}

pub(crate) fn batch_thread() -> io::Result<()> {
    super::raw::set_batch()
}

pub(crate) const IS_SHARED_LATER: bool = true;

pub(crate) fn set_reuse_port(fd: BorrowedFd<'_>) -> io::Result<()> {
    Ok(setsockopt(&fd, sockopt::ReusePort, &true)?)
}

/// The kernel counts the time in retransmissions of the SYN-ACK and rounds up.
pub(crate) fn set_defer_accept(fd: BorrowedFd<'_>, seconds: u32) -> io::Result<()> {
    let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
    Ok(setsockopt(&fd, options::TcpDeferAccept, &seconds)?)
}

pub(crate) fn set_user_timeout(fd: BorrowedFd<'_>, milliseconds: u32) -> io::Result<()> {
    Ok(setsockopt(&fd, sockopt::TcpUserTimeout, &milliseconds)?)
}

/// Returns how many bytes of output the peer has not taken (`SIOCOUTQ`, tcp(7) and unix(7)).
pub(crate) fn output_len(fd: BorrowedFd<'_>) -> io::Result<usize> {
    super::raw::output_len(fd)
}

/// Returns the protocol of a socket, such as `IPPROTO_TCP`.
pub(crate) fn protocol(fd: BorrowedFd<'_>) -> Option<i32> {
    getsockopt(&fd, options::SocketProtocol).ok()
}

pub(crate) fn set_keepalive(fd: BorrowedFd<'_>, keepalive: &Keepalive) -> io::Result<()> {
    setsockopt(&fd, sockopt::TcpKeepIdle, &keepalive.idle_seconds())?;
    setsockopt(&fd, sockopt::TcpKeepInterval, &keepalive.interval_seconds())?;
    setsockopt(&fd, sockopt::TcpKeepCount, &keepalive.count)?;
    Ok(setsockopt(&fd, sockopt::KeepAlive, &true)?)
}

pub(crate) fn abstract_address(name: &[u8]) -> io::Result<UnixAddr> {
    Ok(UnixAddr::new_abstract(name)?)
}

pub(crate) fn abstract_name(address: &UnixSocketAddr) -> Option<&[u8]> {
    address.as_abstract_name()
}

#[cfg(test)]
#[path = "epoll/tests.rs"]
mod tests;

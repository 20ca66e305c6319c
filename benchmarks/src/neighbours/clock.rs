//! Wakes the generator when something on a schedule may be due.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// What events are about.
const TICK: u64 = 0;
const SOCKETS: u64 = 1;

/// A tick at a fixed interval, and sockets that may be ready before it.
///
/// The generator shares its core with what is behind a proxy, so it must not ask again and again;
/// and a timeout of `epoll_wait` is in milliseconds.
#[derive(Debug)]
pub(super) struct Clock {
    epoll: Epoll,
    timer: TimerFd,
}

impl Clock {
    pub(super) fn new(interval: Duration) -> io::Result<Self> {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        timer.set(Expiration::Interval(interval.into()), TimerSetTimeFlags::empty())?;
        epoll.add(timer.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, TICK))?;
        Ok(Self { epoll, timer })
    }

    /// Lets events of `inner` end the wait, too.
    pub(super) fn watch(&self, inner: BorrowedFd<'_>) -> io::Result<()> {
        Ok(self.epoll.add(inner, EpollEvent::new(EpollFlags::EPOLLIN, SOCKETS))?)
    }

    /// Waits for a tick or an event.
    pub(super) fn wait(&self) -> io::Result<()> {
        let mut events = [EpollEvent::empty(); 4];
        let ready = match self.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(Errno::EINTR) => 0,
            ready => ready?,
        };
        if events[..ready].iter().any(|event| event.data() == TICK) {
            // The kernel goes on with the ticks when one is read.
            self.timer.wait()?;
        }
        Ok(())
    }
}

//! What the system's backend exports, with the simulated kernel beside it: chosen by the thread
//! that makes a poller.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::mask;
use super::handle::Handle;
use super::polling::ReadyList;
use super::state::Kind;
use crate::backend::{RealEventBuffer, RealNotifier, RealSelector};
use crate::event::Event;
use crate::interest::Interest;
use crate::token::Token;

#[derive(Debug)]
pub(crate) enum Selector {
    Real(RealSelector),
    Simulated(Handle),
}

impl Selector {
    pub(crate) fn new() -> io::Result<Self> {
        match super::current() {
            Some(shared) => {
                let interface = shared.lock().options.interface;
                let list = Kind::Poller(ReadyList::new(interface));
                Ok(Self::Simulated(Handle::of(shared, list)?))
            }
            None => Ok(Self::Real(RealSelector::new()?)),
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Real(selector) => selector.as_fd(),
            Self::Simulated(handle) => handle.as_fd(),
        }
    }

    pub(crate) fn register(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Real(selector) => selector.register(fd, token, interest),
            Self::Simulated(handle) => {
                let mut state = handle.shared.lock();
                let id = state.id_of(fd.as_raw_fd()).ok_or_else(foreign)?;
                state.note("register", id, u64::from(flags_of(interest)));
                Ok(state.register(handle.id, id, token.0, flags_of(interest))?)
            }
        }
    }

    pub(crate) fn reregister(
        &self,
        fd: BorrowedFd<'_>,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        match self {
            Self::Real(selector) => selector.reregister(fd, token, interest),
            Self::Simulated(handle) => {
                let mut state = handle.shared.lock();
                let id = state.id_of(fd.as_raw_fd()).ok_or(Errno::ENOENT)?;
                state.note("reregister", id, u64::from(flags_of(interest)));
                Ok(state.reregister(handle.id, id, token.0, flags_of(interest))?)
            }
        }
    }

    pub(crate) fn deregister(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Real(selector) => selector.deregister(fd),
            Self::Simulated(handle) => {
                let mut state = handle.shared.lock();
                let id = state.id_of(fd.as_raw_fd()).ok_or(Errno::ENOENT)?;
                state.note("deregister", id, 0);
                Ok(state.deregister(handle.id, id)?)
            }
        }
    }

    pub(crate) fn wait(
        &self,
        buffer: &mut EventBuffer,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        match self {
            Self::Real(selector) => {
                buffer.is_simulated = false;
                selector.wait(&mut buffer.real, timeout)
            }
            Self::Simulated(handle) => {
                buffer.is_simulated = true;
                buffer.simulated.clear();
                let deadline = timeout.map(|timeout| handle.shared.deadline(timeout));
                loop {
                    handle.shared.answer();
                    let mut state = handle.shared.lock();
                    state.wait(handle.id, buffer.capacity, deadline, &mut buffer.simulated)?;
                    // Who is told what a look-up has found may wake this poller.
                    if state.answers.is_empty() || !buffer.simulated.is_empty() {
                        return Ok(());
                    }
                }
            }
        }
    }
}

/// Returns the error of a descriptor of the operating system: as a file, it cannot be polled.
fn foreign() -> io::Error {
    let what = "a simulation polls no descriptor of the operating system, such as one for signals, \
                or that of a server that was bound before the simulation was made";
    io::Error::new(io::ErrorKind::PermissionDenied, what)
}

/// As `flags_of` in `backend/epoll.rs`, for a machine that need not have epoll.
fn flags_of(interest: Interest) -> u32 {
    let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
    let waits_for_nothing = !interest.is_readable() && !interest.is_writable();
    let has_end = interest.is_readable() && !interest.is_exclusive();
    flag(interest.is_readable(), mask::IN)
        | flag(interest.is_writable(), mask::OUT)
        | flag(interest.is_exclusive(), mask::EXCLUSIVE)
        | flag(has_end, mask::RDHUP)
        | flag(has_end && interest.is_edge(), mask::PRI)
        | flag(interest.is_edge() || waits_for_nothing, mask::ET)
        | flag(interest.is_one_shot(), mask::ONESHOT)
}

#[derive(Debug)]
pub(crate) struct EventBuffer {
    real: RealEventBuffer,
    simulated: Vec<Event>,
    capacity: usize,
    /// Which of them the last wait has filled.
    is_simulated: bool,
}

impl EventBuffer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let real = RealEventBuffer::with_capacity(capacity);
        Self { real, simulated: Vec::new(), capacity, is_simulated: false }
    }

    pub(crate) fn len(&self) -> usize {
        if self.is_simulated { self.simulated.len() } else { self.real.len() }
    }

    pub(crate) fn get(&self, index: usize) -> Event {
        if !self.is_simulated {
            return self.real.get(index);
        }
        self.simulated[index]
    }
}

#[derive(Debug)]
pub(crate) enum Notifier {
    Real(RealNotifier),
    Simulated(Handle),
}

impl Notifier {
    pub(crate) fn new(selector: &Selector, token: Token) -> io::Result<Self> {
        match selector {
            Selector::Real(selector) => Ok(Self::Real(RealNotifier::new(selector, token)?)),
            Selector::Simulated(poller) => {
                let shared = Arc::clone(&poller.shared);
                let handle = Handle::of(Arc::clone(&shared), Kind::Notifier(false))?;
                let flags = mask::IN | mask::ET;
                shared.lock().register(poller.id, handle.id, token.0, flags)?;
                Ok(Self::Simulated(handle))
            }
        }
    }

    pub(crate) fn notify(&self) -> io::Result<()> {
        match self {
            Self::Real(notifier) => notifier.notify(),
            Self::Simulated(handle) => {
                handle.shared.lock().notify(handle.id);
                Ok(())
            }
        }
    }

    pub(crate) fn acknowledge(&self) {
        match self {
            Self::Real(notifier) => notifier.acknowledge(),
            Self::Simulated(_) => {}
        }
    }
}

//! A model of kqueue(2) on two epolls, with which this backend runs on Linux.
//!
//! `RUSTFLAGS='--cfg evio_kqueue'` puts the kqueue backend in the place of the one for epoll, and
//! this in the place of `nix::sys::event`. It does what kqueue(2) of FreeBSD says, as far as the
//! backend makes use of it; each rule names its section. What it proves is that the backend and the
//! layers above it need no more than kqueue promises. It proves nothing about the kernel of a BSD
//! or of macOS: sockets are still those of Linux.
//!
//! - DESCRIPTION: an event is identified by ident and filter. So a descriptor has a knote for each
//!   filter, added and removed by itself; each filter has an epoll.
//! - Nothing is said of the order of events: it is drawn anew each time. The seed is
//!   `EVIO_KQUEUE_SEED` in the environment.

mod event;
mod random;
mod socket;
mod user;

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc::timespec;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

pub(crate) use event::{EvFlags, EventFilter, FilterFlag, KEvent};

use crate::backend::raw::borrow;
use random::Random;
use user::UserEvents;

pub(crate) use socket::is_over;

/// A queue, as `nix::sys::event::Kqueue` is one.
#[derive(Debug)]
pub(crate) struct Kqueue {
    /// Readable when one of the filters has something.
    any: Epoll,
    readers: Epoll,
    writers: Epoll,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    knotes: HashMap<(EventFilter, RawFd), KEvent>,
    user: UserEvents,
    random: Random,
}

impl AsFd for Kqueue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.any.0.as_fd()
    }
}

impl Kqueue {
    pub(crate) fn new() -> nix::Result<Self> {
        let epoll = || Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC);
        let (any, readers, writers) = (epoll()?, epoll()?, epoll()?);
        for filter in [&readers, &writers] {
            any.add(&filter.0, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        }
        let user = UserEvents::new()?;
        any.add(&user.bell, EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
        let state = State { knotes: HashMap::new(), user, random: Random::seeded() };
        Ok(Self { any, readers, writers, state: Mutex::new(state) })
    }

    /// Applies the changes, and fetches events if these have left no receipts.
    pub(crate) fn kevent(
        &self,
        changes: &[KEvent],
        events: &mut [KEvent],
        timeout: Option<timespec>,
    ) -> nix::Result<usize> {
        let mut receipts = 0;
        for &change in changes {
            let result = self.change(change);
            // EV_RECEIPT: an entry with EV_ERROR for each change, of which data is 0 after success.
            // RETURN VALUES: a failure has such an entry anyway, if there is room.
            if result.is_err() || change.flags().contains(EvFlags::EV_RECEIPT) {
                let Some(receipt) = events.get_mut(receipts) else { return result.map(|()| 0) };
                let errno = result.err().map_or(0, |errno| errno as isize);
                *receipt = change.reported(EvFlags::EV_ERROR, FilterFlag::empty(), errno);
                receipts += 1;
            }
        }
        // EV_RECEIPT: "without draining any pending events".
        if receipts > 0 || events.is_empty() { Ok(receipts) } else { self.wait(events, timeout) }
    }

    /// Returns the epoll that watches descriptors in the place of a filter.
    fn filter(&self, filter: EventFilter) -> Option<&Epoll> {
        match filter {
            EventFilter::EVFILT_READ => Some(&self.readers),
            EventFilter::EVFILT_WRITE => Some(&self.writers),
            EventFilter::EVFILT_USER => None,
        }
    }

    fn change(&self, change: KEvent) -> nix::Result<()> {
        let filter = change.filter()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(epoll) = self.filter(filter) else { return state.user.change(change) };
        let fd = RawFd::try_from(change.ident()).map_err(|_| Errno::EBADF)?;
        let source = borrow(fd);
        if change.flags().contains(EvFlags::EV_DELETE) {
            state.knotes.remove(&(filter, fd));
            if state.knotes.len() < state.knotes.capacity() / 8 {
                state.knotes.shrink_to_fit();
            }
            // ERRORS: ENOENT where there is none.
            return epoll.delete(source);
        }
        let mut knote = change;
        if let Some(old) = state.knotes.get(&(filter, fd)) {
            // EV_ADD: "re-adding an existing event will modify the parameters of the original
            // event": fflags, data and udata. The kernels leave its flags as they are.
            knote = knote.with_flags(old.flags());
        }
        // EV_ADD triggers a knote whose condition holds, and so does epoll.
        let event = |knote: &KEvent| Ok(EpollEvent::new(interest(knote)?, change.ident() as u64));
        match epoll.modify(source, &mut event(&knote)?) {
            // A new one; or the number was that of another descriptor, which has been closed.
            Err(Errno::ENOENT) => {
                knote = change;
                epoll.add(source, event(&knote)?)?;
            }
            result => result?,
        }
        state.knotes.insert((filter, fd), knote);
        Ok(())
    }

    /// Waits for events, and returns how many there are; none when the time is over.
    fn wait(&self, events: &mut [KEvent], timeout: Option<timespec>) -> nix::Result<usize> {
        let timeout = timeout.map(|timeout| {
            Duration::new(timeout.tv_sec.unsigned_abs(), timeout.tv_nsec.unsigned_abs() as u32)
        });
        let deadline = timeout.map(|timeout| Instant::now() + timeout);
        loop {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            let mut ready = [EpollEvent::empty(); 2];
            self.any.wait(&mut ready, milliseconds(left))?;
            let count = self.fetch(events)?;
            if count > 0 || deadline.is_some_and(|at| Instant::now() >= at) {
                return Ok(count);
            }
        }
    }

    /// Fetches what there is, in an order of its own.
    fn fetch(&self, events: &mut [KEvent]) -> nix::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { knotes, user, random } = &mut *state;
        let mut count = user.fetch(events);
        let mut filters = [EventFilter::EVFILT_READ, EventFilter::EVFILT_WRITE];
        random.shuffle(&mut filters);
        // The first has half of the room, rounded up, and the other what that leaves: a kernel
        // reports all there are if there is room for them.
        let share = count + (events.len() - count).div_ceil(2);
        for (filter, end) in filters.into_iter().zip([share, events.len()]) {
            let mut ready = vec![EpollEvent::empty(); end - count];
            if ready.is_empty() {
                continue;
            }
            let Some(epoll) = self.filter(filter) else { continue };
            let found = match epoll.wait(&mut ready, EpollTimeout::ZERO) {
                Err(Errno::EINTR) => 0,
                found => found?,
            };
            for event in &ready[..found] {
                let fd = event.data() as RawFd;
                // One that was removed by another thread since.
                let Some(knote) = knotes.get(&(filter, fd)) else { continue };
                if let Some(report) = socket::report(knote, fd, event.events()) {
                    events[count] = report;
                    count += 1;
                }
            }
        }
        random.shuffle(&mut events[..count]);
        Ok(count)
    }
}

/// Returns what epoll is to wait for in the place of a knote.
fn interest(knote: &KEvent) -> nix::Result<EpollFlags> {
    let mut flags = match knote.filter()? {
        // EVFILT_READ: "when there is data to be read", or "the read direction has shutdown".
        EventFilter::EVFILT_READ => EpollFlags::EPOLLIN | EpollFlags::EPOLLRDHUP,
        EventFilter::EVFILT_WRITE => EpollFlags::EPOLLOUT,
        EventFilter::EVFILT_USER => return Err(Errno::EINVAL),
    };
    // NOTE_LOWAT: a low water mark of its own, in data. No buffer holds so much as the only one
    // that is known here.
    if knote.fflags().contains(FilterFlag::NOTE_LOWAT) {
        if knote.data() != i32::MAX as isize || !knote.flags().contains(EvFlags::EV_CLEAR) {
            return Err(Errno::EINVAL);
        }
        flags.remove(EpollFlags::EPOLLIN);
    }
    // EV_CLEAR: reported for a change of the state, not for the state.
    flags.set(EpollFlags::EPOLLET, knote.flags().contains(EvFlags::EV_CLEAR));
    // EV_DISPATCH: "Disable the event source immediately after delivery of an event."
    flags.set(EpollFlags::EPOLLONESHOT, knote.flags().contains(EvFlags::EV_DISPATCH));
    Ok(flags)
}

fn milliseconds(timeout: Option<Duration>) -> EpollTimeout {
    let Some(timeout) = timeout else { return EpollTimeout::NONE };
    let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
    let milliseconds = i32::try_from(milliseconds).unwrap_or(i32::MAX);
    EpollTimeout::try_from(milliseconds).unwrap_or(EpollTimeout::MAX)
}

//! Waking by an event of the program's own, `EVFILT_USER` of kqueue(2): one call to wake, and none
//! to take it back.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(not(evio_kqueue))]
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};

#[cfg(evio_kqueue)]
use super::super::model::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use super::super::{Selector, failure};
use crate::token::Token;

#[derive(Debug)]
pub(crate) struct Notifier {
    kqueue: Arc<Kqueue>,
    /// What tells it from others of the queue.
    ident: usize,
    token: Token,
}

impl Notifier {
    pub(crate) fn new(selector: &Selector, token: Token) -> io::Result<Self> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let ident = NEXT.fetch_add(1, Ordering::Relaxed);
        let notifier = Self { kqueue: Arc::clone(&selector.kqueue), ident, token };
        // EV_CLEAR: an event that has been fetched is over.
        notifier.change(EvFlags::EV_ADD | EvFlags::EV_CLEAR, FilterFlag::empty())?;
        Ok(notifier)
    }

    /// Triggers the event. Without EV_CLEAR, which would take it back.
    pub(crate) fn notify(&self) -> io::Result<()> {
        self.change(EvFlags::empty(), FilterFlag::NOTE_TRIGGER)
    }

    pub(crate) fn acknowledge(&self) {}

    /// Each change names the token: a change without it would take it away.
    fn change(&self, flags: EvFlags, fflags: FilterFlag) -> io::Result<()> {
        let flags = flags | EvFlags::EV_RECEIPT;
        let token = self.token.0 as isize;
        let change = [KEvent::new(self.ident, EventFilter::EVFILT_USER, flags, fflags, 0, token)];
        let mut receipt = change;
        self.kqueue.kevent(&change, &mut receipt, None)?;
        failure(&receipt[0]).map_or(Ok(()), |errno| Err(io::Error::from_raw_os_error(errno)))
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        let _ = self.change(EvFlags::EV_DELETE, FilterFlag::empty());
    }
}

pub(crate) fn is_notification(event: &KEvent) -> bool {
    matches!(event.filter(), Ok(EventFilter::EVFILT_USER))
}

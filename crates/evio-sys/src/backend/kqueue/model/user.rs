//! `EVFILT_USER`: events that belong to no descriptor, and that the program triggers.

use std::collections::HashMap;

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::event::{EvFlags, FilterFlag, KEvent};

#[derive(Debug)]
pub(super) struct UserEvents {
    knotes: HashMap<usize, UserEvent>,
    /// Readable when one of them is triggered.
    pub(super) bell: EventFd,
}

#[derive(Debug)]
struct UserEvent {
    knote: KEvent,
    is_triggered: bool,
}

impl UserEvents {
    pub(super) fn new() -> nix::Result<Self> {
        let bell = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?;
        Ok(Self { knotes: HashMap::new(), bell })
    }

    pub(super) fn change(&mut self, change: KEvent) -> nix::Result<()> {
        let flags = change.flags();
        if flags.contains(EvFlags::EV_DELETE) {
            return self.knotes.remove(&change.ident()).map(|_| ()).ok_or(Errno::ENOENT);
        }
        if flags.contains(EvFlags::EV_ADD) {
            let added = UserEvent { knote: change, is_triggered: false };
            self.knotes.entry(change.ident()).or_insert(added);
        }
        // ERRORS: ENOENT where there is none.
        let event = self.knotes.get_mut(&change.ident()).ok_or(Errno::ENOENT)?;
        // Each change sets udata anew, the flags stay; `kqueue_register` of FreeBSD.
        event.knote = change.with_flags(event.knote.flags());
        // EVFILT_USER: "NOTE_TRIGGER: Cause the event to be triggered."
        let triggers = change.fflags().contains(FilterFlag::NOTE_TRIGGER);
        event.is_triggered |= triggers;
        // A change with EV_CLEAR takes the trigger back; `filt_usertouch` of FreeBSD.
        event.is_triggered &= !flags.contains(EvFlags::EV_CLEAR);
        if event.is_triggered { self.bell.write(1).map(|_| ()) } else { Ok(()) }
    }

    /// Fetches those that are triggered, as many as there is room for, and returns how many.
    pub(super) fn fetch(&mut self, events: &mut [KEvent]) -> usize {
        let triggered = self.knotes.values_mut().filter(|event| event.is_triggered);
        let mut count = 0;
        for (room, event) in events.iter_mut().zip(triggered) {
            *room = event.knote.reported(EvFlags::empty(), FilterFlag::empty(), 0);
            // EV_CLEAR: "the state of the event is reset" once it was fetched.
            event.is_triggered = !event.knote.flags().contains(EvFlags::EV_CLEAR);
            count += 1;
        }
        if self.knotes.values().all(|event| !event.is_triggered) {
            let _ = self.bell.read();
        }
        count
    }
}

//! The listeners of one loop.

use std::io;
use std::mem;
use std::time::Instant;

use evio_sys::Poller;
use evio_sys::net::AcceptError;
use slab::Slab;

use crate::accept::connection_limits::ConnectionLimits;
use crate::accept::listener::{Accepted, Backoff, BoundListener, LISTENER_BUDGET, Step};
use crate::accept::placement::Placement;
use crate::accept::random::Random;
use crate::types::backoff::backoff_end;

/// Connections accepted in a turn, shared out among the listeners.
const ACCEPT_BUDGET: usize = 512;

/// The least that is accepted from one listener: 64 listeners are what a turn reports.
const LISTENER_MIN: usize = 8;

/// The listeners of one loop, and when each is asked again.
#[derive(Debug)]
pub(crate) struct Acceptor {
    loop_id: usize,
    listeners: Slab<BoundListener>,
    random: Random,
    /// When the first backoff that has an end of its own ends; it may be over by then.
    first_end: Option<Instant>,
    /// A listener that backed off had reserved the last room of the server. Listeners that were
    /// refused it are woken when the backoff is over: at once, two of them would wake each other
    /// without end.
    owes_notice: bool,
}

/// The result of a turn's accepting, beside the connections.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The listener is of no use any more, and gone: its address index and the error.
    pub(crate) failed: Option<(u16, io::Error)>,
    /// Room that was reserved is free again, and listeners that wait for it may be woken: those of
    /// the address with this index, and of all that share its limit.
    pub(crate) has_room: Option<u16>,
}

/// The consequence of an error of `accept` for the listener.
enum Verdict {
    /// One connection failed before it was accepted: the next.
    Next,
    /// Nobody waits.
    Empty,
    /// No descriptor is left.
    Short,
    /// The system is out of memory, or refuses for a reason that may pass.
    BackOff,
    /// The listener itself has failed.
    GiveUp(io::Error),
}

impl Verdict {
    fn of(error: AcceptError, is_first: bool) -> Self {
        match error {
            AcceptError::Connection(_) => Self::Next,
            AcceptError::Empty => Self::Empty,
            AcceptError::Listener(error) => Self::GiveUp(error),
            // The system looks for a descriptor first, so it may be that nobody waits any more. If
            // somebody does, the poller says so again.
            AcceptError::Descriptors(_) if !is_first => Self::Empty,
            AcceptError::Descriptors(_) => Self::Short,
            _ => Self::BackOff,
        }
    }
}

impl Acceptor {
    pub(crate) fn new(loop_id: usize) -> Self {
        Self {
            loop_id,
            listeners: Slab::new(),
            random: Random::new(),
            first_end: None,
            owes_notice: false,
        }
    }

    /// Adds a listener.
    ///
    /// # Errors
    ///
    /// Fails when the listener cannot be polled.
    pub(crate) fn add(
        &mut self,
        bound: BoundListener,
        placement: &Placement,
        poller: &Poller,
    ) -> io::Result<()> {
        let place = self.listeners.vacant_entry();
        bound.register(place.key() as u32, poller)?;
        place.insert(bound);
        placement.shortage.hold_reserve();
        Ok(())
    }

    /// Accepts what waits at a listener, within the budget, and puts it into `accepted` with the
    /// loop that it goes to.
    pub(crate) fn accept(
        &mut self,
        slot: u32,
        placement: &Placement,
        poller: &Poller,
        now: impl Fn() -> Instant,
        accepted: &mut Vec<(usize, Accepted)>,
    ) -> Outcome {
        let loop_id = self.loop_id;
        let next =
            |bound: &BoundListener, random: &mut Random| bound.accept(loop_id, placement, random);
        self.accept_with(slot, placement, poller, now, accepted, next)
    }

    /// As [`accept`](Self::accept), with a function that accepts one connection.
    #[inline]
    fn accept_with(
        &mut self,
        slot: u32,
        placement: &Placement,
        poller: &Poller,
        now: impl Fn() -> Instant,
        accepted: &mut Vec<(usize, Accepted)>,
        mut next: impl FnMut(&BoundListener, &mut Random) -> Step,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut count = 0;
        let share =
            (ACCEPT_BUDGET / self.listeners.len().max(1)).clamp(LISTENER_MIN, LISTENER_BUDGET);
        for attempt in 0..share {
            let Some(bound) = self.listeners.get_mut(slot as usize) else { return outcome };
            if bound.backoff.is_some() {
                return outcome;
            }
            if count == bound.expected() {
                bound.note_accepted(count);
                return outcome;
            }
            let (error, was_last) = match next(bound, &mut self.random) {
                Step::Accepted(target, connection) => {
                    accepted.push((target, connection));
                    count += 1;
                    continue;
                }
                Step::Full => {
                    self.wait_while_full(slot, placement, poller, now());
                    return outcome;
                }
                Step::Failed(error, was_last) => (error, was_last),
            };
            let verdict = Verdict::of(error, attempt == 0);
            match verdict {
                Verdict::Short | Verdict::BackOff => self.owes_notice |= was_last,
                _ if was_last => outcome.has_room = Some(bound.address_index),
                _ => {}
            }
            match verdict {
                Verdict::Next => continue,
                Verdict::Empty => bound.note_accepted(count),
                Verdict::GiveUp(error) => {
                    outcome.failed = Some((bound.address_index, error));
                    self.remove(slot, poller);
                }
                Verdict::Short => {
                    // Another loop must not take the descriptor that a client is turned away with.
                    let _lock = placement.begin_accepting();
                    placement.shortage.run_short(&bound.listener, LISTENER_BUDGET, now());
                    self.back_off(slot, placement, poller, now());
                }
                Verdict::BackOff => self.back_off(slot, placement, poller, now()),
            }
            return outcome;
        }
        if count == 0 {
            // Nothing but failed connections: something refuses every accept.
            self.back_off(slot, placement, poller, now());
        }
        outcome
    }

    fn back_off(&mut self, slot: u32, placement: &Placement, poller: &Poller, now: Instant) {
        let end = backoff_end(now);
        self.listeners[slot as usize].back_off(Backoff::Until(end), poller);
        // All are as long: the first to begin is the first to end.
        self.first_end.get_or_insert(end);
        placement.limits.wait_for_descriptor(self.loop_id);
    }

    fn wait_while_full(&mut self, slot: u32, placement: &Placement, poller: &Poller, now: Instant) {
        let bound = &mut self.listeners[slot as usize];
        bound.back_off(Backoff::Full, poller);
        if placement.limits.wait(self.loop_id, bound.address_index) {
            // A connection ended before its loop could know that somebody waits.
            self.resume_all(&placement.limits, poller, now);
        }
    }

    /// Returns when [`resume_due`](Self::resume_due) is to be called.
    #[inline]
    pub(crate) fn first_end(&self) -> Option<Instant> {
        self.first_end
    }

    /// Registers listeners again whose backoff is over. Returns whether those that wait for room
    /// are to be woken.
    pub(crate) fn resume_due(&mut self, poller: &Poller, now: Instant) -> bool {
        if self.first_end.is_none_or(|end| end > now) {
            return false;
        }
        let is_over = |bound: &BoundListener| match bound.backoff {
            Some(Backoff::Until(end)) => end <= now,
            Some(Backoff::Full) | None => false,
        };
        self.resume_if(poller, now, is_over);
        let ends = self.listeners.iter().filter_map(|(_, bound)| match bound.backoff {
            Some(Backoff::Until(end)) => Some(end),
            Some(Backoff::Full) | None => None,
        });
        self.first_end = ends.min();
        mem::take(&mut self.owes_notice)
    }

    /// Registers the listeners again that have room: a connection has ended. The others go on
    /// waiting.
    pub(crate) fn resume_all(&mut self, limits: &ConnectionLimits, poller: &Poller, now: Instant) {
        let loop_id = self.loop_id;
        self.resume_if(poller, now, |bound| match bound.backoff {
            Some(Backoff::Until(_)) => true,
            Some(Backoff::Full) => limits.wait(loop_id, bound.address_index),
            None => false,
        });
    }

    fn resume_if(
        &mut self,
        poller: &Poller,
        now: Instant,
        is_over: impl Fn(&BoundListener) -> bool,
    ) {
        for (slot, bound) in &mut self.listeners {
            if is_over(bound) {
                let result = bound.register(slot as u32, poller);
                bound.backoff = result.err().map(|_| Backoff::Until(backoff_end(now)));
                if bound.backoff.is_some() {
                    self.first_end.get_or_insert(backoff_end(now));
                }
            }
        }
    }

    /// Returns the slots of the listeners of an address, or of all.
    pub(crate) fn slots(&self, address_index: Option<u16>) -> Vec<u32> {
        let is_meant =
            |bound: &BoundListener| address_index.is_none_or(|meant| meant == bound.address_index);
        let meant = self.listeners.iter().filter(|(_, bound)| is_meant(bound));
        meant.map(|(slot, _)| slot as u32).collect()
    }

    /// Gives up the listeners of an address, or all of them.
    pub(crate) fn stop(&mut self, address_index: Option<u16>, poller: &Poller) {
        for slot in self.slots(address_index) {
            self.remove(slot, poller);
        }
    }

    fn remove(&mut self, slot: u32, poller: &Poller) {
        let bound = self.listeners.remove(slot as usize);
        if bound.backoff.is_none() {
            // Fails only if the system has forgotten it already.
            let _ = poller.deregister(&*bound.listener);
        }
    }
}

#[cfg(test)]
mod tests;

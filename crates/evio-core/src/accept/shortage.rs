//! A shortage of descriptors, which is one of the whole process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evio_sys::net::{Listener, Reserve};
use parking_lot::Mutex;

use crate::types::backoff::BACKOFF;

/// After this time a shortage of descriptors is another one: a client that waited in the first has
/// left.
const FORGOTTEN: Duration = Duration::from_millis(200);

/// Since when the process has been short of descriptors, and the one that it holds in reserve to
/// turn a client away. Shared by all loops: one of them may accept what another one found no
/// descriptor for.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    /// There is something under the lock to be changed when a connection is accepted, or ends.
    is_short: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    short: Option<Short>,
    reserve: Option<Reserve>,
}

/// When descriptors ran out, and when a loop has last found none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Short {
    since: Instant,
    seen: Instant,
}

impl Shortage {
    /// Takes a descriptor in reserve, once.
    pub(super) fn hold_reserve(&self) {
        self.state.lock().reserve.get_or_insert_with(Reserve::hold);
    }

    /// Notes that a connection was accepted: there was a descriptor for it.
    pub(super) fn note_accepted(&self) {
        if self.is_short.load(Ordering::Relaxed) {
            self.change(|state| state.short = None);
        }
    }

    /// Notes that no descriptor is left. If clients have waited long enough for one, up to `most`
    /// of those that wait at the listener are turned away: a peer that is told can go elsewhere.
    pub(super) fn run_short(&self, listener: &Listener, most: usize, now: Instant) {
        self.is_short.store(true, Ordering::Relaxed);
        let State { short, reserve } = &mut *self.state.lock();
        let current = Short::at(*short, now);
        *short = Some(current);
        if !current.is_over_backoff() {
            return;
        }
        if let Some(reserve) = reserve {
            let _ = (0..most).take_while(|_| reserve.turn_away(listener)).count();
        }
    }

    /// Takes the reserve back after a connection has ended.
    pub(crate) fn refill_reserve(&self) {
        if self.is_short.load(Ordering::Relaxed) {
            self.change(|state| {
                if let Some(reserve) = &mut state.reserve {
                    reserve.refill();
                }
            });
        }
    }

    /// Changes the state, and notes when there is nothing left in it to be changed.
    #[cold]
    fn change(&self, change: impl FnOnce(&mut State)) {
        let state = &mut *self.state.lock();
        change(state);
        let has_reserve = state.reserve.as_ref().is_none_or(Reserve::is_held);
        self.is_short.store(state.short.is_some() || !has_reserve, Ordering::Relaxed);
    }
}

impl Short {
    /// Returns the shortage that goes on at `now`, or a new one.
    fn at(before: Option<Self>, now: Instant) -> Self {
        let goes_on = |short: &Self| now.saturating_duration_since(short.seen) < FORGOTTEN;
        let since = before.filter(goes_on).map_or(now, |short| short.since);
        Self { since, seen: now }
    }

    /// Returns whether there were no descriptors for so long that clients are to be turned away.
    fn is_over_backoff(self) -> bool {
        self.seen.saturating_duration_since(self.since) >= BACKOFF
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::accept::tests::{
        connect, has_few_descriptors, listener, take_descriptors, was_closed,
    };

    #[test]
    fn clients_are_turned_away_from_one_backoff_on_until_the_shortage_is_forgotten() {
        let start = evio_sys::clock::now();
        let mut short = None;
        for (backoffs, is_over) in
            [(0, false), (1, true), (2, true), (2, true), (7, false), (8, true)]
        {
            let at = Short::at(short, start + BACKOFF * backoffs);
            assert_eq!(at.is_over_backoff(), is_over, "after {backoffs} backoffs");
            short = Some(at);
        }
        let between = Short::at(None, start);
        let between = Short::at(Some(between), start + BACKOFF / 2);
        assert!(!between.is_over_backoff(), "another loop came in between");
    }

    #[test]
    fn every_listener_turns_its_clients_away() {
        let (listeners, now) = ([listener(), listener()], evio_sys::clock::now());
        let clients = listeners.each_ref().map(connect);
        let shortage = Shortage::default();
        shortage.hold_reserve();
        for at in [now, now + BACKOFF] {
            for listener in &listeners {
                shortage.run_short(listener, 1, at);
            }
        }
        assert_eq!(clients.each_ref().map(was_closed), [true; 2]);
    }

    #[test]
    fn as_many_clients_are_turned_away_as_may_be_and_no_more() {
        let (listener, now) = (listener(), evio_sys::clock::now());
        let clients = [(); 3].map(|()| connect(&listener));
        let closed = || clients.each_ref().map(was_closed);
        let shortage = Shortage::default();
        shortage.hold_reserve();
        shortage.run_short(&listener, 2, now);
        assert_eq!(closed(), [false; 3]);
        shortage.run_short(&listener, 2, now + BACKOFF);
        assert_eq!(closed(), [true, true, false]);
    }

    #[test]
    fn a_reserve_that_could_not_be_held_is_taken_when_a_connection_ends() {
        let name = "accept::shortage::tests::\
                    a_reserve_that_could_not_be_held_is_taken_when_a_connection_ends";
        if !has_few_descriptors(name) {
            return;
        }
        let (listener, now) = (listener(), evio_sys::clock::now());
        let client = connect(&listener);
        let shortage = Shortage::default();
        let mut taken = take_descriptors();
        shortage.hold_reserve();
        shortage.run_short(&listener, 1, now);
        shortage.run_short(&listener, 1, now + BACKOFF);
        assert!(!was_closed(&client), "there is no descriptor to turn it away with");
        taken.pop();
        shortage.refill_reserve();
        assert!(File::open("/dev/null").is_err(), "the reserve has it");
        shortage.run_short(&listener, 1, now + 2 * BACKOFF);
        shortage.run_short(&listener, 1, now + 3 * BACKOFF);
        assert!(was_closed(&client));
    }

    #[test]
    fn a_connection_that_is_accepted_ends_the_shortage() {
        let listener = listener();
        let (shortage, now) = (Shortage::default(), evio_sys::clock::now());
        shortage.run_short(&listener, 1, now);
        assert_eq!(shortage.state.lock().short, Some(Short { since: now, seen: now }));
        shortage.note_accepted();
        assert_eq!(shortage.state.lock().short, None);
    }
}

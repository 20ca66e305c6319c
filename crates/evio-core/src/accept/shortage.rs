//! A shortage of descriptors, which is one of the whole process.

use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use evio_sys::net::{Listener, Reserve};
use parking_lot::Mutex;

use crate::types::backoff::BACKOFF;

/// After this time a shortage of descriptors is another one: a client that waited in the first has
/// left.
const FORGOTTEN: Duration = Duration::from_millis(200);

/// Since when clients have waited for a descriptor, and the one that the process holds in reserve
/// to turn them away. Shared by all loops: one of them may accept what another one found no
/// descriptor for.
#[derive(Debug, Default)]
pub(crate) struct Shortage {
    /// There is something under the lock to be changed when a connection is accepted, or ends.
    is_short: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Since when clients wait at a listener, by its descriptor, which the loops that share it have
    /// in common.
    waiting: Vec<(RawFd, Instant)>,
    reserve: Option<Reserve>,
}

impl Shortage {
    /// Takes a descriptor in reserve, once.
    pub(super) fn hold_reserve(&self) {
        self.state.lock().reserve.get_or_insert_with(Reserve::hold);
    }

    /// Notes that a connection was accepted: there was a descriptor for it.
    pub(super) fn note_accepted(&self) {
        if self.is_short.load(Ordering::Relaxed) {
            self.change(|state| state.waiting.clear());
        }
    }

    /// Notes that no descriptor is left. If clients have waited long enough for one, up to `most`
    /// of those that wait at the listener are turned away: a peer that is told can go elsewhere.
    pub(super) fn run_short(&self, listener: &Listener, most: usize, now: Instant) {
        let State { waiting, reserve } = &mut *self.state.lock();
        self.is_short.store(true, Ordering::Relaxed);
        if !has_waited(waiting, listener.as_fd().as_raw_fd(), now) {
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
        self.is_short.store(!state.waiting.is_empty() || !has_reserve, Ordering::Relaxed);
    }
}

/// Returns whether the clients of a listener have waited long enough to be turned away; if not,
/// they wait from now on. After they were, others may come, and wait as long.
fn has_waited(waiting: &mut Vec<(RawFd, Instant)>, listener: RawFd, now: Instant) -> bool {
    let Some(place) = waiting.iter().position(|&(of, _)| of == listener) else {
        waiting.push((listener, now));
        return false;
    };
    let waited = now.saturating_duration_since(waiting[place].1);
    if waited >= FORGOTTEN {
        waiting[place].1 = now;
    }
    let has_waited = (BACKOFF..FORGOTTEN).contains(&waited);
    if has_waited {
        waiting.swap_remove(place);
    }
    has_waited
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;
    use crate::accept::tests::{
        connect, has_few_descriptors, listener, take_descriptors, was_closed,
    };

    #[test]
    fn clients_are_turned_away_after_one_backoff_and_not_long_after() {
        let now = evio_sys::clock::now();
        let mut waiting = Vec::new();
        let mut has_waited = |at| has_waited(&mut waiting, 3, at);
        assert!(!has_waited(now));
        assert!(!has_waited(now + BACKOFF / 2), "another loop came in between");
        assert!(has_waited(now + BACKOFF));
        assert!(!has_waited(now + 2 * BACKOFF), "a new shortage");
        assert!(!has_waited(now + FORGOTTEN + 3 * BACKOFF), "it is forgotten");
        assert!(has_waited(now + FORGOTTEN + 4 * BACKOFF));
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
        assert_eq!(shortage.state.lock().waiting.len(), 1);
        shortage.note_accepted();
        assert!(shortage.state.lock().waiting.is_empty());
    }
}

//! One listener of a loop, and how much it is asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use evio_sys::net::{AcceptError, Listener, Stream};
use evio_sys::{Interest, Poller};

use crate::accept::placement::Placement;
use crate::accept::random::Random;
use crate::types::event_target::EventTarget;

/// Connections accepted from one listener in a turn at the most, so that a storm of them leaves
/// room for those that are there.
pub(super) const LISTENER_BUDGET: usize = 64;

/// After so many turns at the most a listener is asked for more connections than it had: to ask in
/// vain is one `accept` in eight.
const MAX_PATIENCE: u8 = 8;

/// A listener of the loop.
#[derive(Debug)]
pub(crate) struct BoundListener {
    pub(super) listener: Arc<Listener>,
    pub(super) address_index: u16,
    sharing: Sharing,
    /// Why it is out of the poller, if it is.
    pub(super) backoff: Option<Backoff>,
    batch: Batch,
}

/// A connection on its way to its loop.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) address_index: u16,
}

/// The result of one `accept`.
#[derive(Debug)]
pub(super) enum Step {
    /// A connection, and the loop that it goes to.
    Accepted(usize, Accepted),
    /// There are as many connections by this address as there may be.
    Full,
    /// It failed; whether the room that was reserved for it was the last.
    Failed(AcceptError, bool),
}

/// Whose connections come in by a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sharing {
    /// Those of all loops, each of which may accept from the same socket: so a loop that is held up
    /// keeps no connection of another one waiting.
    AllLoops,
    /// Those of this loop: the kernel has balanced them.
    LocalOnly,
}

/// The reason why a listener is not polled; the end of any connection ends both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Backoff {
    /// There are as many connections by its address as there may be.
    Full,
    Until(Instant),
}

impl BoundListener {
    pub(crate) fn new(address_index: u16, listener: Arc<Listener>, sharing: Sharing) -> Self {
        Self { listener, address_index, sharing, backoff: None, batch: Batch::new() }
    }

    pub(crate) fn address_index(&self) -> u16 {
        self.address_index
    }

    /// Accepts one connection, if there is room for one, and places it.
    pub(super) fn accept(
        &self,
        loop_id: usize,
        placement: &Placement,
        random: &mut Random,
    ) -> Step {
        if !placement.limits.admit(self.address_index) {
            return Step::Full;
        }
        let is_local = self.sharing == Sharing::LocalOnly;
        let turn = if is_local { None } else { placement.begin_accepting() };
        match self.listener.accept() {
            Ok((stream, peer)) => {
                let target = match is_local {
                    true => placement.add(loop_id),
                    false => placement.place(random, peer),
                };
                placement.shortage.note_accepted();
                let address_index = self.address_index;
                Step::Accepted(target, Accepted { stream, peer, address_index })
            }
            Err(error) => {
                drop(turn);
                Step::Failed(error, placement.limits.withdraw(self.address_index))
            }
        }
    }

    /// Registers the listener with the poller, which reports connections that wait.
    pub(super) fn register(&self, slot: u32, poller: &Poller) -> io::Result<()> {
        let interest = match self.sharing {
            // One loop is woken for a connection, not all of them.
            Sharing::AllLoops => Interest::READABLE.exclusive(),
            Sharing::LocalOnly => Interest::READABLE,
        };
        poller.register(&*self.listener, EventTarget::Listener(slot).token(), interest)
    }

    /// Takes the listener out of the poller: it is polled level-triggered, and one that nothing is
    /// to be accepted from would be reported again and again.
    pub(super) fn back_off(&mut self, backoff: Backoff, poller: &Poller) {
        if poller.deregister(&*self.listener).is_ok() {
            self.backoff = Some(backoff);
        }
    }

    /// Returns how many connections the turn accepts before it leaves the rest to the next.
    pub(super) fn expected(&self) -> usize {
        self.batch.expected
    }

    /// Notes how many connections there were: as many as expected, or fewer.
    pub(super) fn note_accepted(&mut self, count: usize) {
        self.batch.note(count);
    }
}

/// How many connections a turn accepts.
///
/// To find that nobody waits is a system call for nothing: the poller says so anyway. So a turn
/// asks for as many as there were, for twice as many when there were as many as asked for, and
/// waits longer with that each time it was in vain.
#[derive(Debug)]
struct Batch {
    expected: usize,
    /// The last turn has asked for more than there had been.
    is_trial: bool,
    /// Turns in a row in which there were as many as expected.
    met: u8,
    /// How many of them it takes to expect twice as many.
    patience: u8,
}

impl Batch {
    fn new() -> Self {
        Self { expected: 1, is_trial: false, met: 0, patience: 1 }
    }

    fn note(&mut self, count: usize) {
        if count < self.expected {
            let patience = (2 * self.patience).min(MAX_PATIENCE);
            *self = Self { expected: count.max(1), is_trial: false, met: 0, patience };
            return;
        }
        self.met += 1;
        if self.is_trial {
            // There is a crowd.
            (self.is_trial, self.patience) = (false, 1);
        }
        if self.met >= self.patience {
            self.expected = (2 * self.expected).min(LISTENER_BUDGET);
            (self.is_trial, self.met) = (true, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns in how many turns `waiting` connections are accepted, and the `accept` calls.
    fn accept_all(batch: &mut Batch, mut waiting: usize) -> (usize, usize) {
        let (mut turns, mut calls) = (0, 0);
        while waiting > 0 {
            let count = waiting.min(batch.expected);
            calls += batch.expected.min(count + 1);
            batch.note(count);
            waiting -= count;
            turns += 1;
        }
        (turns, calls)
    }

    #[test]
    fn a_burst_is_accepted_in_few_turns_and_single_connections_with_few_calls() {
        let mut batch = Batch::new();
        assert_eq!(accept_all(&mut batch, 200).0, 9);
        let calls: usize = (0..900).map(|_| accept_all(&mut batch, 1).1).sum();
        assert!((900..=1_020).contains(&calls), "{calls} calls for 900 connections");
        let (turns, _) = accept_all(&mut batch, 200);
        assert!(turns <= 16, "{turns} turns after a long quiet time");
        assert!(batch.expected <= LISTENER_BUDGET);
    }

    #[test]
    fn single_connections_are_asked_for_in_vain_less_and_less_often() {
        let mut batch = Batch::new();
        let in_vain: Vec<usize> = (1..=40).filter(|_| accept_all(&mut batch, 1).1 == 2).collect();
        assert_eq!(in_vain, [2, 5, 10, 19, 28, 37]);
    }
}

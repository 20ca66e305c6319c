//! One dial: the addresses, one after the other, as RFC 8305 has it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::dial::dial_error::DialFailure;
use crate::timer::loop_timer::TimerId;
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;
use crate::types::origin::Tag;

/// How long an address has before the next one is tried beside it; RFC 8305, section 8, "Connection
/// Attempt Delay".
pub(crate) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The most addresses that are tried. A name that stands for more is one to balance load by, and
/// its first ones will do.
pub(super) const MAX_ADDRESSES: usize = 32;

/// A connection that is wanted to one of several addresses.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(super) target: String,
    pub(crate) tag: Tag,
    pub(crate) limits: Option<Limits>,
    /// The time that it has in all, and when that is up.
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    /// The timer of its next look, if there is one.
    pub(crate) timer: Option<TimerId>,
    pub(super) state: State,
    /// The addresses that have not been tried.
    pub(super) left: VecDeque<SocketAddr>,
    pub(super) attempts: Vec<(ConnKey, SocketAddr)>,
    /// When the next address is tried though an attempt is under way.
    pub(super) next_at: Instant,
    pub(super) failed: Vec<(SocketAddr, io::Error)>,
}

#[derive(Debug)]
pub(super) enum State {
    /// The addresses are not known yet.
    Resolving,
    Trying,
    /// It has failed, and the handler is to be told.
    Failed(DialFailure),
}

impl Dial {
    /// Returns the connections that are being tried.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = ConnKey> + '_ {
        self.attempts.iter().map(|&(key, _)| key)
    }

    /// Begins to try addresses.
    pub(super) fn begin(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        self.left = interleave(addresses.into_iter().take(MAX_ADDRESSES));
        let is_empty = self.left.is_empty();
        self.state = if is_empty { State::Failed(DialFailure::NoAddress) } else { State::Trying };
    }

    /// Returns the address that is to be tried now: the next one if no attempt is under way, or
    /// the last one has had its time.
    pub(super) fn next_address(&mut self, now: Instant) -> Option<SocketAddr> {
        let is_due = self.attempts.is_empty() || self.next_at <= now;
        is_due.then(|| self.left.pop_front()).flatten()
    }

    /// Returns when there is something to be done: for one that has failed, at once.
    pub(crate) fn next_look(&self, now: Instant) -> Instant {
        match self.state {
            State::Failed(_) => now,
            State::Trying if !self.left.is_empty() => self.next_at.min(self.deadline),
            State::Trying | State::Resolving => self.deadline,
        }
    }

    /// Gives up, and what every attempt that is under way has come to.
    pub(super) fn fail(&mut self, failure: DialFailure) {
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        if let DialFailure::TimedOut(_) = failure {
            let silent = self.attempts.iter().map(|&(_, address)| (address, no_answer()));
            self.failed.extend(silent);
        }
        self.state = State::Failed(failure);
    }
}

fn no_answer() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer")
}

/// Puts the families in turn, beginning with that of the first address, and leaves the order within
/// each; RFC 8305, section 4.
fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.into_iter().peekable();
    let begins_with_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv6() == begins_with_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut all = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None; 2] {
            return all;
        }
        all.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_are_tried_in_turn() {
        let all = |addresses: &[&str]| -> Vec<SocketAddr> {
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        for (given, expected) in [
            (&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"][..], [0, 3, 1, 2].as_slice()),
            (&["1.1.1.1:1", "[::1]:1", "[::2]:1", "2.2.2.2:1"], &[0, 1, 3, 2]),
            (&["1.1.1.1:1", "2.2.2.2:1"], &[0, 1]),
            (&[], &[]),
        ] {
            let given = all(given);
            let expected: Vec<SocketAddr> = expected.iter().map(|&index| given[index]).collect();
            assert_eq!(interleave(given), expected);
        }
    }
}

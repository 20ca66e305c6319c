//! One dial: the addresses, one after the other, as RFC 8305 has it.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
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
/// some of them will do.
const MAX_ADDRESSES: usize = 32;

/// The most addresses that are looked at, to find both families among them.
pub(crate) const MAX_GIVEN: usize = 256;

/// The most addresses that are tried side by side, since each takes a descriptor. When another one
/// begins, the first gives way: it has had two seconds.
const MAX_ATTEMPTS: usize = 8;

/// A connection that is wanted to one of several addresses.
#[derive(Debug)]
pub(crate) struct Dial {
    pub(super) target: String,
    pub(crate) tag: Tag,
    pub(crate) limits: Option<Limits>,
    /// The time that it has in all, and when that is up.
    pub(super) timeout: Duration,
    pub(super) deadline: Instant,
    /// `PendingAddresses` holds the weak end, and so knows whether the dial goes on.
    pub(super) wanted: Option<Arc<()>>,
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

/// 100 years: "never", without overflowing `Instant`.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

impl Dial {
    pub(super) fn new(
        target: String,
        tag: Tag,
        limits: Option<Limits>,
        timeout: Duration,
        now: Instant,
    ) -> Self {
        Self {
            target,
            tag,
            limits,
            timeout,
            deadline: now.checked_add(timeout).unwrap_or_else(|| now + NEVER),
            wanted: None,
            timer: None,
            state: State::Resolving,
            left: VecDeque::new(),
            attempts: Vec::new(),
            next_at: now,
            failed: Vec::new(),
        }
    }

    /// Returns whether its time is up, and it has not failed.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.deadline && !matches!(self.state, State::Failed(_))
    }

    /// Returns what tells the resolver of the name whether the dial goes on.
    pub(crate) fn wanted(&mut self) -> Weak<()> {
        Arc::downgrade(self.wanted.get_or_insert_default())
    }

    /// Returns the connections that are being tried.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = ConnKey> + '_ {
        self.attempts.iter().map(|&(key, _)| key)
    }

    /// Begins to try addresses.
    pub(super) fn begin(&mut self, addresses: impl IntoIterator<Item = SocketAddr>) {
        self.left = interleave(addresses.into_iter().take(MAX_GIVEN));
        self.left.truncate(MAX_ADDRESSES);
        let is_empty = self.left.is_empty();
        self.state = if is_empty { State::Failed(DialFailure::NoAddress) } else { State::Trying };
    }

    /// Returns the address that is to be tried now: the next one if no attempt is under way, or
    /// the last one has had its time.
    pub(super) fn next_address(&mut self, now: Instant) -> Option<SocketAddr> {
        let is_due = self.attempts.is_empty() || self.next_at <= now;
        is_due.then(|| self.left.pop_front()).flatten()
    }

    /// Notes an attempt that has begun, and returns the one that gives way to it.
    pub(super) fn begin_attempt(
        &mut self,
        key: ConnKey,
        address: SocketAddr,
        now: Instant,
    ) -> Option<ConnKey> {
        self.next_at = now + ATTEMPT_DELAY;
        self.attempts.push((key, address));
        (self.attempts.len() > MAX_ATTEMPTS).then(|| {
            let (key, address) = self.attempts.remove(0);
            self.failed.push((address, no_answer()));
            key
        })
    }

    /// Notes that an attempt has failed: the next address is tried at once. Returns whether it was
    /// one of the dial's.
    pub(super) fn end_attempt(&mut self, key: ConnKey, error: io::Error, now: Instant) -> bool {
        let Some(place) = self.attempts.iter().position(|&(other, _)| other == key) else {
            return false;
        };
        let (_, address) = self.attempts.remove(place);
        self.failed.push((address, error));
        self.next_at = self.next_at.min(now);
        true
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

    impl Dial {
        fn for_test(now: Instant) -> Self {
            Self::new("a.test:7".to_owned(), Tag::default(), None, Duration::ZERO, now)
        }
    }

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
    /// A name with many addresses of one family has all of them before the others.
    #[test]
    fn the_other_family_is_among_the_addresses_that_are_tried() {
        let now = evio_sys::clock::now();
        let mut dial = Dial::for_test(now);
        let first = (1..=200).map(|last| SocketAddr::from(([192, 0, 2, last], 7)));
        dial.begin(first.chain(["[::1]:7".parse().unwrap()]));
        assert_eq!(dial.left.len(), MAX_ADDRESSES);
        assert!(dial.left[1].is_ipv6());
    }

    #[test]
    fn the_first_attempt_gives_way_to_one_too_many() {
        let now = evio_sys::clock::now();
        let mut dial = Dial::for_test(now);
        let address = SocketAddr::from(([192, 0, 2, 1], 7));
        let key = |index| ConnKey { index, generation: 1 };
        for index in 0..MAX_ATTEMPTS as u32 {
            assert_eq!(dial.begin_attempt(key(index), address, now), None);
        }
        assert_eq!(dial.begin_attempt(key(99), address, now), Some(key(0)));
        assert_eq!((dial.attempts.len(), dial.failed.len()), (MAX_ATTEMPTS, 1));
    }
}

//! Connections with more input than the poller will report.

use std::collections::VecDeque;

use crate::types::conn_id::ConnKey;

/// Keys that the backlog keeps memory for; a burst of more gives it back.
const KEPT: usize = 4096;

/// Connections whose last read did not empty the socket. TCP connections are polled edge-triggered,
/// so the poller has reported that input and does not do so again. First in, first out.
///
/// Invariant: those with `in_backlog` set are in it, once each.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    keys: VecDeque<ConnKey>,
    /// Full reads that the turn may still make of connections that are taken out.
    full_reads: usize,
    /// The connection that was taken out last is being read from.
    is_reading: bool,
}

impl Backlog {
    /// Begins a turn in which so many full reads are made. Returns how many connections there are.
    #[inline]
    pub(super) fn begin_turn(&mut self, full_reads: usize) -> usize {
        if !self.keys.is_empty() {
            (self.full_reads, self.is_reading) = (full_reads, false);
        }
        self.keys.len()
    }

    /// Notes a read that has filled the buffer: if it was of the backlog, it counts.
    pub(super) fn note_full_read(&mut self) {
        if self.is_reading {
            self.full_reads = self.full_reads.saturating_sub(1);
        }
    }

    #[inline]
    pub(super) fn push(&mut self, key: ConnKey) {
        self.keys.push_back(key);
    }

    /// Takes the connection out that has waited longest, unless the turn has made its full reads.
    pub(super) fn pop(&mut self) -> Option<ConnKey> {
        if self.full_reads == 0 {
            return None;
        }
        self.is_reading = true;
        let key = self.keys.pop_front();
        if self.keys.is_empty() && self.keys.capacity() > KEPT {
            self.keys = VecDeque::new();
        }
        key
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn keys(&self) -> impl Iterator<Item = ConnKey> + '_ {
        self.keys.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_reads_are_bounded_and_others_are_not() {
        let mut backlog = Backlog::default();
        let key = |index| ConnKey { index, generation: 1 };
        (0..20).for_each(|index| backlog.push(key(index)));
        assert_eq!(backlog.begin_turn(2), 20);
        backlog.note_full_read();
        for index in 0..10 {
            assert_eq!(backlog.pop(), Some(key(index)), "an event and short reads do not count");
        }
        backlog.note_full_read();
        assert_eq!(backlog.pop(), Some(key(10)));
        backlog.note_full_read();
        assert_eq!(backlog.pop(), None);
        assert_eq!(backlog.begin_turn(2), 9);
        assert_eq!(backlog.pop(), Some(key(11)), "first in, first out");
    }

    #[test]
    fn memory_of_a_burst_goes_back_and_that_of_a_few_is_kept() {
        let mut backlog = Backlog::default();
        let keys = |count| (0..count).map(|index| ConnKey { index, generation: 1 });
        for (count, is_kept) in [(10, true), (KEPT as u32, true), (10_000, false)] {
            backlog.keys = VecDeque::with_capacity(count as usize);
            keys(count).for_each(|key| backlog.push(key));
            assert!(backlog.len() == count as usize && backlog.keys().eq(keys(count)));
            backlog.begin_turn(1);
            assert!(keys(count).all(|key| backlog.pop() == Some(key)));
            assert_eq!((backlog.pop(), backlog.len()), (None, 0));
            assert_eq!(backlog.keys.capacity() > 0, is_kept, "of {count}");
        }
    }
}

//! When the keys of a table expire, in order.

use std::collections::BTreeSet;

use super::entry::NEVER;

/// What a key that expires takes here: 16 bytes, in nodes of a B-tree that are two thirds full, and
/// a share of the nodes above.
pub(super) const TIME_MEMORY: usize = 32;

/// The times at which keys of a table expire, each with the hash of the key. Keys that do not
/// expire take nothing.
pub(super) struct Times {
    in_order: BTreeSet<(i64, u64)>,
    /// Invariant: the first time, or [`NEVER`]. Here it costs no way down the tree.
    first: i64,
}

impl Default for Times {
    fn default() -> Self {
        Self { in_order: BTreeSet::new(), first: NEVER }
    }
}

impl Times {
    /// Adds a key with this hash.
    pub(super) fn add(&mut self, at: i64, hash: u64) {
        self.in_order.insert((at, hash));
        self.first = self.first.min(at);
    }

    /// Removes a key with this hash. There must be no other one with the same hash and time.
    pub(super) fn remove(&mut self, at: i64, hash: u64) {
        self.in_order.remove(&(at, hash));
        if at == self.first {
            self.first = self.in_order.first().map_or(NEVER, |&(at, _)| at);
        }
    }

    /// Returns the first time of all, or [`NEVER`].
    #[inline]
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// Returns the time and the hash of the first key, if that has expired.
    pub(super) fn first_due(&self, now: i64) -> Option<(i64, u64)> {
        self.in_order.first().copied().filter(|&(at, _)| at <= now)
    }
}

#[cfg(test)]
impl Times {
    pub(super) fn contains(&self, at: i64, hash: u64) -> bool {
        self.in_order.contains(&(at, hash))
    }

    pub(super) fn assert_consistent(&self, len: usize) {
        assert_eq!(self.in_order.len(), len);
        assert_eq!(self.first, self.in_order.first().map_or(NEVER, |&(at, _)| at));
    }
}

//! What allocations take, and may take.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The memory of all keys and values, and the limit of it.
#[derive(Debug)]
pub(super) struct Memory {
    /// What the locks have reported; see `Shard::account`.
    used: AtomicUsize,
    /// 0 is no limit.
    max: AtomicUsize,
}

impl Memory {
    /// Begins with what the empty store takes.
    pub(super) fn new(used: usize, max: usize) -> Self {
        Self { used: AtomicUsize::new(used), max: AtomicUsize::new(max) }
    }

    /// Adds a change, which may be negative in two's complement.
    pub(super) fn add(&self, change: usize) {
        self.used.fetch_add(change, Ordering::Relaxed);
    }

    pub(super) fn used(&self) -> usize {
        // A lock may have reported less than another one has taken back of it.
        let used = self.used.load(Ordering::Relaxed) as isize;
        used.max(0) as usize
    }

    pub(super) fn max(&self) -> usize {
        self.max.load(Ordering::Relaxed)
    }

    pub(super) fn set_max(&self, bytes: usize) {
        self.max.store(bytes, Ordering::Relaxed);
    }

    /// Tells whether more is used than may be.
    pub(super) fn is_over(&self) -> bool {
        let max = self.max();
        max > 0 && self.used() > max
    }
}

/// Returns how much memory an allocation of `bytes` bytes takes.
///
/// As of glibc on 64 bits: a chunk has a head of 8 bytes, is a multiple of 16 long and at least 32.
/// Other allocators have size classes that are about as far apart.
pub(in crate::redis) fn allocation(bytes: usize) -> usize {
    const HEAD: usize = 8;
    const STEP: usize = 16;
    const LEAST: usize = 32;
    match bytes {
        0 => 0,
        _ => (bytes + HEAD).next_multiple_of(STEP).max(LEAST),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_those_of_glibc() {
        let cases = [(0, 0), (1, 32), (24, 32), (25, 48), (40, 48), (41, 64), (1000, 1008)];
        for (bytes, expected) in cases {
            assert_eq!(allocation(bytes), expected, "{bytes}");
        }
    }
}

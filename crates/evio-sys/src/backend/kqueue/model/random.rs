//! The order of events.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};

/// A generator of pseudo-random numbers: SplitMix64.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// Makes one from the seed in the environment. Each queue of a process has another.
    pub(super) fn seeded() -> Self {
        static QUEUES: AtomicU64 = AtomicU64::new(0);
        let seed = env::var("EVIO_KQUEUE_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
        let queue = QUEUES.fetch_add(1, Ordering::Relaxed);
        Self(seed.unwrap_or_default().wrapping_add(queue << 32))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

//! Random numbers that spread connections.

use std::hash::{BuildHasher, Hasher, RandomState};

/// A xorshift64* generator: uniform enough to spread connections, and not a secret.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates a generator with a seed of its own, from the keys that std draws for its hashers.
    pub(crate) fn new() -> Self {
        Self(RandomState::new().build_hasher().finish() | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let high = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        // The high half scaled to the bound: without a division, and with a bias below 2^-32.
        ((high * bound as u64) >> 32) as usize
    }
}

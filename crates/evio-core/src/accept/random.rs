//! Random numbers that spread connections.

/// A xorshift64* generator: uniform enough to spread connections, and not a secret.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Creates a generator with a seed of its own.
    pub(crate) fn new() -> Self {
        Self(evio_sys::random::seed() | 1)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts are those that Rosetta Code gives for xorshift64* with this seed.
    #[test]
    fn numbers_are_those_of_xorshift64_star() {
        let mut random = Random(987_654_321);
        let mut counts = [0; 5];
        for _ in 0..100_000 {
            counts[random.below(5)] += 1;
        }
        assert_eq!(counts, [20_103, 19_922, 19_937, 20_031, 20_007]);
    }

    #[test]
    fn generators_have_different_seeds_and_none_is_zero() {
        let seeds = [(); 64].map(|()| Random::new().0);
        assert!(seeds.iter().all(|&seed| seed != 0));
        assert!(seeds.windows(2).any(|pair| pair[0] != pair[1]));
    }
}

//! Random numbers from a seed.

/// splitmix64: every seed gives a sequence of its own, neighbouring ones too.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`, or zero.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let product = u128::from(self.next()) * bound as u128;
        (product >> 64) as usize
    }

    /// Returns true with this probability. What never happens draws nothing.
    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        probability > 0.0 && (self.next() >> 32) as f64 / f64::from(u32::MAX) < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation for this seed.
    #[test]
    fn numbers_are_those_of_splitmix64() {
        let mut random = Random::new(1_234_567);
        let numbers = [(); 3].map(|()| random.next());
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn numbers_are_below_any_bound() {
        let mut random = Random::new(7);
        for bound in [1, 3, 1 << 32, usize::MAX] {
            let drawn: Vec<_> = (0..100).map(|_| random.below(bound)).collect();
            assert!(drawn.iter().all(|&number| number < bound), "{bound}: {drawn:?}");
            assert!(drawn.iter().any(|&number| number >= bound / 2), "{bound}: {drawn:?}");
        }
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn chances_are_as_asked_for() {
        let mut random = Random::new(7);
        let hits = (0..10_000).filter(|_| random.chance(0.25)).count();
        assert!((2_300..2_700).contains(&hits), "{hits}");
        assert!(!random.chance(0.0));
    }
}

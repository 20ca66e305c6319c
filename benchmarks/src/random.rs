//! Random numbers that a seed brings back.

/// 2^64 divided by the golden ratio: the step that spreads neighbouring numbers best.
const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;

/// The SplitMix64 sequence: good enough for test data, and a few lines long.
#[derive(Debug, Clone)]
pub(crate) struct Random {
    state: u64,
}

impl Random {
    /// Begins the sequence that belongs to `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Begins the sequence with the number `index` of those that belong to `seed`.
    pub(crate) fn nth(seed: u64, index: u64) -> Self {
        // Mixed once, so that neighbouring sequences are not the same one a step apart.
        Self::new(Self::new(seed ^ index.wrapping_mul(GOLDEN_RATIO)).next())
    }

    /// Returns the next number.
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_RATIO);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, which must not be zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Returns a number above 0 and up to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        // As many bits as an `f64` holds exactly.
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// Puts `items` in another order; all orders are about as likely.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sequence() {
        let mut random = Random::new(1_234_567);
        let numbers = [random.next(), random.next(), random.next()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn every_order_of_three_comes_up() {
        let mut random = Random::new(1);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..200 {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            seen.insert(items);
        }
        assert_eq!(seen.len(), 6);
    }
}

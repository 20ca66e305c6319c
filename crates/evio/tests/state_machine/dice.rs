//! Decisions by chance, the same ones for the same seed.

use std::time::Duration;

use super::frame::HEADER;
use crate::util::Random;

pub(crate) struct Dice(Random);

impl Dice {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        Self(Random::new(seed, stream))
    }

    /// Returns dice of their own for one callback, so that it decides the same whatever others do.
    pub(crate) fn split(&mut self) -> Self {
        Self::new(self.0.next(), 0)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0.next()
    }

    /// Returns a number from 1 to `max`.
    pub(crate) fn up_to(&mut self, max: usize) -> usize {
        self.0.up_to(max)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.up_to(end) - 1
    }

    pub(crate) fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.percent(50)
    }

    pub(crate) fn millis(&mut self, max: usize) -> Duration {
        Duration::from_millis(self.up_to(max) as u64)
    }

    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Picks one by its weight.
    pub(crate) fn weigh<T: Copy>(&mut self, choices: &[(usize, T)]) -> T {
        let mut rest = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for &(weight, choice) in choices {
            match rest.checked_sub(weight) {
                Some(less) => rest = less,
                None => return choice,
            }
        }
        unreachable!("the number is below the sum of the weights")
    }

    /// Returns how long a message is: most are short, some are of a few megabytes, and some are
    /// just at a limit of the library's.
    pub(crate) fn len(&mut self) -> usize {
        match self.below(1_000) {
            0..500 => self.up_to(200),
            500..800 => self.up_to(5_000),
            800..900 => self.up_to(70_000),
            900..940 => self.pick(&[4 << 10, 16 << 10, 64 << 10]) + self.below(3) - 1 - HEADER,
            940..990 => self.up_to(400_000),
            _ => self.up_to(3 << 20),
        }
    }
}

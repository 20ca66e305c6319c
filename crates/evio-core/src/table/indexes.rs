//! The free indexes of the table.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Hands out the lowest index that is free, as the kernel does with descriptors: so the connections
/// that are left after a burst gather at the beginning, and the pages behind them are freed.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    /// One bit for each index in use, 64 to a word.
    used: Vec<u64>,
    /// The words that have a free bit; those that are forgotten are skipped.
    with_room: BinaryHeap<Reverse<u32>>,
}

impl Indexes {
    pub(crate) fn take(&mut self) -> u32 {
        while let Some(&Reverse(number)) = self.with_room.peek() {
            match self.used.get_mut(number as usize) {
                Some(word) if *word != u64::MAX => {
                    let bit = word.trailing_ones();
                    *word |= 1 << bit;
                    if *word == u64::MAX {
                        // It is listed again when it has room.
                        self.with_room.pop();
                    }
                    return number * 64 + bit;
                }
                _ => drop(self.with_room.pop()),
            }
        }
        let number = u32::try_from(self.used.len()).expect("there are fewer than 2^32 descriptors");
        self.used.push(1);
        self.with_room.push(Reverse(number));
        number * 64
    }

    pub(crate) fn give_back(&mut self, index: u32) {
        let number = index / 64;
        let word = &mut self.used[number as usize];
        debug_assert!(*word & (1 << (index % 64)) != 0, "the index is free already");
        if *word == u64::MAX {
            self.with_room.push(Reverse(number));
        }
        *word &= !(1 << (index % 64));
        if *word == 0 && number as usize == self.used.len() - 1 {
            self.trim();
        }
    }

    /// Forgets the words above the last one that is in use.
    fn trim(&mut self) {
        let used = self.used.iter().rposition(|&word| word != 0).map_or(0, |last| last + 1);
        self.used.truncate(used);
        if self.used.capacity() > 4 * used.max(64) {
            self.used.shrink_to(2 * used.max(64));
        }
        // Words that are forgotten may be listed still: each burst would leave some.
        if self.with_room.len() > 2 * used + 64 {
            self.with_room.retain(|&Reverse(number)| (number as usize) < used);
            self.with_room.shrink_to(2 * used + 64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_word_that_is_filled_again_and_again_is_listed_once() {
        let mut indexes = Indexes::default();
        for _ in 0..63 {
            indexes.take();
        }
        for _ in 0..1_000 {
            let last = indexes.take();
            indexes.give_back(last);
        }
        assert!(indexes.with_room.len() <= 2, "{} words", indexes.with_room.len());
    }

    #[test]
    fn the_lowest_free_index_is_taken() {
        let (mut indexes, mut used) = (Indexes::default(), BTreeSet::new());
        let mut state = 7u32;
        for step in 0..6_000u32 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Bursts and their ends by turns.
            let grows = (step / 1_000) % 2 == 0;
            if (state >> 24) % 4 == 0 || grows {
                let gap = used.iter().zip(0..).find(|&(&index, place)| index != place);
                let lowest = gap.map_or(used.len() as u32, |(_, place)| place);
                assert_eq!(indexes.take(), lowest, "step {step}");
                used.insert(lowest);
            } else if let Some(&index) = used.iter().nth((state >> 8) as usize % used.len().max(1))
            {
                used.remove(&index);
                indexes.give_back(index);
            }
        }
    }

    #[test]
    fn memory_of_bursts_goes_back() {
        let mut indexes = Indexes::default();
        for _ in 0..10 {
            let taken: Vec<u32> = (0..100_000).map(|_| indexes.take()).collect();
            for index in taken.into_iter().rev() {
                let places = (indexes.used.capacity(), indexes.with_room.capacity());
                indexes.give_back(index);
                let left = (indexes.used.capacity(), indexes.with_room.capacity());
                let used = indexes.used.len();
                // And one, until the word that is listed last is empty.
                assert!(indexes.with_room.len() <= 2 * used + 64 + 1, "{used} words");
                // As much as there is may come again without an allocation.
                assert!(left.0 == places.0 || left.0 >= 2 * used, "{left:?} for {used} words");
                assert!(left.1 >= places.1.min(2 * used + 64), "{left:?} for {used} words");
            }
        }
        assert!((128..=256).contains(&indexes.used.capacity()), "{}", indexes.used.capacity());
        assert!(indexes.with_room.capacity() <= 256, "{}", indexes.with_room.capacity());
    }

    #[test]
    fn the_lowest_free_index_is_known_after_a_burst() {
        let mut indexes = Indexes::default();
        for _ in 0..64 * 256 {
            indexes.take();
        }
        let words = indexes.used.capacity();
        let gaps: Vec<u32> = (0..11).map(|word| word * 64 + 5).collect();
        gaps.iter().for_each(|&gap| indexes.give_back(gap));
        (11 * 64..64 * 256).rev().for_each(|index| indexes.give_back(index));
        assert_eq!((indexes.used.len(), indexes.used.capacity()), (11, words));
        assert!(gaps.iter().all(|&gap| indexes.take() == gap));
        assert_eq!(indexes.take(), 11 * 64);
    }
}

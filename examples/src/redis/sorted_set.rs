//! A set of byte strings in the order of their scores.

use std::cmp::Ordering;
use std::ops::Range;

use super::bytes::Bytes;
use super::dense::{Dense, Payload};
use super::ranks::Ranks;
use super::score::Score;

impl Payload for Score {}

/// The members with their scores, to be found by name and by rank.
#[derive(Clone, Debug, Default)]
pub(super) struct SortedSet {
    members: Dense<Score>,
    /// Invariant: the place of every member once, in ascending order of scores, and of names where
    /// those are equal.
    order: Ranks<Ranked>,
}

/// A member by its place. Its score is here too, where most comparisons end.
#[derive(Debug, Clone, Copy)]
struct Ranked {
    score: Score,
    place: u32,
}

impl SortedSet {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn memory(&self) -> usize {
        self.members.memory() + self.order.memory()
    }

    /// Returns the members as a table in no order.
    pub(super) fn members(&self) -> &Dense<Score> {
        &self.members
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<Score> {
        self.members.get(member).copied()
    }

    /// Iterates over the members with the ranks of `range`; in descending order if asked to.
    pub(super) fn walk(
        &self,
        range: Range<usize>,
        reverse: bool,
    ) -> impl Iterator<Item = (&[u8], Score)> {
        let ranked = self.order.walk(range, reverse);
        ranked.map(|ranked| (self.name(ranked), ranked.score))
    }

    /// Returns the number of members below `score`: those with this score count if `or_equal`.
    pub(super) fn count_below(&self, score: Score, or_equal: bool) -> usize {
        self.order.position(|ranked| match ranked.score.cmp(&score) {
            Ordering::Less => true,
            Ordering::Equal => or_equal,
            Ordering::Greater => false,
        })
    }

    /// Returns the number of members before `name`, which counts itself if `or_equal`. All must
    /// have the same score.
    pub(super) fn count_before(&self, name: &[u8], or_equal: bool) -> usize {
        self.order.position(|&ranked| match self.name(ranked).cmp(name) {
            Ordering::Less => true,
            Ordering::Equal => or_equal,
            Ordering::Greater => false,
        })
    }

    /// Returns the rank of a member, in ascending order.
    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        self.members.place(member).map(|place| self.rank_at(place))
    }

    fn name(&self, ranked: Ranked) -> &[u8] {
        self.members.at(ranked.place as usize).0
    }

    fn rank_at(&self, place: usize) -> usize {
        let (name, score) = self.members.at(place);
        self.position(name, *score)
    }

    /// Returns how many members come before one with this name and score.
    fn position(&self, name: &[u8], score: Score) -> usize {
        self.order.position(|&ranked| match ranked.score.cmp(&score) {
            Ordering::Equal => self.name(ranked) < name,
            order => order == Ordering::Less,
        })
    }

    /// Gives `member` a score; returns the one that it had.
    pub(super) fn insert(&mut self, member: &[u8], score: Score) -> Option<Score> {
        let Some(place) = self.members.place(member) else {
            let place = self.members.len() as u32;
            let rank = self.position(member, score);
            self.members.push(member, score);
            self.order.insert(rank, Ranked { score, place });
            return None;
        };
        let old = *self.members.at(place).1;
        if old != score {
            self.order.remove(self.rank_at(place));
            let rank = self.position(member, score);
            self.order.insert(rank, Ranked { score, place: place as u32 });
            self.members.change_at(place, |old| *old = score);
        }
        Some(old)
    }

    /// Removes `member`; returns the score that it had.
    pub(super) fn remove(&mut self, member: &[u8]) -> Option<Score> {
        let rank = self.rank(member)?;
        Some(self.remove_at(rank).1)
    }

    /// Removes and returns the member at `rank`.
    ///
    /// # Panics
    ///
    /// Panics if there are not so many.
    pub(super) fn remove_at(&mut self, rank: usize) -> (Bytes, Score) {
        let Ranked { place, .. } = self.order.remove(rank);
        // The last member is about to take this place.
        let last = self.members.len() - 1;
        if last != place as usize {
            let rank = self.rank_at(last);
            let score = *self.members.at(last).1;
            self.order.set(rank, Ranked { score, place });
        }
        self.members.swap_remove(place as usize)
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        self.members.assert_consistent();
        assert_eq!(self.members.len(), self.order.len());
        let pairs: Vec<_> =
            self.walk(0..self.len(), false).map(|(name, score)| (score, name)).collect();
        assert!(pairs.windows(2).all(|pair| pair[0] < pair[1]), "{pairs:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::redis::tests::session::Choices;

    #[test]
    fn it_is_a_sorted_map() {
        let mut choices = Choices::new();
        let (mut set, mut model) = (SortedSet::default(), BTreeSet::<(i32, String)>::new());
        for step in 0..20_000 {
            let (score, name) = (choices.below(20) as i32, format!("m{}", choices.below(500)));
            let old = model.iter().find(|(_, other)| *other == name).cloned();
            let expected = old.as_ref().and_then(|(score, _)| Score::new(f64::from(*score)));
            assert_eq!(set.score(name.as_bytes()), expected);
            if let Some(old) = &old {
                let rank = model.iter().position(|other| other == old);
                assert_eq!(set.rank(name.as_bytes()), rank);
                model.remove(old);
            }
            if choices.below(10) < if step < 10_000 { 3 } else { 6 } {
                assert_eq!(set.remove(name.as_bytes()), expected);
            } else {
                let score_of = Score::new(f64::from(score)).unwrap();
                assert_eq!(set.insert(name.as_bytes(), score_of), expected);
                model.insert((score, name));
            }
            if step % 100 == 0 {
                set.assert_consistent();
                let names = set.walk(0..set.len(), true).map(|(name, _)| name.to_vec());
                assert!(names.eq(model.iter().rev().map(|(_, name)| name.clone().into_bytes())));
            }
        }
    }
}

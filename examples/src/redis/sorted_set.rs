//! A set of byte strings in the order of their scores.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use hashbrown::HashMap;

use super::bytes::Bytes;
use super::keyspace::allocation;
use super::value::sparse;

/// The members with their scores twice: to be found by member, and in order.
#[derive(Debug, Default)]
pub(super) struct SortedSet {
    scores: HashMap<Bytes, Score>,
    /// Invariant: the same pairs as `scores`. Equal scores are ordered by member.
    order: BTreeSet<(Score, Bytes)>,
    /// Invariant: the memory that the members take beyond themselves, in both places.
    heap: usize,
}

/// What an element of a B-tree takes more than its size: nodes of 11 places are about two thirds
/// full.
const TREE_OVERHEAD: usize = 24;

/// A number that is not NaN, and so has a place in every order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Score(f64);

impl Score {
    /// Parses a decimal number or an infinity, and nothing else, that fills `text`.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
        // Adding zero turns the negative zero, which is equal to zero but sorts before it, into
        // the positive one.
        (!number.is_nan()).then_some(Self(number + 0.0))
    }
}

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl std::fmt::Display for Score {
    /// Writes the shortest text that reads as the same number, as redis does since version 7.2.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let magnitude = self.0.abs();
        let is_plain = magnitude == 0.0 || (1e-6..1e17).contains(&magnitude);
        if is_plain || magnitude.is_infinite() {
            return write!(f, "{}", self.0);
        }
        let text = format!("{:e}", self.0);
        // C writes the sign of every exponent.
        f.write_str(&if magnitude < 1.0 { text } else { text.replace('e', "e+") })
    }
}

impl SortedSet {
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    pub(super) fn memory(&self) -> usize {
        let order = self.order.len() * (size_of::<(Score, Bytes)>() + TREE_OVERHEAD);
        allocation(self.scores.allocation_size()) + order + self.heap
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        assert_eq!(self.heap, 2 * self.scores.keys().map(Bytes::memory).sum::<usize>());
    }

    /// Iterates over the members from the lowest score to the highest.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (Score, &[u8])> {
        self.order.iter().map(|(score, member)| (*score, member.as_ref()))
    }

    /// Gives `member` a score; tells whether it was absent.
    pub(super) fn insert(&mut self, member: &[u8], score: Score) -> bool {
        let Some(old) = self.scores.get_mut(member) else {
            let member = Bytes::from(member);
            self.heap += 2 * member.memory();
            self.scores.insert(member.clone(), score);
            self.order.insert((score, member));
            return true;
        };
        let old = std::mem::replace(old, score);
        if old != score {
            let mut pair = (old, member.into());
            self.order.remove(&pair);
            pair.0 = score;
            self.order.insert(pair);
        }
        false
    }

    /// Removes and returns the member with the lowest score.
    pub(super) fn pop_first(&mut self) -> Option<(Score, Bytes)> {
        let (score, member) = self.order.pop_first()?;
        self.scores.remove(&member);
        self.heap -= 2 * member.memory();
        if let Some(capacity) = sparse(self.scores.len(), self.scores.capacity()) {
            self.scores.shrink_to(capacity);
        }
        Some((score, member))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_numbers_and_infinities() {
        let cases: [(&[u8], Option<&str>); 20] = [
            (b"1", Some("1")),
            (b"-1", Some("-1")),
            (b"0", Some("0")),
            (b"-0", Some("0")),
            (b"0.1", Some("0.1")),
            (b"3.5e2", Some("350")),
            (b"0.000001", Some("0.000001")),
            (b"0.0000001", Some("1e-7")),
            (b"12345678901234567", Some("12345678901234568")),
            (b"1e17", Some("1e+17")),
            (b"-1.5e300", Some("-1.5e+300")),
            (b"inf", Some("inf")),
            (b"-inf", Some("-inf")),
            (b"+inf", Some("inf")),
            (b"", None),
            (b" 1", None),
            (b"1 ", None),
            (b"nan", None),
            (b"abc", None),
            (b"\xff", None),
        ];
        for (text, expected) in cases {
            let score = Score::parse(text).map(|score| score.to_string());
            assert_eq!(score.as_deref(), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn members_leave_in_the_order_of_their_last_score() {
        let score = |number: u64| Score::parse(number.to_string().as_bytes()).unwrap();
        let mut set = SortedSet::default();
        for number in 0..1000 {
            assert!(set.insert(number.to_string().as_bytes(), score(number)));
        }
        for number in 0..1000 {
            assert!(!set.insert(number.to_string().as_bytes(), score(number * 7 % 1000)));
        }
        assert_eq!((set.len(), set.scores.len()), (1000, 1000));
        for place in 0..1000 {
            let (popped, member) = set.pop_first().unwrap();
            assert_eq!(popped, score(place));
            let number: u64 = std::str::from_utf8(&member).unwrap().parse().unwrap();
            assert_eq!(number * 7 % 1000, place);
        }
        assert!(set.pop_first().is_none());
        assert!(set.scores.is_empty() && set.scores.capacity() <= 64, "the room is given back");
    }
}

//! The sets that a command combines, with and without scores.

use std::cmp::Reverse;
use std::mem;

use super::call::{Call, Failure};
use super::score::Score;
use super::sorted_set::SortedSet;
use super::value::{Set, Value};

/// A set to combine; the members of one without scores have 1.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Missing,
    Set(&'a Set),
    SortedSet(&'a SortedSet),
}

impl<'a> Operand<'a> {
    /// Returns the set of either kind that `key` holds.
    pub(super) fn find(call: &'a Call<'_, '_>, key: &[u8]) -> Result<Self, Failure> {
        match call.store.peek(key) {
            None => Ok(Self::Missing),
            Some(Value::Set(set)) => Ok(Self::Set(set)),
            Some(Value::SortedSet(set)) => Ok(Self::SortedSet(set)),
            Some(_) => Err(Failure::WRONG_TYPE),
        }
    }

    pub(super) fn len(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Set(set) => set.len(),
            Self::SortedSet(set) => set.len(),
        }
    }

    pub(super) fn score(self, member: &[u8]) -> Option<Score> {
        match self {
            Self::Missing => None,
            Self::Set(set) => set.get(member).map(|()| Score::ONE),
            Self::SortedSet(set) => set.score(member),
        }
    }

    /// Returns where a member is among all of them, from 0.
    fn place(self, member: &[u8]) -> Option<usize> {
        match self {
            Self::Missing => None,
            Self::Set(set) => set.place(member),
            Self::SortedSet(set) => set.members().place(member),
        }
    }

    /// Returns the member at a place.
    ///
    /// # Panics
    ///
    /// Panics if there are not so many.
    pub(super) fn at(self, place: usize) -> (&'a [u8], Score) {
        match self {
            Self::Missing => panic!("a missing set has no members"),
            Self::Set(set) => (set.at(place).0, Score::ONE),
            Self::SortedSet(set) => {
                let (member, score) = set.members().at(place);
                (member, *score)
            }
        }
    }

    /// Visits the members by their places, until `visit` returns false. Returns whether it never
    /// did.
    pub(super) fn for_each(self, mut visit: impl FnMut(&[u8], Score) -> bool) -> bool {
        match self {
            Self::Missing => true,
            Self::Set(set) => set.iter().all(|(member, ())| visit(member, Score::ONE)),
            Self::SortedSet(set) => {
                set.members().iter().all(|(member, score)| visit(member, *score))
            }
        }
    }
}

/// What the first of several sets has, and the others have not.
pub(super) struct Difference {
    /// The places of these members in the first set, in ascending order.
    pub(super) places: Vec<usize>,
    /// How many members were looked at, at most.
    pub(super) work: usize,
}

/// Compares the first set with the others, in the way that takes less: each of its members is
/// looked up in the others, or each of theirs in the first. A thousand small sets are taken from a
/// large one by the second way, and a thousand large ones from a small one by the first.
///
/// # Panics
///
/// Panics if there is no set.
pub(super) fn difference(sets: &[Operand<'_>]) -> Difference {
    let (&first, others) = sets.split_first().expect("a command names a set");
    let mut others: Vec<Operand<'_>> =
        others.iter().copied().filter(|other| other.len() > 0).collect();
    let of_first = first.len().saturating_mul(others.len()).max(first.len());
    let of_others = first.len() + others.iter().map(|other| other.len()).sum::<usize>();
    let mut is_left = vec![true; first.len()];
    if of_first <= of_others {
        // The largest is the most likely to have a member.
        others.sort_by_key(|other| Reverse(other.len()));
        let mut marks = is_left.iter_mut();
        first.for_each(|member, _| {
            let mark = marks.next().expect("there is a mark for each member");
            *mark = others.iter().all(|other| other.place(member).is_none());
            true
        });
    } else {
        let mut left = first.len();
        let mut take = |member: &[u8], _| {
            if let Some(place) = first.place(member) {
                left -= usize::from(mem::take(&mut is_left[place]));
            }
            left > 0
        };
        let _ = others.iter().all(|other| other.for_each(&mut take));
    }
    let places = is_left.iter().enumerate().filter(|(_, is_left)| **is_left);
    Difference { places: places.map(|(place, _)| place).collect(), work: of_first.min(of_others) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::dense::random_below;

    fn set(members: impl IntoIterator<Item = usize>) -> Set {
        let mut set = Set::default();
        for member in members {
            set.insert(member.to_string().as_bytes());
        }
        set
    }

    /// Compares a difference with one that is found member by member.
    fn check(sets: &[Set]) -> usize {
        let operands: Vec<Operand<'_>> = sets.iter().map(Operand::Set).collect();
        let Difference { places, work } = difference(&operands);
        let (first, others) = sets.split_first().unwrap();
        let is_left = |place: &usize| {
            let (member, ()) = first.at(*place);
            others.iter().all(|other| other.get(member).is_none())
        };
        assert_eq!(places, (0..first.len()).filter(is_left).collect::<Vec<_>>());
        work
    }

    #[test]
    fn the_others_are_taken_from_the_first() {
        for _ in 0..200 {
            let some = |most| set((0..random_below(most)).map(|_| random_below(60)));
            let sets: Vec<Set> =
                (0..=random_below(6)).map(|_| some(1 + random_below(60))).collect();
            check(&sets);
        }
    }

    #[test]
    fn sizes_decide_who_is_looked_up() {
        let small = |first: usize| set(first..first + 3);
        let large = |first: usize| set(first..first + 3000);
        let from_large: Vec<Set> = [large(0)].into_iter().chain((0..100).map(small)).collect();
        assert_eq!(check(&from_large), 3000 + 100 * 3);
        let from_small: Vec<Set> = [small(0)].into_iter().chain((2..20).map(large)).collect();
        assert_eq!(check(&from_small), 3 * 18);
        let from_absent: Vec<Set> = (0..100).map(|_| set([])).collect();
        assert_eq!(check(&from_absent), 0);
        let absent_from_large: Vec<Set> =
            [large(0)].into_iter().chain((0..100).map(|_| set([]))).collect();
        assert_eq!(check(&absent_from_large), 3000);
    }
}

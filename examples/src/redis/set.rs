//! A set of byte strings that can give up a random member in constant time.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::bytes::Bytes;
use super::keyspace::allocation;
use super::value::sparse;

/// The members in a vector, and a table of their places in it.
///
/// A hash table alone finds a random member only by walking over its empty slots, which takes
/// ever longer the more members have been taken.
#[derive(Debug, Default)]
pub(super) struct Set {
    members: Vec<Bytes>,
    /// Invariant: every index of `members` once, under the hash of the member there.
    places: HashTable<usize>,
    hasher: DefaultHashBuilder,
    /// Invariant: the memory that the members take beyond themselves.
    heap: usize,
    /// The state of the pseudo-random choice.
    random: u64,
}

impl Set {
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    pub(super) fn memory(&self) -> usize {
        let members = allocation(self.members.capacity() * size_of::<Bytes>());
        members + allocation(self.places.allocation_size()) + self.heap
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.members.iter().map(AsRef::as_ref)
    }

    /// Adds `member`; tells whether it was absent.
    pub(super) fn insert(&mut self, member: &[u8]) -> bool {
        let Self { members, places, hasher, heap, .. } = self;
        let hash = hasher.hash_one(member);
        if places.find(hash, |&place| *members[place] == *member).is_some() {
            return false;
        }
        places.insert_unique(hash, members.len(), |&place| hasher.hash_one(&*members[place]));
        let member = Bytes::from(member);
        *heap += member.memory();
        members.push(member);
        true
    }

    /// Removes and returns a pseudo-random member.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let last = self.members.len().checked_sub(1)?;
        let chosen = self.next_random() as usize % self.members.len();
        let Self { members, places, hasher, .. } = self;
        let hash = |place: usize| hasher.hash_one(&*members[place]);
        if let Ok(entry) = places.find_entry(hash(chosen), |&place| place == chosen) {
            entry.remove();
        }
        // The last member is about to fill the gap.
        if let Some(place) = places.find_mut(hash(last), |&place| place == last) {
            *place = chosen;
        }
        let member = members.swap_remove(chosen);
        self.heap -= member.memory();
        self.shrink();
        Some(member)
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        assert_eq!(self.heap, self.members.iter().map(Bytes::memory).sum::<usize>());
        assert_eq!(self.members.len(), self.places.len());
    }

    fn shrink(&mut self) {
        let Self { members, places, hasher, .. } = self;
        if let Some(capacity) = sparse(members.len(), members.capacity()) {
            members.shrink_to(capacity);
            places.shrink_to(capacity, |&place| hasher.hash_one(&*members[place]));
        }
    }

    /// Returns the next number of a sequence that need not be unpredictable, only well mixed.
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(1);
        self.hasher.hash_one(self.random)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(number: u32) -> Vec<u8> {
        format!("member:{number}").into_bytes()
    }

    #[test]
    fn every_member_is_popped_once() {
        let mut set = Set::default();
        for number in 0..1000 {
            assert!(set.insert(&member(number)));
            assert!(!set.insert(&member(number)));
        }
        let mut popped: Vec<_> =
            std::iter::from_fn(|| set.pop()).map(|member| member.to_vec()).collect();
        assert_ne!(popped, (0..1000).map(member).collect::<Vec<_>>(), "not in order of insertion");
        popped.sort();
        let mut expected: Vec<_> = (0..1000).map(member).collect();
        expected.sort();
        assert_eq!(popped, expected);
        assert_eq!((set.len(), set.places.len()), (0, 0));
        assert!(set.members.capacity() <= 64, "the room is given back");
    }

    #[test]
    fn members_are_still_found_after_others_are_popped() {
        let mut set = Set::default();
        for number in 0..1000 {
            set.insert(&member(number));
            if number % 3 == 0 {
                set.pop();
            }
        }
        let left: Vec<_> = set.iter().map(<[u8]>::to_vec).collect();
        for member in left {
            assert!(!set.insert(&member));
        }
        assert_eq!(set.places.len(), set.len());
    }
}

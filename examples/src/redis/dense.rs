//! A table whose entries lie in a vector.

use std::hash::{BuildHasher, RandomState};

use hashbrown::{DefaultHashBuilder, HashSet, HashTable};

use super::bytes::Bytes;
use super::keyspace::allocation;
use super::value::sparse;

/// Names with what belongs to each: the fields of a hash, the members of a set.
///
/// The pairs lie in a vector, and a table has their places there. So a random one is found in
/// constant time, which a hash table alone only does by walking over its empty slots. And a
/// [`scan`](Self::scan) that walks from the end to the beginning sees all that stay: a removal
/// fills its gap with the last one, which was seen before.
#[derive(Clone, Debug)]
pub(super) struct Dense<V> {
    pairs: Vec<(Bytes, V)>,
    /// Invariant: every index of `pairs` once, under the hash of the name there.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Invariant: the memory that the pairs take beyond themselves.
    heap: usize,
}

/// What belongs to a name.
pub(super) trait Payload {
    /// Returns how much memory it takes beyond itself.
    fn memory(&self) -> usize {
        0
    }
}

impl Payload for () {}

impl Payload for Bytes {
    fn memory(&self) -> usize {
        self.memory()
    }
}

impl<V> Default for Dense<V> {
    fn default() -> Self {
        let (pairs, places) = (Vec::new(), HashTable::new());
        Self { pairs, places, hasher: DefaultHashBuilder::default(), heap: 0 }
    }
}

impl<V: Payload> Dense<V> {
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(super) fn memory(&self) -> usize {
        // The half that the vector has just grown by is no memory until something is put there.
        let places = (self.pairs.len() + self.pairs.capacity()) / 2;
        let pairs = allocation(places * size_of::<(Bytes, V)>());
        pairs + allocation(self.places.allocation_size()) + self.heap
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &V)> + ExactSizeIterator {
        self.pairs.iter().map(|(name, value)| (name.as_ref(), value))
    }

    /// Returns where `name` is.
    pub(super) fn place(&self, name: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(name);
        let found = self.places.find(hash, |&place| *self.pairs[place as usize].0 == *name);
        found.map(|&place| place as usize)
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<&V> {
        self.place(name).map(|place| &self.pairs[place].1)
    }

    /// Returns the pair at `place`.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub(super) fn at(&self, place: usize) -> (&[u8], &V) {
        let (name, value) = &self.pairs[place];
        (name, value)
    }

    /// Changes the value at `place`.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub(super) fn change_at(&mut self, place: usize, change: impl FnOnce(&mut V)) {
        let value = &mut self.pairs[place].1;
        self.heap -= value.memory();
        change(value);
        self.heap += value.memory();
    }

    /// Adds a name that is not there; it is the last one then.
    pub(super) fn push(&mut self, name: &[u8], value: V) {
        let Self { pairs, places, hasher, heap, .. } = self;
        let name = Bytes::from(name);
        let hash = hasher.hash_one(&*name);
        *heap += name.memory() + value.memory();
        pairs.push((name, value));
        let last = pairs.len() - 1;
        places
            .insert_unique(hash, last as u32, |&place| hasher.hash_one(&*pairs[place as usize].0));
    }

    /// Removes the pair at `place`, and moves the last one there.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub(super) fn swap_remove(&mut self, place: usize) -> (Bytes, V) {
        let last = self.pairs.len() - 1;
        let Self { pairs, places, hasher, heap, .. } = self;
        let hash = |place: usize| hasher.hash_one(&*pairs[place].0);
        if let Ok(entry) = places.find_entry(hash(place), |&other| other as usize == place) {
            entry.remove();
        }
        if let Some(moved) = places.find_mut(hash(last), |&other| other as usize == last) {
            *moved = place as u32;
        }
        let (name, value) = pairs.swap_remove(place);
        *heap -= name.memory() + value.memory();
        self.shrink();
        (name, value)
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<V> {
        let place = self.place(name)?;
        Some(self.swap_remove(place).1)
    }

    fn shrink(&mut self) {
        let Self { pairs, places, hasher, .. } = self;
        if let Some(capacity) = sparse(pairs.len(), pairs.capacity()) {
            pairs.shrink_to(capacity);
            places.shrink_to(capacity, |&place| hasher.hash_one(&*pairs[place as usize].0));
        }
    }

    /// Returns the pairs before `cursor`, the last first and up to `count`, and the cursor to go on
    /// with: 0 when there are no more. The cursor 0 begins.
    pub(super) fn scan(
        &self,
        cursor: u64,
        count: usize,
    ) -> (u64, impl ExactSizeIterator<Item = (&[u8], &V)>) {
        let end = match usize::try_from(cursor) {
            Ok(1..) => self.len().min(cursor as usize),
            _ => self.len(),
        };
        let start = end.saturating_sub(count);
        let pairs = self.pairs[start..end].iter().rev();
        (start as u64, pairs.map(|(name, value)| (name.as_ref(), value)))
    }

    /// Chooses a place, if there are any.
    pub(super) fn random_place(&self) -> Option<usize> {
        let len = self.len();
        (len > 0).then(|| random_below(len))
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        let memory = self.pairs.iter().map(|(name, value)| name.memory() + value.memory());
        assert_eq!(self.heap, memory.sum::<usize>());
        assert_eq!(self.pairs.len(), self.places.len());
        assert_eq!(sparse(self.pairs.len(), self.pairs.capacity()), None);
    }
}

impl Dense<()> {
    /// Adds `member`; tells whether it was absent.
    pub(super) fn insert(&mut self, member: &[u8]) -> bool {
        let is_absent = self.place(member).is_none();
        if is_absent {
            self.push(member, ());
        }
        is_absent
    }

    /// Removes and returns a pseudo-random member.
    pub(super) fn pop(&mut self) -> Option<Bytes> {
        let place = self.random_place()?;
        Some(self.swap_remove(place).0)
    }
}

impl Dense<Bytes> {
    /// Gives `field` a value; tells whether it was absent.
    pub(super) fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        match self.place(field) {
            Some(place) => self.change_at(place, |old| old.set(value)),
            None => {
                self.push(field, value.into());
                return true;
            }
        }
        false
    }
}

/// The most elements that a negative count asks for: so many are returned, some of them repeatedly.
///
/// Redis has no such limit, but for the memory that the reply takes.
const MAX_REPEATED: usize = 1 << 20;

/// Chooses some of `len` places at random: `count` different ones, or all of them if there are no
/// more; or as many as the negative of it, which may be the same. `None` if that is too many.
pub(super) fn random_places(len: usize, count: i64) -> Option<Vec<usize>> {
    let wanted = usize::try_from(count.unsigned_abs()).ok()?;
    if count < 0 {
        let repeated = (0..wanted).map(|_| random_below(len));
        return (wanted <= MAX_REPEATED).then(|| repeated.collect());
    }
    if wanted >= len {
        return Some((0..len).collect());
    }
    // Floyd's algorithm: each step has one more place to choose from, and takes that one if its
    // choice was taken before.
    let mut chosen = HashSet::with_capacity(wanted);
    let steps = (len - wanted..len).map(|last| {
        let place = random_below(last + 1);
        let place = if chosen.insert(place) { place } else { last };
        chosen.insert(place);
        place
    });
    Some(steps.collect())
}

/// Returns a pseudo-random number below `bound`, which need not be unpredictable, only well mixed.
pub(super) fn random_below(bound: usize) -> usize {
    (RandomState::new().hash_one(()) % bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::tests::session::Choices;

    fn member(number: usize) -> Vec<u8> {
        // Some are too long to be stored in place.
        format!("{}:{number}", "member".repeat(number % 7)).into_bytes()
    }

    #[test]
    fn every_member_is_popped_once() {
        let mut set = Dense::<()>::default();
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
        set.assert_consistent();
        assert!(set.pairs.capacity() <= 64, "the room is given back");
    }

    /// The guarantee of the page of `SCAN`: what is there from the first call to the last is
    /// returned, whatever is added and removed meanwhile.
    #[test]
    fn a_scan_sees_all_that_stay() {
        let mut choices = Choices::new();
        for _ in 0..100 {
            let mut set = Dense::<()>::default();
            let (stay, all) = (choices.below(100), 400);
            (0..all).for_each(|number| assert!(set.insert(&member(number))));
            let (mut seen, mut cursor) = (Vec::new(), 0);
            loop {
                let (next, found) = set.scan(cursor, 1 + choices.below(30));
                seen.extend(found.map(|(member, ())| member.to_vec()));
                cursor = next;
                if cursor == 0 {
                    break;
                }
                for _ in 0..choices.below(20) {
                    let other = member(stay + choices.below(600));
                    if set.remove(&other).is_none() {
                        set.insert(&other);
                    }
                }
                set.assert_consistent();
            }
            assert!((0..stay).all(|number| seen.contains(&member(number))));
        }
    }

    #[test]
    fn random_places_differ_unless_they_may_not() {
        for len in 1..20 {
            for count in 0..30 {
                let mut places = random_places(len, count).unwrap();
                places.sort_unstable();
                places.dedup();
                assert_eq!(places.len(), len.min(count as usize));
                assert!(places.iter().all(|&place| place < len));
                assert_eq!(random_places(len, -count).unwrap().len(), count as usize);
            }
        }
        assert_eq!(random_places(3, i64::MIN), None);
        let first = || random_places(1000, 1).unwrap()[0];
        assert!((0..100).any(|_| first() != first()));
    }

    #[test]
    fn values_replace_each_other() {
        let mut hash = Dense::<Bytes>::default();
        for number in 0..200 {
            assert!(hash.insert(&member(number), b"short"));
            assert!(!hash.insert(&member(number), &member(number)));
            assert_eq!(hash.get(&member(number)).map(|value| value.to_vec()), Some(member(number)));
        }
        hash.assert_consistent();
        assert_eq!(hash.remove(&member(7)).as_deref(), Some(&*member(7)));
        assert!(hash.get(&member(7)).is_none());
        hash.assert_consistent();
    }
}

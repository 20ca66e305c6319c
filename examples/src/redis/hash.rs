//! A table of fields and their values.

use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::bytes::Bytes;
use super::keyspace::allocation;
use super::value::sparse;

/// The fields, with the memory of those parts that are long.
#[derive(Debug, Default)]
pub(super) struct Hash {
    pairs: HashTable<(Bytes, Bytes)>,
    hasher: DefaultHashBuilder,
    /// Invariant: the memory that the pairs take beyond themselves.
    heap: usize,
}

impl Hash {
    pub(super) fn len(&self) -> usize {
        self.pairs.len()
    }

    pub(super) fn memory(&self) -> usize {
        allocation(self.pairs.allocation_size()) + self.heap
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.pairs.iter().map(|(field, value)| (field.as_ref(), value.as_ref()))
    }

    pub(super) fn get(&self, field: &[u8]) -> Option<&[u8]> {
        let pair = self.pairs.find(self.hasher.hash_one(field), |(known, _)| **known == *field);
        pair.map(|(_, value)| value.as_ref())
    }

    /// Gives `field` a value; tells whether it was absent.
    pub(super) fn insert(&mut self, field: &[u8], value: &[u8]) -> bool {
        let Self { pairs, hasher, heap } = self;
        let hash = hasher.hash_one(field);
        if let Some((_, old)) = pairs.find_mut(hash, |(known, _)| **known == *field) {
            *heap -= old.memory();
            old.set(value);
            *heap += old.memory();
            return false;
        }
        let pair = (Bytes::from(field), Bytes::from(value));
        *heap += pair.0.memory() + pair.1.memory();
        pairs.insert_unique(hash, pair, |(field, _)| hasher.hash_one(&**field));
        true
    }

    /// Removes `field`; tells whether it was there.
    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        let Self { pairs, hasher, heap } = self;
        let hash = hasher.hash_one(field);
        let Ok(found) = pairs.find_entry(hash, |(known, _)| **known == *field) else {
            return false;
        };
        let ((field, value), _) = found.remove();
        *heap -= field.memory() + value.memory();
        if let Some(capacity) = sparse(pairs.len(), pairs.capacity()) {
            pairs.shrink_to(capacity, |(field, _)| hasher.hash_one(&**field));
        }
        true
    }

    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        let memory = self.pairs.iter().map(|(field, value)| field.memory() + value.memory());
        assert_eq!(self.heap, memory.sum::<usize>());
        assert_eq!(sparse(self.pairs.len(), self.pairs.capacity()), None);
    }
}

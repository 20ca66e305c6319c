//! The keyspace.

use std::hash::BuildHasher;
use std::hint;

use hashbrown::hash_table::Entry as Place;
use hashbrown::{DefaultHashBuilder, HashTable};

use super::bytes::Bytes;
use super::call::Failure;
use super::value::{Collection, Value, element_cost, sparse};

/// The memory that a store may use unless told otherwise: 1 GiB.
///
/// Two of the longest strings fit, and so does the data of any benchmark.
pub const DEFAULT_MAX_MEMORY: usize = 1024 * 1024 * 1024;

/// The keys and their values.
///
/// The memory they use is estimated, and bounded: when it exceeds the limit, commands that may
/// need more are refused. One command can exceed it by as much as fits into one command.
#[derive(Debug)]
pub struct Store {
    entries: HashTable<Entry>,
    hasher: DefaultHashBuilder,
    /// Invariant: the sum of the costs of all entries.
    used_memory: usize,
    max_memory: usize,
}

/// A key and what it holds.
#[derive(Debug)]
struct Entry {
    key: Bytes,
    value: Value,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_MEMORY)
    }
}

impl Store {
    /// Creates an empty store that may use about `max_memory` bytes.
    pub fn new(max_memory: usize) -> Self {
        let hasher = DefaultHashBuilder::default();
        Self { entries: HashTable::new(), hasher, used_memory: 0, max_memory }
    }

    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there are no keys.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns about how many bytes the keys and values use.
    pub fn used_memory(&self) -> usize {
        self.used_memory
    }

    /// Returns about how many bytes the keys and values may use.
    pub fn max_memory(&self) -> usize {
        self.max_memory
    }

    pub(super) fn is_full(&self) -> bool {
        self.used_memory > self.max_memory
    }

    /// Returns the hash of a key, for [`touch`](Self::touch).
    pub(super) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Has the entries of keys with these hashes brought into the cache.
    ///
    /// In a large store, each of them takes the time in which hundreds of instructions could run.
    /// Here a processor waits for many of them at once, for none depends on another: first for the
    /// places of all, which are put where the hashes were, and then for what is there.
    pub(super) fn touch(&self, hashes: &mut [u64]) {
        let slots = hashes;
        for slot in &mut *slots {
            // The first place whose hash may be the same is nearly always the right one. To look
            // at some other place, for a key that there is none of, does no harm.
            let place = self.entries.find_bucket_index(*slot, |_| true).unwrap_or_default();
            *slot = place as u64;
        }
        let entries = slots.iter().filter_map(|&place| self.entries.get_bucket(place as usize));
        hint::black_box(entries.filter(|entry| entry.key.is_short()).count());
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        let entry = self.entries.find(self.hash(key), |entry| *entry.key == *key)?;
        Some(&entry.value)
    }

    fn get_mut(&mut self, key: &[u8]) -> Option<&mut Value> {
        let entry = self.entries.find_mut(self.hasher.hash_one(key), |entry| *entry.key == *key)?;
        Some(&mut entry.value)
    }

    /// Returns where `key` is, or is to be.
    fn place(&mut self, key: &[u8]) -> Place<'_, Entry> {
        let Self { entries, hasher, .. } = self;
        let rehash = |entry: &Entry| hasher.hash_one(&*entry.key);
        entries.entry(hasher.hash_one(key), |entry| *entry.key == *key, rehash)
    }

    /// Returns the string at `key`.
    pub(super) fn string(&self, key: &[u8]) -> Result<Option<&[u8]>, Failure> {
        match self.get(key) {
            Some(Value::String(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Failure::WRONG_TYPE),
            None => Ok(None),
        }
    }

    /// Makes `key` hold the string `bytes`, whatever it held before.
    pub(super) fn set(&mut self, key: &[u8], bytes: &[u8]) {
        let (added, released) = match self.place(key) {
            Place::Occupied(mut entry) => match &mut entry.get_mut().value {
                Value::String(string) => {
                    let released = string.len();
                    string.set(bytes);
                    (0, released)
                }
                other => {
                    let released = other.cost();
                    *other = Value::String(bytes.into());
                    (0, released)
                }
            },
            Place::Vacant(place) => {
                place.insert(Entry { key: key.into(), value: Value::String(bytes.into()) });
                (element_cost(key), 0)
            }
        };
        self.charge(added + bytes.len());
        self.release(released);
    }

    /// Returns the string at `key`, to be changed; the difference in length must be accounted for.
    pub(super) fn string_mut(&mut self, key: &[u8]) -> Result<Option<&mut Bytes>, Failure> {
        match self.get_mut(key) {
            Some(Value::String(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Failure::WRONG_TYPE),
            None => Ok(None),
        }
    }

    /// Removes `key` and what it holds; tells whether there was something.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let hash = self.hash(key);
        let Ok(found) = self.entries.find_entry(hash, |entry| *entry.key == *key) else {
            return false;
        };
        let (Entry { value, .. }, _) = found.remove();
        self.used_memory -= element_cost(key) + value.cost();
        if let Some(capacity) = sparse(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(capacity, |entry| self.hasher.hash_one(&*entry.key));
        }
        true
    }

    /// Removes all keys.
    pub(super) fn clear(&mut self) {
        self.entries = HashTable::new();
        self.used_memory = 0;
    }

    /// Returns the collection at `key`, to be read.
    pub(super) fn collection<C: Collection>(&self, key: &[u8]) -> Result<Option<&C>, Failure> {
        match self.get(key) {
            Some(value) => C::borrow(value).ok_or(Failure::WRONG_TYPE).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the collection at `key`, to be taken from; a [`release`](Self::release) must follow.
    pub(super) fn collection_mut<C: Collection>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<&mut C>, Failure> {
        match self.get_mut(key) {
            Some(value) => C::borrow_mut(value).ok_or(Failure::WRONG_TYPE).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the collection at `key`, made if there is none, to be added to; at least one
    /// element must be, and a [`charge`](Self::charge) must follow.
    pub(super) fn collection_or_new<C: Collection>(
        &mut self,
        key: &[u8],
    ) -> Result<&mut C, Failure> {
        if self.get(key).is_none() {
            self.charge(element_cost(key));
        }
        let entry = match self.place(key) {
            Place::Occupied(entry) => entry.into_mut(),
            Place::Vacant(place) => {
                let entry = Entry { key: key.into(), value: C::default().into_value() };
                place.insert(entry).into_mut()
            }
        };
        C::borrow_mut(&mut entry.value).ok_or(Failure::WRONG_TYPE)
    }

    /// Accounts for what was added to a value.
    pub(super) fn charge(&mut self, cost: usize) {
        self.used_memory += cost;
    }

    /// Accounts for what was taken from a value.
    pub(super) fn release(&mut self, cost: usize) {
        self.used_memory -= cost;
    }
}

#[cfg(test)]
impl Store {
    /// Asserts that the memory accounted for is that of what is there, and that there is not much
    /// room that nothing is in.
    pub(super) fn assert_accounts(&self) {
        let costs = self.entries.iter().map(|entry| element_cost(&entry.key) + entry.value.cost());
        assert_eq!(self.used_memory, costs.sum::<usize>());
        assert_eq!(sparse(self.entries.len(), self.entries.capacity()), None);
        for entry in &self.entries {
            if let Value::List(list) = &entry.value {
                assert_eq!(sparse(list.len(), list.capacity()), None);
            }
        }
    }
}

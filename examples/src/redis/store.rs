//! The keyspace.

use hashbrown::HashMap;
use hashbrown::hash_map::EntryRef;

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
    entries: HashMap<Bytes, Value>,
    /// Invariant: the sum of the costs of all entries.
    used_memory: usize,
    max_memory: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_MEMORY)
    }
}

impl Store {
    /// Creates an empty store that may use about `max_memory` bytes.
    pub fn new(max_memory: usize) -> Self {
        Self { entries: HashMap::new(), used_memory: 0, max_memory }
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

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.entries.get(key)
    }

    /// Returns the string at `key`.
    pub(super) fn string(&self, key: &[u8]) -> Result<Option<&[u8]>, Failure> {
        match self.entries.get(key) {
            Some(Value::String(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Failure::WRONG_TYPE),
            None => Ok(None),
        }
    }

    /// Makes `key` hold the string `bytes`, whatever it held before.
    pub(super) fn set(&mut self, key: &[u8], bytes: &[u8]) {
        match self.entries.entry_ref(key) {
            EntryRef::Occupied(mut entry) => match entry.get_mut() {
                Value::String(string) => {
                    self.used_memory -= string.len();
                    string.set(bytes);
                }
                other => {
                    self.used_memory -= other.cost();
                    *other = Value::String(bytes.into());
                }
            },
            EntryRef::Vacant(entry) => {
                entry.insert(Value::String(bytes.into()));
                self.used_memory += element_cost(key);
            }
        }
        self.used_memory += bytes.len();
    }

    /// Returns the string at `key`, to be changed; the difference in length must be accounted for.
    pub(super) fn string_mut(&mut self, key: &[u8]) -> Result<Option<&mut Bytes>, Failure> {
        match self.entries.get_mut(key) {
            Some(Value::String(bytes)) => Ok(Some(bytes)),
            Some(_) => Err(Failure::WRONG_TYPE),
            None => Ok(None),
        }
    }

    /// Removes `key` and what it holds; tells whether there was something.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let Some(value) = self.entries.remove(key) else {
            return false;
        };
        self.used_memory -= element_cost(key) + value.cost();
        if let Some(capacity) = sparse(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(capacity);
        }
        true
    }

    /// Removes all keys.
    pub(super) fn clear(&mut self) {
        self.entries = HashMap::new();
        self.used_memory = 0;
    }

    /// Returns the collection at `key`, to be read.
    pub(super) fn collection<C: Collection>(&self, key: &[u8]) -> Result<Option<&C>, Failure> {
        match self.entries.get(key) {
            Some(value) => C::borrow(value).ok_or(Failure::WRONG_TYPE).map(Some),
            None => Ok(None),
        }
    }

    /// Returns the collection at `key`, to be taken from; a [`release`](Self::release) must follow.
    pub(super) fn collection_mut<C: Collection>(
        &mut self,
        key: &[u8],
    ) -> Result<Option<&mut C>, Failure> {
        match self.entries.get_mut(key) {
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
        let value = match self.entries.entry_ref(key) {
            EntryRef::Occupied(entry) => entry.into_mut(),
            EntryRef::Vacant(entry) => {
                self.used_memory += element_cost(key);
                entry.insert(C::default().into_value())
            }
        };
        C::borrow_mut(value).ok_or(Failure::WRONG_TYPE)
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
        let costs = self.entries.iter().map(|(key, value)| element_cost(key) + value.cost());
        assert_eq!(self.used_memory, costs.sum::<usize>());
        assert_eq!(sparse(self.entries.len(), self.entries.capacity()), None);
        for value in self.entries.values() {
            if let Value::List(list) = value {
                assert_eq!(sparse(list.len(), list.capacity()), None);
            }
        }
    }
}

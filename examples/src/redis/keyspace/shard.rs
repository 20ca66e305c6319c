//! The part of the keyspace that one lock guards.

use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::entry::{Entry, NEVER};
use super::key::Key;
use super::memory::{Memory, allocation};
use super::watch::Watched;
use crate::redis::value::{Value, sparse};

/// Where a key belongs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spot {
    /// The lock of the key.
    pub(super) lock: usize,
    /// The table, within what the lock guards.
    pub(super) table: usize,
    pub(super) hash: u64,
}

/// How far the memory that a lock knows of may be from what the store knows.
///
/// Small enough for a limit of a few megabytes, with the 512 locks there are at most; and large
/// enough that loops do not contend for the one number of all.
const REPORT_STEP: usize = 4 * 1024;

/// Makes the question whether an entry is that of `key`.
fn is(key: &[u8]) -> impl Fn(&Entry) -> bool {
    move |entry| *entry.key == *key
}

/// Some tables of keys, and what is known of them all.
pub(super) struct Shard {
    pub(super) tables: Box<[HashTable<Entry>]>,
    /// For each table a time, in milliseconds since 1970, before which none of its keys expires.
    due: Box<[i64]>,
    /// How many keys there are.
    pub(super) len: usize,
    /// How many of them expire.
    pub(super) expiring: usize,
    /// Invariant: the memory of all tables and of what is in them.
    used: usize,
    /// What of it `memory` has been told.
    reported: usize,
    memory: Arc<Memory>,
    pub(super) watched: Watched,
    hasher: DefaultHashBuilder,
}

impl Shard {
    pub(super) fn new(tables: usize, memory: Arc<Memory>, hasher: DefaultHashBuilder) -> Self {
        Self {
            tables: (0..tables).map(|_| HashTable::new()).collect(),
            due: vec![NEVER; tables].into(),
            len: 0,
            expiring: 0,
            used: 0,
            reported: 0,
            memory,
            watched: Watched::default(),
            hasher,
        }
    }

    #[inline]
    pub(super) fn find(&self, spot: Spot, key: &[u8]) -> Option<&Entry> {
        self.tables[spot.table].find(spot.hash, is(key))
    }

    #[inline]
    pub(super) fn find_mut(&mut self, spot: Spot, key: &[u8]) -> Option<&mut Entry> {
        self.tables[spot.table].find_mut(spot.hash, is(key))
    }

    /// Makes `key` hold the string `bytes`, whatever it held before and for however long. Returns
    /// what it held if that is to be freed.
    #[inline(always)]
    pub(super) fn set(&mut self, spot: Spot, key: &[u8], bytes: &[u8]) -> Option<Value> {
        let Some(entry) = self.tables[spot.table].find_mut(spot.hash, is(key)) else {
            self.insert(spot, key, Value::String(bytes.into()));
            return None;
        };
        if entry.expires_at != NEVER {
            entry.expires_at = NEVER;
            self.expiring -= 1;
        }
        self.watched.touch(key);
        if let Value::String(string) = &mut entry.value {
            if string.set_in_place(bytes) {
                return None;
            }
        }
        self.replace(spot, key, bytes)
    }

    /// Makes `key`, which is there, hold the string `bytes`, which needs memory of its own.
    #[inline(never)]
    fn replace(&mut self, spot: Spot, key: &[u8], bytes: &[u8]) -> Option<Value> {
        let value = &mut self.find_mut(spot, key)?.value;
        let before = value.memory();
        let replaced = std::mem::replace(value, Value::String(bytes.into()));
        let after = value.memory();
        self.account(before, after);
        Some(replaced)
    }

    /// Adds a key that is not there.
    #[inline(never)]
    pub(super) fn insert(&mut self, spot: Spot, key: &[u8], value: Value) {
        let Self { tables, hasher, .. } = self;
        let table = &mut tables[spot.table];
        let before = allocation(table.allocation_size());
        let entry = Entry { key: key.into(), value, expires_at: NEVER };
        let memory = entry.memory();
        table.insert_unique(spot.hash, entry, |entry| hasher.hash_one(&*entry.key));
        let after = allocation(table.allocation_size());
        self.len += 1;
        self.account(before, after + memory);
        self.watched.touch(key);
    }

    /// Removes a key, and returns what it held and until when.
    pub(super) fn remove(&mut self, spot: Spot, key: &[u8]) -> Option<(Value, i64)> {
        let table = &mut self.tables[spot.table];
        let before = allocation(table.allocation_size());
        let found = table.find_entry(spot.hash, is(key)).ok()?;
        let (entry, _) = found.remove();
        if let Some(capacity) = sparse(table.len(), table.capacity()) {
            table.shrink_to(capacity, |entry| self.hasher.hash_one(&*entry.key));
        } else if table.is_empty() {
            *table = HashTable::new();
        }
        let after = allocation(table.allocation_size());
        self.len -= 1;
        self.expiring -= usize::from(entry.expires_at != NEVER);
        self.account(before + entry.memory(), after);
        self.watched.touch(key);
        Some((entry.value, entry.expires_at))
    }

    /// Makes a key that is there expire at a time, or never.
    pub(super) fn set_expiry(&mut self, spot: Spot, key: &[u8], at: i64) {
        let Some(entry) = self.find_mut(spot, key) else { return };
        let before = std::mem::replace(&mut entry.expires_at, at);
        self.expiring += usize::from(at != NEVER);
        self.expiring -= usize::from(before != NEVER);
        self.due[spot.table] = self.due[spot.table].min(at);
    }

    /// Tells whether a key of a table may have expired.
    #[inline]
    pub(super) fn may_be_due(&self, table: usize, now: impl FnOnce() -> i64) -> bool {
        self.expiring > 0 && self.due[table] != NEVER && self.due[table] <= now()
    }

    /// Removes the keys of a table that have expired, and returns what they held.
    #[cold]
    pub(super) fn expire(&mut self, table: usize, now: i64) -> Vec<(Key, Value)> {
        let keys = self.tables[table].iter().filter(|entry| entry.expires_at <= now);
        let keys: Vec<_> = keys.map(|entry| entry.key.clone()).collect();
        let spot = |key: &[u8]| Spot { lock: 0, table, hash: self.hasher.hash_one(key) };
        let spots: Vec<_> = keys.iter().map(|key| spot(key)).collect();
        let removed =
            |(spot, key): (Spot, Key)| self.remove(spot, &key).map(|(value, _)| (key, value));
        let expired = spots.into_iter().zip(keys).filter_map(removed).collect();
        let next = self.tables[table].iter().map(|entry| entry.expires_at).min();
        self.due[table] = next.unwrap_or(NEVER);
        expired
    }

    /// Returns the next table from `table` on that has a key which may have expired.
    pub(super) fn next_due(&self, table: usize, now: i64) -> Option<usize> {
        let found = self.due.get(table..)?.iter().position(|&due| due <= now)?;
        Some(table + found)
    }

    /// Removes everything, and returns it.
    pub(super) fn clear(&mut self) -> (Vec<HashTable<Entry>>, usize) {
        for key in self.watched.keys() {
            let hash = self.hasher.hash_one(key);
            if self.tables.iter().any(|t| t.find(hash, is(key)).is_some()) {
                self.watched.touch(key);
            }
        }
        let full = self.tables.iter_mut().filter(|table| !table.is_empty());
        let tables = full.map(std::mem::take).collect();
        let memory = self.used;
        self.due.fill(NEVER);
        (self.len, self.expiring) = (0, 0);
        self.account(memory, 0);
        (tables, memory)
    }

    /// Accounts for a value or a table that took `before` bytes, and now takes `after`.
    #[inline]
    pub(super) fn account(&mut self, before: usize, after: usize) {
        self.used = self.used + after - before;
        // A store that is full learns at once that it is not any more.
        let is_released = after < before && self.memory.is_over();
        if is_released || self.used.abs_diff(self.reported) >= REPORT_STEP {
            self.report();
        }
    }

    #[cold]
    fn report(&mut self) {
        let change = self.used.wrapping_sub(self.reported);
        self.memory.add(change);
        self.reported = self.used;
    }
}

#[cfg(test)]
impl Shard {
    /// Asserts that what is known of the tables is what is in them.
    pub(super) fn assert_consistent(&self) {
        let (mut used, mut len, mut expiring) = (0, 0, 0);
        for (table, due) in self.tables.iter().zip(&self.due) {
            used += allocation(table.allocation_size());
            len += table.len();
            for entry in table {
                entry.value.assert_consistent();
                used += entry.memory();
                expiring += usize::from(entry.expires_at != NEVER);
                assert!(*due <= entry.expires_at);
            }
            assert_eq!(sparse(table.len(), table.capacity()), None);
        }
        assert_eq!((self.used, self.len, self.expiring), (used, len, expiring));
        assert!(self.used.abs_diff(self.reported) < REPORT_STEP);
    }
}

//! The part of the keyspace that one lock guards.

use std::hash::BuildHasher;
use std::mem;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::entry::{Entry, NEVER};
use super::key::Key;
use super::memory::{Memory, allocation};
use super::slot_of_hash;
use super::times::{TIME_MEMORY, Times};
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

/// Makes a value the string `bytes` if the memory it has is as large.
#[inline(always)]
fn set_in_place(value: &mut Value, bytes: &[u8]) -> bool {
    if let Value::String(string) = value { string.set_in_place(bytes) } else { false }
}

/// Some tables of keys, and what is known of them all.
pub(super) struct Shard {
    pub(super) tables: Box<[HashTable<Entry>]>,
    /// For each table, when its keys expire.
    times: Box<[Times]>,
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
            times: (0..tables).map(|_| Times::default()).collect(),
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
            return self.set_for_ever(spot, key, bytes);
        }
        self.watched.touch(key);
        if set_in_place(&mut entry.value, bytes) {
            return None;
        }
        self.replace(spot, key, bytes)
    }

    /// As [`set`](Self::set), for a key that is there and expires.
    #[inline(never)]
    fn set_for_ever(&mut self, spot: Spot, key: &[u8], bytes: &[u8]) -> Option<Value> {
        self.set_expiry(spot, key, NEVER);
        self.watched.touch(key);
        if set_in_place(&mut self.find_mut(spot, key)?.value, bytes) {
            return None;
        }
        self.replace(spot, key, bytes)
    }

    /// Makes `key`, which is there, hold the string `bytes`, which needs memory of its own.
    #[inline(never)]
    fn replace(&mut self, spot: Spot, key: &[u8], bytes: &[u8]) -> Option<Value> {
        let value = &mut self.find_mut(spot, key)?.value;
        let before = value.memory();
        let replaced = mem::replace(value, Value::String(bytes.into()));
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
        self.account(before + entry.memory(), after);
        self.forget_time(spot, entry.expires_at);
        self.watched.touch(key);
        Some((entry.value, entry.expires_at))
    }

    /// Makes a key that is there expire at a time, or never.
    pub(super) fn set_expiry(&mut self, spot: Spot, key: &[u8], at: i64) {
        let Some(entry) = self.find_mut(spot, key) else { return };
        let before = mem::replace(&mut entry.expires_at, at);
        if before == at {
            return;
        }
        self.forget_time(spot, before);
        if at != NEVER {
            self.times[spot.table].add(at, spot.hash);
            self.expiring += 1;
            self.account(0, TIME_MEMORY);
        }
    }

    /// Forgets the time of a key that does not expire then any more.
    fn forget_time(&mut self, spot: Spot, at: i64) {
        if at == NEVER {
            return;
        }
        // Two keys with one hash that expire at one time are there once.
        if self.find_expiring(spot, |time| time == at).is_none() {
            self.times[spot.table].remove(at, spot.hash);
        }
        self.expiring -= 1;
        self.account(TIME_MEMORY, 0);
    }

    /// Returns an entry that has the hash of `spot` and expires at a time for which `is_wanted`.
    fn find_expiring(&self, spot: Spot, is_wanted: impl Fn(i64) -> bool) -> Option<&Entry> {
        let has_hash = |entry: &Entry| self.hasher.hash_one(&*entry.key) == spot.hash;
        let found = |entry: &Entry| is_wanted(entry.expires_at) && has_hash(entry);
        self.tables[spot.table].find(spot.hash, found)
    }

    /// Tells whether a key of a table has expired.
    #[inline]
    pub(super) fn is_due(&self, table: usize, now: impl FnOnce() -> i64) -> bool {
        let first = self.times[table].first();
        first != NEVER && first <= now()
    }

    /// Removes a key if it has expired, and returns what it held.
    #[cold]
    pub(super) fn expire_key(&mut self, spot: Spot, key: &[u8], now: i64) -> Option<Value> {
        let is_over = self.find(spot, key).is_some_and(|entry| entry.expires_at <= now);
        if !is_over {
            return None;
        }
        self.remove(spot, key).map(|(value, _)| value)
    }

    /// Removes the key of a table that has expired before all others, and returns what it held.
    #[cold]
    pub(super) fn expire_next(&mut self, table: usize, now: i64) -> Option<(Key, Value)> {
        let (at, hash) = self.times[table].first_due(now)?;
        let spot = Spot { lock: 0, table, hash };
        let found = self.find_expiring(spot, |time| time == at).map(|entry| entry.key.clone());
        let key = found.expect("each time is that of a key");
        let (value, _) = self.remove(spot, &key).expect("the key was found");
        Some((key, value))
    }

    /// Returns the next table from `table` on that has a key which has expired.
    pub(super) fn next_due(&self, table: usize, now: i64) -> Option<usize> {
        let found = self.times.get(table..)?.iter().position(|times| times.first() <= now)?;
        Some(table + found)
    }

    /// Removes everything, and returns it.
    pub(super) fn clear(&mut self) -> (Vec<(HashTable<Entry>, Times)>, usize) {
        for key in self.watched.keys() {
            let hash = self.hasher.hash_one(key);
            let table = slot_of_hash(hash) & (self.tables.len() - 1);
            if self.tables[table].find(hash, is(key)).is_some() {
                self.watched.touch(key);
            }
        }
        let all = self.tables.iter_mut().zip(&mut self.times);
        let full = all.filter(|(table, _)| !table.is_empty());
        let tables = full.map(|(table, times)| (mem::take(table), mem::take(times))).collect();
        let memory = self.used;
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
        for (table, times) in self.tables.iter().zip(&self.times) {
            used += allocation(table.allocation_size());
            len += table.len();
            let before = expiring;
            for entry in table {
                entry.value.assert_consistent();
                used += entry.memory();
                if entry.expires_at != NEVER {
                    (used, expiring) = (used + TIME_MEMORY, expiring + 1);
                    assert!(times.contains(entry.expires_at, self.hasher.hash_one(&*entry.key)));
                }
            }
            times.assert_consistent(expiring - before);
            assert_eq!(sparse(table.len(), table.capacity()), None);
        }
        assert_eq!((self.used, self.len, self.expiring), (used, len, expiring));
        assert!(self.used.abs_diff(self.reported) < REPORT_STEP);
    }
}

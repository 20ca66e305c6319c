//! The keyspace as all loops share it.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::{Mutex, MutexGuard};

use super::entry::Entry;
use super::memory::{Memory, allocation};
use super::reclaim::Reclaimer;
use super::shard::{Shard, Spot};
use super::times::Times;
use super::view::View;
use super::{LOCKS, SLOTS, slot_of_hash};
use crate::redis::change_log::ChangeLog;

/// The memory that a store may use unless told otherwise: 1 GiB.
///
/// Two of the longest strings fit, and so does the data of any benchmark.
pub const DEFAULT_MAX_MEMORY: usize = 1024 * 1024 * 1024;

/// How much may wait to be freed, beyond what the keys may use, until writes have to wait for it.
const MAX_PENDING: usize = 64 * 1024 * 1024;

/// One lock, alone on its cache lines: two, since processors fetch them in pairs.
#[repr(align(128))]
pub(super) struct Lock(pub(super) Mutex<Shard>);

/// The keys and their values.
///
/// The memory they use is estimated, and bounded: when it exceeds the limit, commands that may
/// need more are refused. One command can exceed it by as much as fits into one command.
pub struct Store {
    pub(super) locks: Box<[Lock]>,
    /// How many tables a lock guards, as a power of two.
    tables_shift: u32,
    /// One less than that number.
    tables_mask: usize,
    hasher: DefaultHashBuilder,
    memory: Arc<Memory>,
    pub(super) reclaimer: Reclaimer,
    log: Option<Box<dyn ChangeLog>>,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(1, DEFAULT_MAX_MEMORY)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("locks", &self.locks.len()).finish_non_exhaustive()
    }
}

impl Store {
    /// Creates an empty store for so many loops, which may use about `max_memory` bytes; 0 is no
    /// limit.
    #[must_use]
    pub fn new(loops: usize, max_memory: usize) -> Self {
        let locks = if loops > 1 { LOCKS } else { 1 };
        let tables = SLOTS / locks;
        let hasher = DefaultHashBuilder::default();
        let heads = allocation(locks * size_of::<Lock>());
        let of_lock = allocation(tables * size_of::<HashTable<Entry>>())
            + allocation(tables * size_of::<Times>());
        let memory = Arc::new(Memory::new(heads + locks * of_lock, max_memory));
        let shard = || Shard::new(tables, Arc::clone(&memory), hasher.clone());
        Self {
            locks: (0..locks).map(|_| Lock(Mutex::new(shard()))).collect(),
            tables_shift: tables.trailing_zeros(),
            tables_mask: tables - 1,
            hasher,
            memory,
            reclaimer: Reclaimer::default(),
            log: None,
        }
    }

    /// Returns the store as the commands of one batch see it. Nothing is locked yet.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Makes a shard of no lock, whose memory does not count.
    #[cold]
    pub(super) fn stray_shard(&self) -> Shard {
        Shard::new(self.tables_mask + 1, Arc::new(Memory::new(0, 0)), self.hasher.clone())
    }

    /// Has what changes the keyspace logged from now on.
    pub(in crate::redis) fn set_log(&mut self, log: Box<dyn ChangeLog>) {
        self.log = Some(log);
    }

    /// Returns where changes are logged, if they are.
    #[inline]
    pub(in crate::redis) fn log(&self) -> Option<&dyn ChangeLog> {
        self.log.as_deref()
    }

    /// Tells whether nothing may be changed, because it could not be logged.
    pub(in crate::redis) fn refuses_changes(&self) -> bool {
        self.log().is_some_and(ChangeLog::refuses)
    }

    /// Returns about how many bytes the keys and values use, as the locks have told.
    #[must_use]
    pub fn used_memory(&self) -> usize {
        self.memory.used() + self.reclaimer.pending()
    }

    /// Returns about how many bytes the keys and values may use; 0 is no limit.
    #[must_use]
    pub fn max_memory(&self) -> usize {
        self.memory.max()
    }

    /// Sets how many bytes the keys and values may use; 0 is no limit.
    pub fn set_max_memory(&self, bytes: usize) {
        self.memory.set_max(bytes);
    }

    /// Tells whether commands that may need memory are to be refused.
    pub(in crate::redis) fn is_full(&self) -> bool {
        // What is being freed is as good as gone, unless very much of it has piled up.
        let max = self.memory.max();
        let has_piled_up = || self.reclaimer.pending() > max.saturating_add(MAX_PENDING);
        self.memory.is_over() || (max > 0 && has_piled_up())
    }

    /// Returns where a key belongs.
    #[inline]
    pub(super) fn spot(&self, key: &[u8]) -> Spot {
        self.spot_of_hash(self.hasher.hash_one(key))
    }

    /// Returns where a key with this hash belongs.
    #[inline]
    pub(super) fn spot_of_hash(&self, hash: u64) -> Spot {
        let slot = slot_of_hash(hash);
        Spot { lock: slot >> self.tables_shift, table: slot & self.tables_mask, hash }
    }

    /// Returns the lock and the table of a slot, as of [`spot`](Self::spot).
    pub(super) fn place(&self, slot: usize) -> (usize, usize) {
        (slot >> self.tables_shift, slot & self.tables_mask)
    }

    /// Returns the number of locks.
    pub(in crate::redis) fn locks(&self) -> usize {
        self.locks.len()
    }

    pub(super) fn has_one_lock(&self) -> bool {
        self.locks.len() == 1
    }

    pub(super) fn lock(&self, lock: usize) -> MutexGuard<'_, Shard> {
        self.locks[lock].0.lock()
    }
}

#[cfg(test)]
impl Store {
    /// Asserts that what every lock knows of its keys is what is there.
    pub(in crate::redis) fn assert_consistent(&self) {
        self.locks.iter().for_each(|lock| lock.0.lock().assert_consistent());
    }

    /// Returns how many keys are watched.
    pub(in crate::redis) fn watched(&self) -> usize {
        self.locks.iter().map(|lock| lock.0.lock().watched.len()).sum()
    }
}

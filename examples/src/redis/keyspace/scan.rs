//! What is done to all keys: lock by lock, and table by table.

use super::SLOTS;
use super::shard::{Shard, Spot};
use super::view::{LARGE, View};
use crate::redis::value::Value;

impl View<'_> {
    /// Calls `visit` with all keys of the first table from `slot` on that has some. Returns the
    /// slot to go on with, or nothing if there are no more tables.
    ///
    /// A table is visited whole, so a key that is there throughout is visited once, however the
    /// tables grow and shrink between two calls.
    pub(in crate::redis) fn scan(
        &mut self,
        slot: usize,
        mut visit: impl FnMut(&[u8], &Value),
    ) -> Option<usize> {
        let found = (slot..SLOTS).find(|&slot| self.has_keys(slot))?;
        let spot = self.spot_of(found);
        let shard = self.shard(spot);
        for entry in &shard.tables[spot.table] {
            visit(&entry.key, &entry.value);
        }
        (found + 1 < SLOTS).then_some(found + 1)
    }

    /// Returns a key, each of them as likely as any other, chosen by a random number.
    pub(in crate::redis) fn random_key(&mut self, random: u64) -> Option<Vec<u8>> {
        let count: usize = (0..SLOTS).map(|slot| self.keys_in(slot)).sum();
        let mut chosen = usize::try_from(random % u64::try_from(count).ok()?.max(1)).ok()?;
        for slot in 0..SLOTS {
            let keys = self.keys_in(slot);
            if chosen < keys {
                let spot = self.spot_of(slot);
                let mut table = self.shard(spot).tables[spot.table].iter();
                return table.nth(chosen).map(|entry| entry.key.to_vec());
            }
            chosen -= keys;
        }
        None
    }

    /// Returns the number of keys, lock by lock: not that of one moment while other loops write.
    pub(in crate::redis) fn len(&mut self) -> usize {
        self.count(|shard| shard.len)
    }

    /// Returns how many keys expire, counted as [`len`](Self::len) counts.
    pub(in crate::redis) fn expiring(&mut self) -> usize {
        self.count(|shard| shard.expiring)
    }

    fn count(&mut self, of: impl Fn(&Shard) -> usize) -> usize {
        let locks = 0..self.store.locks.len();
        locks.map(|lock| of(self.shard(Spot { lock, table: 0, hash: 0 }))).sum()
    }

    /// Removes all keys, and returns how many are watched, of those that are there and those that
    /// are not. A thread frees the keys.
    pub(in crate::redis) fn clear(&mut self) -> usize {
        let mut watched = 0;
        for lock in 0..self.store.locks.len() {
            let shard = self.shard(Spot { lock, table: 0, hash: 0 });
            watched += shard.watched.len();
            let (tables, memory) = shard.clear();
            if memory > LARGE {
                self.store.reclaimer.drop_later(tables, memory);
            }
        }
        self.changes += 1;
        watched
    }

    /// Removes keys of a lock that have expired, up to `max`. Returns how many it has removed, and
    /// whether there may be more.
    pub(in crate::redis) fn expire_some(&mut self, lock: usize, max: usize) -> (usize, bool) {
        let now = self.now();
        let (mut removed, mut table) = (0, 0);
        while removed < max {
            let shard = self.shard(Spot { lock, table, hash: 0 });
            let Some(next) = shard.next_due(table, now) else { return (removed, false) };
            table = next;
            removed += self.expire(Spot { lock, table, hash: 0 }, max - removed);
        }
        (removed, true)
    }

    fn spot_of(&self, slot: usize) -> Spot {
        let (lock, table) = self.store.place(slot);
        Spot { lock, table, hash: 0 }
    }

    fn keys_in(&mut self, slot: usize) -> usize {
        let spot = self.spot_of(slot);
        self.shard(spot).tables[spot.table].len()
    }

    /// Tells whether a table has keys, without those that have expired.
    fn has_keys(&mut self, slot: usize) -> bool {
        let spot = self.spot_of(slot);
        if self.keys_in(slot) == 0 {
            return false;
        }
        let now = self.now();
        if self.shard(spot).is_due(spot.table, || now) {
            self.expire(spot, usize::MAX);
        }
        self.keys_in(slot) > 0
    }
}

//! Bringing entries into the cache before they are needed.

use std::hint;

use super::shard::Spot;
use super::view::View;

/// What a key with a short value takes, with its part of what an empty store takes.
const KEY_MEMORY: usize = 256;

impl View<'_> {
    /// Tells whether there are more than about `few` keys, so that it gains something to look for
    /// several of them together.
    pub(in crate::redis) fn is_worth_touching(&mut self, few: usize) -> bool {
        match self.store.has_one_lock() {
            true => self.shard(Spot { lock: 0, table: 0, hash: 0 }).len > few,
            false => self.store.used_memory() > few * KEY_MEMORY,
        }
    }

    /// Returns the hash of a key, for [`touch`](Self::touch).
    pub(in crate::redis) fn hash(&self, key: &[u8]) -> u64 {
        self.store.spot(key).hash
    }

    /// Has the entries of keys with these hashes brought into the cache, and holds their locks
    /// until another one is needed.
    ///
    /// In a large store, each of them takes the time in which hundreds of instructions could run.
    /// Here a processor waits for many of them at once, for none depends on another: first for the
    /// places of all, and then for what is there. It does so only if the locks are taken before,
    /// for to take one it finishes what it has begun.
    pub(in crate::redis) fn touch<const N: usize>(&mut self, hashes: &[u64]) {
        if self.store.has_one_lock() {
            self.touch_in_one::<N>(hashes);
            return;
        }
        self.pin_ahead(hashes);
        let mut places = [(Spot { lock: 0, table: 0, hash: 0 }, 0); N];
        for (place, &hash) in places.iter_mut().zip(hashes) {
            let spot = self.store.spot_of_hash(hash);
            let table = self.held(spot).map(|shard| &shard.tables[spot.table]);
            let bucket = table.and_then(|table| table.find_bucket_index(hash, |_| true));
            *place = (spot, bucket.unwrap_or_default());
        }
        let places = &places[..hashes.len().min(N)];
        let entries = places
            .iter()
            .filter_map(|&(spot, bucket)| self.held(spot)?.tables[spot.table].get_bucket(bucket));
        hint::black_box(entries.filter(|entry| entry.key.is_short()).count());
    }

    /// As [`touch`](Self::touch), where one lock guards all keys.
    fn touch_in_one<const N: usize>(&mut self, hashes: &[u64]) {
        let store = self.store;
        let mut places = [(0, 0); N];
        let shard = self.shard(Spot { lock: 0, table: 0, hash: 0 });
        for (place, &hash) in places.iter_mut().zip(hashes) {
            let table = store.spot_of_hash(hash).table;
            // The first place whose hash may be the same is nearly always the right one. To look
            // at some other place, for a key that there is none of, does no harm.
            let bucket = shard.tables[table].find_bucket_index(hash, |_| true).unwrap_or_default();
            *place = (table, bucket);
        }
        let places = &places[..hashes.len().min(N)];
        let entries = places.iter().filter_map(|&(table, at)| shard.tables[table].get_bucket(at));
        hint::black_box(entries.filter(|entry| entry.key.is_short()).count());
    }
}

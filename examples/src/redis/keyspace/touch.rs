//! Bringing entries into the cache before they are needed.

use std::hint;

use super::shard::Spot;
use super::view::View;

impl View<'_> {
    /// Tells whether the entries of several keys can be looked for together, which takes a single
    /// lock, and whether there are more than `few` keys, so that it gains something.
    pub(in crate::redis) fn can_touch(&mut self, few: usize) -> bool {
        self.store.has_one_lock() && self.shard(Spot { lock: 0, table: 0, hash: 0 }).len > few
    }

    /// Returns the hash of a key, for [`touch`](Self::touch).
    pub(in crate::redis) fn hash(&self, key: &[u8]) -> u64 {
        self.store.spot(key).hash
    }

    /// Has the entries of keys with these hashes brought into the cache.
    ///
    /// In a large store, each of them takes the time in which hundreds of instructions could run.
    /// Here a processor waits for many of them at once, for none depends on another: first for the
    /// places of all, and then for what is there.
    pub(in crate::redis) fn touch<const N: usize>(&mut self, hashes: &[u64]) {
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

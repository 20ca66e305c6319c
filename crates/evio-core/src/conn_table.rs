//! The connections of one loop.

use std::hint;

use slab::Slab;

use crate::conn_id::ConnKey;
use crate::entry::Entry;
use crate::timer::Tick;

/// All connections of a loop, by index, with a generation that tells apart those that come to the
/// same place one after the other.
#[derive(Debug, Default)]
pub(crate) struct ConnTable {
    entries: Slab<Entry>,
    last_generation: u32,
}

impl ConnTable {
    pub(crate) fn insert(&mut self, mut entry: Entry) -> ConnKey {
        // One counter for all places: a key comes back only after 2^32 more connections. Zero is
        // left out, since it marks the loop's own tokens.
        self.last_generation = self.last_generation.checked_add(1).unwrap_or(1);
        entry.generation = self.last_generation;
        let index = self.entries.insert(entry);
        let index = u32::try_from(index).expect("a process has fewer than 2^32 descriptors");
        ConnKey { index, generation: self.last_generation }
    }

    /// Returns the connection, unless it has been removed.
    #[inline]
    pub(crate) fn get_mut(&mut self, key: ConnKey) -> Option<&mut Entry> {
        self.entries.get_mut(key.index as usize).filter(|entry| entry.generation == key.generation)
    }

    #[inline]
    pub(crate) fn get(&self, key: ConnKey) -> Option<&Entry> {
        self.entries.get(key.index as usize).filter(|entry| entry.generation == key.generation)
    }

    /// Reads what is needed first of a connection, for the processor to have it at hand.
    #[inline]
    pub(crate) fn fetch(&self, key: ConnKey) {
        if let Some(entry) = self.entries.get(key.index as usize) {
            hint::black_box((entry.generation, entry.output.is_some()));
        }
    }

    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Entry> {
        self.get(key)?;
        self.entries.try_remove(key.index as usize)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the key of the connection at `index`, if there is one.
    pub(crate) fn key_at(&self, index: u32) -> Option<ConnKey> {
        let entry = self.entries.get(index as usize)?;
        Some(ConnKey { index, generation: entry.generation })
    }

    /// Changes every time that is `from` to `to`, where connections put down when something was.
    pub(crate) fn restamp(&mut self, from: Tick, to: Tick) {
        for (_, entry) in &mut self.entries {
            entry.deadlines.restamp(from, to);
        }
    }

    pub(crate) fn keys(&self) -> Vec<ConnKey> {
        let key = |(index, entry): (usize, &Entry)| ConnKey {
            index: index as u32,
            generation: entry.generation,
        };
        self.entries.iter().map(key).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recycled_place_has_another_key() {
        let mut table = ConnTable::default();
        let first = table.insert(Entry::for_test());
        assert!(table.get(first).is_some());
        assert!(table.remove(first).is_some());
        let second = table.insert(Entry::for_test());
        assert_eq!(first.index, second.index);
        assert!(table.get(first).is_none(), "a stale key finds nothing");
        assert!(table.remove(first).is_none());
        assert!(table.get_mut(second).is_some());
    }

    #[test]
    fn generations_skip_zero() {
        let mut table = ConnTable { last_generation: u32::MAX, ..ConnTable::default() };
        assert_eq!(table.insert(Entry::for_test()).generation, 1);
    }
}

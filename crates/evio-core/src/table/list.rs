//! The connections that the end of the turn looks at.

use std::mem;

use crate::types::cold_path::cold_path;
use crate::types::conn_id::ConnKey;

/// Keys that the list keeps memory for between turns; a burst of more gives it back.
const KEPT: usize = 4096;

/// The connections that the end of the turn looks at, each once.
#[derive(Debug, Default)]
pub(super) struct List {
    keys: Vec<ConnKey>,
    /// The memory of the last round, used again.
    spare: Vec<ConnKey>,
    /// How many of the keys come after the others in the next round.
    served: Option<usize>,
}

/// A proof that the end of the turn looks at a connection. Whatever changes a phase needs one, so
/// that no connection can end without being noticed; only this file can make one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed(());

impl List {
    /// Puts a connection on the list, unless it `is_listed`.
    #[inline]
    pub(super) fn add(&mut self, key: ConnKey, is_listed: &mut bool) -> Listed {
        if !*is_listed {
            *is_listed = true;
            self.keys.push(key);
        }
        Listed(())
    }

    /// Returns the proof for a connection that has just been taken off the list, in the one
    /// function that acts on its new phase at once.
    #[inline]
    pub(super) fn settling(&self) -> Listed {
        Listed(())
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Puts the connections that are listed already behind all that are listed from now on: they
    /// have sent in this round, and the others have not. Only the first call of a round counts.
    pub(super) fn note_served(&mut self) {
        self.served.get_or_insert(self.keys.len());
    }

    /// Takes all connections off the list; what is listed meanwhile is for the next round.
    pub(super) fn begin_round(&mut self) -> Vec<ConnKey> {
        if let Some(served) = self.served.take() {
            cold_path();
            self.keys.rotate_left(served);
        }
        mem::replace(&mut self.keys, mem::take(&mut self.spare))
    }

    /// Gives the memory of a round back.
    pub(super) fn end_round(&mut self, mut round: Vec<ConnKey>) {
        round.clear();
        // Freed, not shrunk: at the end of the heap a small rest would keep all below it.
        self.spare = if round.capacity() > KEPT { Vec::new() } else { round };
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn keys(&self) -> &[ConnKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_were_not_served_come_first_in_the_next_round() {
        let mut list = List::default();
        let key = |index| ConnKey { index, generation: 1 };
        for index in 0..5 {
            list.add(key(index), &mut false);
            if index >= 2 {
                list.note_served();
            }
        }
        assert_eq!(list.begin_round(), [3, 4, 0, 1, 2].map(key));
        // Those that were served have nothing left.
        for index in 0..3 {
            list.note_served();
            list.add(key(index), &mut false);
        }
        assert_eq!(list.begin_round(), [0, 1, 2].map(key));
        list.add(key(5), &mut false);
        list.add(key(6), &mut false);
        assert_eq!(list.begin_round(), [5, 6].map(key));
    }

    #[test]
    fn a_connection_is_listed_once_and_memory_goes_back() {
        let mut list = List::default();
        let key = |index| ConnKey { index, generation: 1 };
        let mut flags = vec![false; 10_000];
        for _ in 0..2 {
            for (index, flag) in flags.iter_mut().enumerate() {
                list.add(key(index as u32), flag);
            }
        }
        let round = list.begin_round();
        assert_eq!(round.len(), 10_000);
        assert!(list.is_empty());
        list.add(key(1), &mut false);
        list.end_round(round);
        assert_eq!(list.begin_round(), [key(1)]);
        list.add(key(2), &mut false);
        assert!(list.keys.capacity() <= KEPT);
    }

    #[test]
    fn memory_of_an_ordinary_turn_is_used_again() {
        let mut list = List::default();
        list.end_round(Vec::with_capacity(KEPT));
        assert!(list.begin_round().is_empty());
        assert_eq!(list.keys.capacity(), KEPT);
        for index in 0..3 {
            list.add(ConnKey { index, generation: 1 }, &mut false);
        }
        assert_eq!((list.len(), list.is_empty()), (3, false));
        assert_eq!(list.keys().last(), Some(&ConnKey { index: 2, generation: 1 }));
    }
}

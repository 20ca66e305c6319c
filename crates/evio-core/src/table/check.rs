//! The invariants of the table, checked at the end of each turn under `debug_assertions`.

use crate::table::conns::Table;
use crate::types::conn_id::ConnKey;

/// Connections that one turn checks beside the listed ones: a walk over all of them would make a
/// debug build slower with each connection.
const SAMPLE: usize = 64;

impl Table {
    /// Checks the lists, the listed connections, and some of the others: those from `start` on.
    /// Returns where the next turn goes on.
    ///
    /// # Panics
    ///
    /// Panics if an invariant is broken, which is a bug of this crate.
    pub(crate) fn check(&self, start: u32) -> u32 {
        for &key in self.list.keys() {
            // A key may have outlived its connection.
            assert!(self.get(key).is_none_or(|entry| entry.listed), "{key:?} is not marked listed");
        }
        for key in self.backlog.keys() {
            assert!(self.get(key).is_none_or(|entry| entry.in_backlog), "{key:?} is not marked");
        }
        for &key in self.list.keys().iter().take(SAMPLE) {
            self.check_entry(key);
        }
        let mut indexes = self.entries.indexes(start).take(SAMPLE).peekable();
        if indexes.peek().is_none() {
            return 0;
        }
        indexes
            .filter_map(|index| self.key_at(index))
            .map(|key| self.check_entry(key))
            .fold(start, |_, index| index + 1)
    }

    fn check_entry(&self, key: ConnKey) -> u32 {
        let Some(entry) = self.get(key) else { return key.index };
        entry.unsent.check();
        let is_on =
            |mut keys: Box<dyn Iterator<Item = ConnKey> + '_>| keys.any(|other| other == key);
        if entry.listed {
            assert!(
                is_on(Box::new(self.list.keys().iter().copied())),
                "{key:?} is not on the list"
            );
        }
        if entry.in_backlog {
            assert!(is_on(Box::new(self.backlog.keys())), "{key:?} is not in the backlog");
        }
        let is_over = entry.phase().has_ended();
        assert!(!is_over || entry.listed, "{key:?} has ended and nobody will look at it");
        let limits = self.limits(key).expect("the connection is there");
        let is_above = entry.output_len() > limits.high_watermark;
        assert!(!is_above || entry.is_congested() || is_over, "{key:?} is congested unnoticed");
        let waits = entry.unsent.is_queued() && !entry.phase().is_connecting();
        let is_timed = entry.deadlines.stalled_since().is_some();
        assert!(!waits || is_timed || entry.listed, "{key:?} waits to send since no moment");
        let can_send = entry.unsent.is_queued() && !entry.unsent.is_blocked();
        let is_asked = entry.listed || entry.phase().is_connecting();
        assert!(!can_send || is_asked, "{key:?} could send and nobody will try");
        if !entry.listed && !entry.phase().is_connecting() {
            assert_eq!(entry.poll_interest, Some(entry.wanted_interest()), "{key:?} is not polled");
        }
        key.index
    }
}

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

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::table::entry::Entry;
    use crate::table::tests::Fixture;
    use crate::types::action::CloseReason;
    use crate::types::limits::Limits;

    /// A change that breaks an invariant, and the message of the check.
    type Case = (fn(&mut Fixture), &'static str);

    /// Returns what is found to be wrong after `change`, which comes between turns.
    fn finding(change: fn(&mut Fixture)) -> Option<String> {
        let mut it = Fixture::new(Limits::default());
        let (other, _) = it.add();
        it.table.read_on_later(other);
        it.fill();
        it.table.list(other);
        it.table.rearmed(it.key, it.entry().wanted_interest());
        it.table.check(0);
        change(&mut it);
        let result = catch_unwind(AssertUnwindSafe(|| it.table.check(0)));
        Some(*result.err()?.downcast().unwrap())
    }

    #[test]
    fn a_broken_invariant_is_found() {
        let cases: [Case; 9] = [
            (
                |it| {
                    it.table.list(it.key);
                    it.entry_mut().listed = false;
                },
                "is not marked listed",
            ),
            (
                |it| {
                    it.table.read_on_later(it.key);
                    it.entry_mut().in_backlog = false;
                },
                "is not marked",
            ),
            (|it| it.entry_mut().listed = true, "is not on the list"),
            (|it| it.entry_mut().in_backlog = true, "is not in the backlog"),
            (
                |it| {
                    it.table.end(it.key, CloseReason::Closed, false);
                    for key in it.table.list.begin_round() {
                        it.table.get_mut(key).unwrap().listed = false;
                    }
                },
                "has ended and nobody will look at it",
            ),
            (|it| it.entry_mut().deadlines.congested_since = None, "is congested unnoticed"),
            (|it| it.entry_mut().deadlines.set_stalled(None), "waits to send since no moment"),
            (|it| it.entry_mut().unsent.unblock(), "could send and nobody will try"),
            (|it| it.entry_mut().poll_interest = None, "is not polled"),
        ];
        for (change, expected) in cases {
            let found = finding(change).unwrap_or_default();
            assert!(found.contains(expected), "{found:?} and not {expected:?}");
        }
    }

    #[test]
    fn what_waits_for_good_reason_is_all_right() {
        let cases: [fn(&mut Fixture); 4] = [
            |it| {
                it.table.list(it.key);
                it.entry_mut().unsent.unblock();
                it.entry_mut().deadlines.set_stalled(None);
            },
            // Nobody looks at the output of a connection that has ended.
            |it| {
                it.table.end(it.key, CloseReason::Aborted, true);
                it.entry_mut().deadlines.congested_since = None;
            },
            |it| *it = Fixture::connecting(Limits::default()),
            |it| {
                *it = Fixture::connecting(Limits::default().high_watermark(5));
                it.write(b"hello");
                it.send(usize::MAX);
            },
        ];
        for case in cases {
            assert_eq!(finding(case), None);
        }
    }

    #[test]
    fn the_turns_go_round() {
        let mut it = Fixture::new(Limits::default());
        for _ in 0..SAMPLE {
            it.table.insert(Entry::for_test());
        }
        let end = SAMPLE as u32;
        assert_eq!([0, end, end + 1].map(|start| it.table.check(start)), [end, end + 1, 0]);
    }
}

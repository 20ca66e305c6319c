//! Whether an upstream is up.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};

/// How many checks in a row it takes.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds {
    /// Failures after which an upstream is down.
    pub fall: u32,
    /// Successes after which it is up again.
    pub rise: u32,
}

/// A change that is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The upstream is up again.
    Up,
    /// The upstream is down.
    Down,
}

/// Whether an upstream is up, by what its checks and the connections of clients have shown.
///
/// All loops change it. Two that do so at the same time may count one result less, which costs one
/// more check; only one of them is told of a change.
#[derive(Debug, Default)]
pub struct Health {
    is_down: AtomicBool,
    /// Results in a row that speak against the present state.
    contrary: AtomicU32,
}

impl Health {
    /// Returns whether the upstream is up, as it is at first.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !self.is_down.load(Relaxed)
    }

    /// Makes it as it is at first.
    pub fn reset(&self) {
        self.is_down.store(false, Relaxed);
        self.contrary.store(0, Relaxed);
    }

    /// Counts a connection that came about.
    pub fn succeeded(&self, thresholds: Thresholds) -> Option<Change> {
        self.note(true, thresholds.rise).then_some(Change::Up)
    }

    /// Counts a connection that did not.
    pub fn failed(&self, thresholds: Thresholds) -> Option<Change> {
        self.note(false, thresholds.fall).then_some(Change::Down)
    }

    /// Returns whether this changes the state.
    fn note(&self, success: bool, needed: u32) -> bool {
        if self.is_up() == success {
            // Nearly always there is nothing to store, and the cache line stays with all loops.
            if self.contrary.load(Relaxed) > 0 {
                self.contrary.store(0, Relaxed);
            }
            return false;
        }
        if self.contrary.fetch_add(1, Relaxed) + 1 < needed {
            return false;
        }
        self.contrary.store(0, Relaxed);
        self.is_down.compare_exchange(success, !success, Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_results_in_a_row_to_go_down_and_up() {
        const T: Thresholds = Thresholds { fall: 3, rise: 2 };
        let health = Health::default();
        let results = "ffsfff sfss fffs".bytes().filter(|byte| *byte != b' ');
        let changes: String = results
            .map(|result| match (result, health.is_up()) {
                (b's', _) => health.succeeded(T),
                _ => health.failed(T),
            })
            .map(|change| match change {
                Some(Change::Up) => 'U',
                Some(Change::Down) => 'D',
                None => '.',
            })
            .collect();
        assert_eq!(changes, ".....D...U..D.");
        assert!(!health.is_up());
    }
}

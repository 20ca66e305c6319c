//! At most so many in a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Admits a number of lines in each second.
pub(super) struct Rate {
    start: Instant,
    per_second: u32,
    /// The second in the upper half, and in the lower one how many were admitted in it.
    window: AtomicU64,
}

impl Rate {
    pub(super) fn new(per_second: u32) -> Self {
        Self { start: Instant::now(), per_second, window: AtomicU64::new(0) }
    }

    /// Returns whether there is room for one more in this second.
    pub(super) fn admits(&self) -> bool {
        self.admits_in(self.start.elapsed().as_secs())
    }

    fn admits_in(&self, second: u64) -> bool {
        let admit = |window: u64| {
            let admitted = if window >> 32 == second { window & u64::from(u32::MAX) } else { 0 };
            (admitted < u64::from(self.per_second)).then_some((second << 32) | (admitted + 1))
        };
        self.window.fetch_update(Ordering::Relaxed, Ordering::Relaxed, admit).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_admits_as_many() {
        let rate = Rate::new(3);
        for second in [0, 1, 7] {
            assert_eq!((0..10).filter(|_| rate.admits_in(second)).count(), 3, "{second}");
        }
    }
}

//! Times as connections keep them.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The resolution of connection deadlines, in milliseconds. They never fire early, and at most
/// three steps late plus the length of a turn; finer steps would only wake an idle loop more often.
/// A power of two, so that counting in it is a shift.
pub(super) const RESOLUTION_MS: u64 = 16;

/// A moment, counted in [`RESOLUTION_MS`] and wrapping around after two years: half the size of a
/// pointer, since every connection holds several. Two of them are compared by their distance, which
/// must be less than a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WheelTime(NonZeroU32);

impl WheelTime {
    /// The longest time between two ticks that can be told apart from the past.
    const MAX_DISTANCE: u128 = i32::MAX as u128;

    pub(super) fn new(count: u64) -> Self {
        // Zero is taken by the niche. A deadline that is put down or looked for in that one tick of
        // two years is a tick off, within the error of a stamp that `after` allows for.
        Self(NonZeroU32::new(count as u32).unwrap_or(NonZeroU32::MIN))
    }

    /// Returns the tick that `moment` lies in, when tick zero begins with `origin`.
    pub(crate) fn of(moment: Instant, origin: Instant) -> Self {
        Self::new(count(moment, origin))
    }

    /// How many ticks before its time a stamp may be: turns are stamped with their beginning or
    /// later, and most of them end in the same tick or the next.
    pub(crate) const STAMP_ERROR: i32 = 1;

    /// Returns the first tick that is at least `duration` after whatever this was put down for, so
    /// that a deadline never comes early; `None` if that is more than a year away.
    pub(crate) fn after(self, duration: Duration) -> Option<Self> {
        // One more for the time within the tick.
        let slack = 1 + Self::STAMP_ERROR.unsigned_abs();
        let ticks = duration.as_millis().div_ceil(u128::from(RESOLUTION_MS)) + u128::from(slack);
        let count = |ticks: u128| Self::new(u64::from(self.0.get()) + ticks as u64);
        (ticks <= Self::MAX_DISTANCE).then(|| count(ticks))
    }

    /// Returns the later one of two.
    pub(super) fn latest(self, other: Self) -> Self {
        if self.since(other) > 0 { self } else { other }
    }

    /// Returns how many ticks this is after `other`; negative if it is before.
    pub(crate) fn since(self, other: Self) -> i32 {
        self.0.get().wrapping_sub(other.0.get()) as i32
    }
}

/// Counts the ticks from `origin` to `moment`.
pub(super) fn count(moment: Instant, origin: Instant) -> u64 {
    let elapsed = moment.saturating_duration_since(origin);
    (elapsed.as_secs() * 1_000 + u64::from(elapsed.subsec_millis())) / RESOLUTION_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_wrap_around_and_what_is_too_far_never_comes() {
        let late = WheelTime::new(u64::from(u32::MAX));
        let after = late.after(Duration::from_millis(160)).unwrap();
        assert!((10..=13).contains(&after.since(late)));
        assert!(late.since(after) < 0);
        assert_eq!(late.after(Duration::MAX), None);
        assert_eq!(size_of::<Option<WheelTime>>(), 4);
    }

    #[test]
    fn a_deadline_is_never_early_and_at_most_three_steps_late() {
        let stamp = WheelTime::new(1_000);
        for duration in [0, 1, 15, 16, 17, 160, 1_000, 86_400_000] {
            let due = stamp.after(Duration::from_millis(duration)).unwrap();
            let due = due.since(stamp) as u64 * RESOLUTION_MS;
            // From the beginning of the stamp's tick to the end of the last that it may stand for.
            let last = RESOLUTION_MS * (1 + WheelTime::STAMP_ERROR as u64) - 1;
            assert!(due > last + duration, "{duration} ms are over after {due}");
            assert!(due <= duration + 3 * RESOLUTION_MS, "{duration} ms are over after {due}");
        }
    }

    #[test]
    fn a_moment_lies_in_the_tick_that_began_last() {
        let origin = evio_sys::clock::now();
        let moment = |ms| origin + Duration::from_millis(ms);
        for (ms, tick) in [(0, 0), (15, 0), (16, 1), (999, 62), (1_500, 93), (1_000_000, 62_500)] {
            assert_eq!(count(moment(ms), origin), tick, "{ms} ms");
            assert_eq!(WheelTime::of(moment(ms), origin), WheelTime::new(tick));
        }
        assert_eq!(count(origin, moment(5_000)), 0, "there is no time before the origin");
    }
}

//! The schedule of `tick`.

use std::time::{Duration, Instant};

/// The shortest delay between ticks; what is shorter is taken as this. A zero delay would keep the
/// loop from ever sleeping.
const MIN_DELAY: Duration = Duration::from_millis(1);

/// Ticks that are late, because a callback was slow, are made up for up to this many. Beyond it,
/// as after the process was stopped for a while, the missed ones are dropped.
const MAX_CATCH_UP: u32 = 16;

/// Computes deadlines from deadlines and not from the time of the call, so that lateness does not
/// add up.
#[derive(Debug)]
pub(crate) struct Ticker {
    deadline: Option<Instant>,
}

impl Ticker {
    /// Creates a ticker that is due at `start`, if it ticks at all.
    pub(crate) fn new(start: Option<Instant>) -> Self {
        Self { deadline: start }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Sets the next deadline after a tick asked for `delay`; one that is too far to express is
    /// never.
    pub(crate) fn schedule(&mut self, delay: Duration, now: Instant) {
        let delay = delay.max(MIN_DELAY);
        let next = self.deadline.and_then(|deadline| deadline.checked_add(delay));
        self.deadline = next.map(|next| {
            let late = now.saturating_duration_since(next);
            let caught_up = delay.saturating_mul(MAX_CATCH_UP);
            if late <= caught_up {
                return next;
            }
            // Drops whole periods, so that the ticks keep their phase, but for the last few.
            let phase = late.as_nanos() % delay.as_nanos();
            let last = now - Duration::from_nanos(u64::try_from(phase).unwrap_or(0));
            last.checked_sub(delay.saturating_mul(MAX_CATCH_UP - 1)).unwrap_or(last)
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Runs a 10 ms ticker whose ticks are served at the given times and returns its deadlines.
    fn deadlines(served_at_ms: &[u32]) -> Vec<u128> {
        let start = evio_sys::clock::now();
        let mut ticker = Ticker::new(Some(start));
        served_at_ms
            .iter()
            .map(|&at| {
                assert!(ticker.is_due(start + at * MS));
                ticker.schedule(10 * MS, start + at * MS);
                (ticker.deadline().unwrap() - start).as_millis()
            })
            .collect()
    }

    #[test]
    fn lateness_does_not_add_up() {
        assert_eq!(deadlines(&[0, 13, 20, 39]), [10, 20, 30, 40]);
    }

    #[test]
    fn a_few_missed_ticks_are_made_up_for() {
        assert_eq!(deadlines(&[0, 45, 45, 45, 45]), [10, 20, 30, 40, 50]);
    }

    #[test]
    fn many_missed_ticks_are_dropped_and_the_phase_is_kept() {
        let mut served = vec![0];
        served.extend([5_003; 17]);
        let deadlines = deadlines(&served);
        assert_eq!(deadlines[1], 5_000 - 150);
        assert_eq!(deadlines[16..], [5_000, 5_010], "sixteen ticks are made up for");
    }

    #[test]
    fn extreme_delays() {
        let now = evio_sys::clock::now();
        let mut ticker = Ticker::new(Some(now));
        ticker.schedule(Duration::ZERO, now);
        assert_eq!(ticker.deadline(), Some(now + MIN_DELAY));
        ticker.schedule(Duration::MAX, now);
        assert_eq!(ticker.deadline(), None);
        assert!(!ticker.is_due(now + Duration::from_secs(1)));
    }
}

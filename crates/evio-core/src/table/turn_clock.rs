//! The time of a turn.

use std::cell::Cell;
use std::collections::VecDeque;
use std::time::Instant;

use evio_sys::clock;

use crate::table::wheel_time::WheelTime;

/// Slow turns that are remembered; when there are more, their stamps are corrected in one walk over
/// all connections.
const MAX_SLOW_TURNS: usize = 64;

/// The time of the present turn: read when it is first asked for, and the same for all of the turn.
///
/// While nobody waits for a deadline, turns go by without it: to read it takes half a percent of
/// what a short request does.
#[derive(Debug)]
pub(crate) struct TurnClock {
    /// The beginning of tick zero.
    origin: Instant,
    read: Cell<Option<(Instant, WheelTime)>>,
    /// Turns that took long, by the time that they put down and the time at which they ended: what
    /// they put down counts from their end, or a slow handler would make its connections look idle.
    slow: VecDeque<(WheelTime, WheelTime)>,
}

impl TurnClock {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, read: Cell::new(None), slow: VecDeque::new() }
    }

    /// Begins a turn.
    pub(crate) fn begin_turn(&mut self) {
        self.read.set(None);
    }

    /// Notes that the turn ends at `now`. Returns whether all stamps have to be
    /// [corrected](Self::corrected), since no more slow turns can be remembered.
    pub(crate) fn end_turn(&mut self, now: Instant) -> bool {
        let Some(stamp) = self.tick_if_read() else { return false };
        let now = WheelTime::of(now, self.origin);
        if now.since(stamp) <= WheelTime::STAMP_ERROR {
            return false;
        }
        match self.slow.back_mut() {
            Some((last, end)) if *last == stamp => *end = now,
            _ => self.slow.push_back((stamp, now)),
        }
        self.slow.len() > MAX_SLOW_TURNS
    }

    /// Forgets slow turns, whose stamps have been corrected.
    pub(crate) fn forget_slow_turns(&mut self) {
        self.slow.clear();
    }

    /// Returns the time that a stamp stands for: the end of its turn, if that took long.
    pub(crate) fn corrected(&self, stamp: WheelTime) -> WheelTime {
        let slow = self.slow.iter().find(|&&(from, _)| from == stamp);
        slow.map_or(stamp, |&(_, end)| end)
    }

    pub(crate) fn now(&self) -> Instant {
        self.read().0
    }

    /// Returns the same for deadlines of connections.
    pub(crate) fn tick(&self) -> WheelTime {
        self.read().1
    }

    /// Returns the tick of this moment, which may be later than that of the turn: what begins after
    /// a long callback must not end early.
    pub(crate) fn tick_now(&self) -> WheelTime {
        WheelTime::of(clock::now(), self.origin)
    }

    /// Returns the tick of the turn if it has been asked for.
    #[inline]
    pub(crate) fn tick_if_read(&self) -> Option<WheelTime> {
        self.read.get().map(|(_, tick)| tick)
    }

    fn read(&self) -> (Instant, WheelTime) {
        self.read.get().unwrap_or_else(|| {
            let now = clock::now();
            let read = (now, WheelTime::of(now, self.origin));
            self.read.set(Some(read));
            read
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    impl TurnClock {
        /// Lets the present turn be at `tick`.
        pub(in crate::table) fn set_tick(&self, tick: WheelTime) {
            self.read.set(Some((self.now(), tick)));
        }

        /// Lets the present turn be at `now`.
        pub(crate) fn set_now(&self, now: Instant) {
            self.read.set(Some((now, WheelTime::of(now, self.origin))));
        }
    }

    #[test]
    fn a_turn_has_one_time() {
        let mut clock = TurnClock::new(clock::now());
        let mut last = None;
        for _ in 0..3 {
            assert_eq!(clock.tick_if_read(), None);
            let now = clock.now();
            while clock::now() == now {}
            assert_eq!((clock.now(), clock.tick_if_read()), (now, Some(clock.tick())));
            assert!(last < Some(now), "each turn has a time of its own");
            last = Some(now);
            clock.begin_turn();
        }
    }

    #[test]
    fn what_a_slow_turn_puts_down_counts_from_its_end() {
        let origin = clock::now();
        let mut clock = TurnClock::new(origin);
        assert!(!clock.end_turn(origin + Duration::from_secs(9)), "nobody asked for the time");
        let stamp = clock.tick();
        assert!(!clock.end_turn(clock.now()));
        assert_eq!(clock.corrected(stamp), stamp);
        let end = clock.now() + Duration::from_secs(2);
        assert!(!clock.end_turn(end));
        assert_eq!(clock.corrected(stamp), WheelTime::of(end, origin));
        let other = WheelTime::of(end, origin);
        assert_eq!(clock.corrected(other), other, "once, not from turn to turn");
    }

    #[test]
    fn slow_turns_are_remembered_up_to_a_limit() {
        let origin = clock::now();
        let mut clock = TurnClock::new(origin);
        let mut full = false;
        for second in 1..=MAX_SLOW_TURNS as u64 + 1 {
            assert!(!full);
            let begin = origin + Duration::from_secs(second);
            clock.read.set(Some((begin, WheelTime::of(begin, origin))));
            full = clock.end_turn(begin + Duration::from_millis(500));
        }
        assert!(full);
        clock.forget_slow_turns();
        assert!(clock.slow.is_empty());
    }

    #[test]
    fn a_stamp_counts_from_the_end_of_the_last_slow_turn_that_put_it_down() {
        let origin = clock::now();
        let mut clock = TurnClock::new(origin);
        let after = |seconds| origin + Duration::from_secs(seconds);
        let tick = |seconds| WheelTime::of(after(seconds), origin);
        for (begin, end) in [(1, 2), (5, 6), (5, 7)] {
            clock.read.set(Some((after(begin), tick(begin))));
            assert!(!clock.end_turn(after(end)));
        }
        assert_eq!(clock.corrected(tick(1)), tick(2));
        assert_eq!(clock.corrected(tick(5)), tick(7));
        clock.forget_slow_turns();
        assert_eq!(clock.corrected(tick(5)), tick(5));
    }

    #[test]
    fn the_time_of_this_moment_goes_on_within_a_turn() {
        let clock = TurnClock::new(clock::now());
        let stamp = clock.tick();
        let deadline = clock::now() + Duration::from_secs(10);
        while clock.tick_now() == stamp {
            assert!(clock::now() < deadline);
        }
        assert_eq!(clock.tick(), stamp);
        assert!(clock.tick_now().since(stamp) > 0);
    }
}

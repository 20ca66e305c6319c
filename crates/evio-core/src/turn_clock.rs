//! The time of a turn.

use std::cell::Cell;
use std::time::Instant;

use evio_sys::clock;

use crate::timer::Tick;

/// The time of the present turn: read when it is first asked for, and the same for all of the turn.
///
/// While nobody waits for a deadline, turns go by without it: to read it takes half a percent of
/// what a short request does.
#[derive(Debug)]
pub(crate) struct TurnClock {
    /// The beginning of tick zero.
    origin: Instant,
    read: Cell<Option<(Instant, Tick)>>,
}

impl TurnClock {
    pub(crate) fn new(origin: Instant) -> Self {
        Self { origin, read: Cell::new(None) }
    }

    /// Begins a turn.
    pub(crate) fn forget(&mut self) {
        self.read.set(None);
    }

    pub(crate) fn now(&self) -> Instant {
        self.read().0
    }

    /// Returns the same for deadlines of connections.
    pub(crate) fn tick(&self) -> Tick {
        self.read().1
    }

    /// Returns the same if it has been asked for in this turn.
    #[inline]
    pub(crate) fn tick_if_read(&self) -> Option<Tick> {
        self.read.get().map(|(_, tick)| tick)
    }

    fn read(&self) -> (Instant, Tick) {
        self.read.get().unwrap_or_else(|| {
            let now = clock::now();
            let read = (now, Tick::of(now, self.origin));
            self.read.set(Some(read));
            read
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            clock.forget();
        }
    }
}

//! Deadlines of connections, by the thousand.

use std::time::{Duration, Instant};

use crate::table::wheel_time::{RESOLUTION_MS, WheelTime, count};

/// Six bits of the tick choose the slot of a level, so that a word has a bit for each.
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;

/// Five levels reach over half a year, all slots of the highest but the present one; what is later
/// is looked at then.
const LEVELS: usize = 5;
const REACH: u64 = (SLOTS as u64 - 1) << (SLOT_BITS * (LEVELS as u32 - 1));

/// A hierarchical timing wheel with one place for each connection.
///
/// An entry says that a connection is to be looked at, not that its time is up: the connection
/// knows its deadlines, and moving them later costs nothing, since the entry is put back when it
/// fires early. A slot of a level is as wide as the whole level below; when its time comes its
/// entries move down. So an entry is touched five times at most, however far away it is.
#[derive(Debug)]
pub(crate) struct Wheel {
    /// The first entry of each slot.
    heads: [[Link; SLOTS]; LEVELS],
    /// One bit for each slot that has entries.
    occupied: [u64; LEVELS],
    /// The places, by the index of the connection.
    places: Vec<Place>,
    /// The beginning of tick zero.
    origin: Instant,
    /// Invariant: every entry that is due at this tick or before has fired.
    current: u64,
}

/// The index of a connection, or none.
type Link = u32;
const NONE: Link = Link::MAX;

/// A member of the doubly linked list of its slot.
#[derive(Clone, Copy, Debug)]
struct Place {
    due: u64,
    previous: Link,
    next: Link,
    /// Level and slot, or `FREE`.
    slot: u16,
}

const FREE: u16 = u16::MAX;

impl Wheel {
    pub(crate) fn new(origin: Instant) -> Self {
        Self {
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            places: Vec::new(),
            origin,
            current: 0,
        }
    }

    /// Returns the tick that `moment` lies in.
    #[cfg(test)]
    pub(crate) fn tick(&self, moment: Instant) -> WheelTime {
        WheelTime::of(moment, self.origin)
    }

    /// Schedules a look at the connection at `index` for `due`, unless one is scheduled before.
    pub(crate) fn insert(&mut self, due: WheelTime, index: u32) {
        let ahead = due.since(WheelTime::new(self.current)).max(1);
        let due = self.current + u64::from(ahead.unsigned_abs());
        if self.places.len() <= index as usize {
            let free = Place { due: 0, previous: NONE, next: NONE, slot: FREE };
            self.places.resize(index as usize + 1, free);
        }
        let place = &self.places[index as usize];
        if place.slot == FREE || due < place.due {
            self.remove(index);
            self.link(due, index);
        }
    }

    /// Forgets the connection at `index`.
    pub(crate) fn remove(&mut self, index: u32) {
        let Some(place) = self.places.get_mut(index as usize) else { return };
        if place.slot == FREE {
            return;
        }
        let Place { previous, next, slot, .. } = *place;
        place.slot = FREE;
        let (level, slot) = (usize::from(slot) / SLOTS, usize::from(slot) % SLOTS);
        match previous {
            NONE => self.heads[level][slot] = next,
            previous => self.places[previous as usize].next = next,
        }
        if next != NONE {
            self.places[next as usize].previous = previous;
        }
        if self.heads[level][slot] == NONE {
            self.occupied[level] &= !(1 << slot);
        }
    }

    /// Puts a free place into the slot for `due`: on the lowest level where that differs from the
    /// present.
    fn link(&mut self, due: u64, index: u32) {
        let horizon = due.min(self.current + REACH);
        let differing = (horizon ^ self.current).max(1).ilog2();
        let level = ((differing / SLOT_BITS) as usize).min(LEVELS - 1);
        let slot = (horizon >> (SLOT_BITS * level as u32)) as usize % SLOTS;
        let next = std::mem::replace(&mut self.heads[level][slot], index);
        if next != NONE {
            self.places[next as usize].previous = index;
        }
        let number = (level * SLOTS + slot) as u16;
        self.places[index as usize] = Place { due, previous: NONE, next, slot: number };
        self.occupied[level] |= 1 << slot;
    }

    /// Moves the connections that are to be looked at by `now` to `fired`.
    pub(crate) fn advance(&mut self, now: Instant, fired: &mut impl Extend<u32>) {
        let now = count(now, self.origin);
        while let Some((level, slot, start)) = self.next_slot().filter(|&(_, _, at)| at <= now) {
            self.current = self.current.max(start);
            let mut index = std::mem::replace(&mut self.heads[level][slot], NONE);
            self.occupied[level] &= !(1 << slot);
            while index != NONE {
                let place = &mut self.places[index as usize];
                let Place { due, next, .. } = *place;
                place.slot = FREE;
                if due <= now {
                    fired.extend([index]);
                } else {
                    self.link(due, index);
                }
                index = next;
            }
        }
        self.current = self.current.max(now);
    }

    /// Gives back the memory of indexes from `end` on, none of which is in the wheel.
    pub(crate) fn truncate(&mut self, end: u32) {
        debug_assert!(self.places.iter().skip(end as usize).all(|place| place.slot == FREE));
        self.places.truncate(end as usize);
        if self.places.capacity() > 4 * self.places.len().max(64) {
            // A copy, not a shrink: at the end of the heap a small rest would keep all below it.
            self.places = self.places.clone();
        }
    }

    /// Returns when to call [`advance`](Self::advance) next.
    #[inline]
    pub(crate) fn next(&self) -> Option<Instant> {
        let (_, _, start) = self.next_slot()?;
        self.origin.checked_add(Duration::from_millis(start * RESOLUTION_MS))
    }

    /// Returns the first slot with entries and the tick it begins with. Entries of a level are all
    /// earlier than those of the levels above it.
    fn next_slot(&self) -> Option<(usize, usize, u64)> {
        let level = self.occupied.iter().position(|&occupied| occupied != 0)?;
        let shift = SLOT_BITS * level as u32;
        let here = (self.current >> shift) as u32 % SLOTS as u32;
        let ahead = self.occupied[level].rotate_right(here).trailing_zeros();
        let start = ((self.current >> shift) + u64::from(ahead)) << shift;
        Some((level, (here + ahead) as usize % SLOTS, start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Wheel {
        /// Returns how many connections there is memory for.
        pub(in crate::table) fn capacity(&self) -> usize {
            self.places.capacity()
        }
    }

    fn wheel() -> (Wheel, Instant) {
        let origin = evio_sys::clock::now();
        (Wheel::new(origin), origin)
    }

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    /// Steps a clock from one `next` to the next and checks when each deadline fires.
    fn check(begin: Duration, deadlines_ms: &[u64]) {
        let (mut wheel, origin) = wheel();
        let begin = origin + begin;
        let mut fired = Vec::new();
        wheel.advance(begin, &mut fired);
        let start = wheel.tick(begin);
        for (index, &deadline) in deadlines_ms.iter().enumerate() {
            wheel.insert(start.after(ms(deadline)).unwrap(), index as u32);
        }
        let (mut seen, mut steps) = (0, 0);
        while let Some(now) = wheel.next() {
            steps += 1;
            fired.clear();
            wheel.advance(now, &mut fired);
            for &index in &fired {
                let deadline = begin + ms(deadlines_ms[index as usize]);
                assert!(now >= deadline, "{index} fired early");
                assert!(now <= deadline + ms(4 * RESOLUTION_MS), "{index} fired late");
                seen += 1;
            }
        }
        assert_eq!(seen, deadlines_ms.len());
        assert!(steps <= LEVELS * seen, "{steps} steps for {seen} entries");
    }

    #[test]
    fn deadlines_fire_in_their_window() {
        let half_a_year = 180 * 24 * 3_600 * 1_000;
        let a_year = 2 * half_a_year;
        let many: Vec<u64> = (0..2_000).map(|n| n * n * 37 % 3_000_000).collect();
        let three_years = Duration::from_secs(3 * 365 * 86_400);
        // Just before the highest level begins anew.
        let boundary = ms((1 << 30) * RESOLUTION_MS - 40);
        for begin in [Duration::ZERO, ms(1_000_003), boundary, three_years] {
            check(begin, &[]);
            check(begin, &[0]);
            check(begin, &[1, 15, 16, 17, 32]);
            check(begin, &[1_007, 1_008, 1_023, 1_024, 65_535, 65_536, 5]);
            check(begin, &[5, half_a_year, a_year]);
            check(begin, &many);
        }
    }

    #[test]
    fn a_late_look_fires_everything_that_is_due_and_nothing_else() {
        let (mut wheel, origin) = wheel();
        for index in 0..100 {
            wheel.insert(wheel.tick(origin + ms(1_000 * u64::from(index))), index);
        }
        let mut fired = Vec::new();
        wheel.advance(origin + ms(50_000), &mut fired);
        fired.sort_unstable();
        assert_eq!(fired, (0..=50).collect::<Vec<_>>());
        fired.clear();
        wheel.advance(origin + ms(40_000), &mut fired);
        assert!(fired.is_empty(), "time going backwards does nothing");
    }

    #[test]
    fn memory_of_a_burst_goes_back() {
        let (mut wheel, origin) = wheel();
        let due = wheel.tick(origin).after(ms(1_000)).unwrap();
        (0..10_000).for_each(|index| wheel.insert(due, index));
        (1..10_000).for_each(|index| wheel.remove(index));
        wheel.truncate(64);
        assert!(wheel.capacity() <= 128, "{}", wheel.capacity());
        let mut fired = Vec::new();
        wheel.advance(origin + ms(2_000), &mut fired);
        assert_eq!(fired, [0]);
    }

    /// However often deadlines move, a connection has one place, and none when it is gone.
    #[test]
    fn nothing_is_left_behind() {
        let (mut wheel, origin) = wheel();
        let now = wheel.tick(origin);
        for round in 0..1_000 {
            for index in 0..10 {
                wheel.insert(now.after(ms(1_000_000 - round * 100)).unwrap(), index);
            }
        }
        let mut fired = Vec::new();
        wheel.advance(origin + ms(1_000_100), &mut fired);
        assert_eq!(fired.len(), 10);
        for index in 0..10 {
            wheel.insert(now.after(ms(2_000_000)).unwrap(), index);
            wheel.remove(index);
            wheel.remove(index);
        }
        assert_eq!(wheel.next(), None);
        assert_eq!(wheel.occupied, [0; LEVELS]);
    }
}

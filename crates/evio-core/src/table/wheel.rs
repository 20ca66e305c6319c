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
mod tests;

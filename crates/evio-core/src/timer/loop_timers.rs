//! The timers of one loop, in the order in which they are due.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::timer::loop_timer::{LoopTimer, TimerId, TooManyTimers};
use crate::types::origin::Tag;

/// The shortest period; what is shorter is taken as this. A period of zero would keep the loop from
/// ever sleeping.
const MIN_PERIOD: Duration = Duration::from_millis(1);

/// The shortest delay. It keeps a timer from being due in the turn in which it was set, though a
/// clock may stand still for so long.
const MIN_DELAY: Duration = Duration::from_nanos(1);

/// 100 years: "never", without overflowing `Instant`.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The timers of a loop, of which any can be cancelled.
///
/// Two trees and no wheel: there are few of them compared with the deadlines of connections, they
/// keep their exact times, and the memory of those that are gone goes back.
#[derive(Debug)]
pub(crate) struct LoopTimers {
    /// Invariant: the first deadline of `queue`.
    first: Option<Instant>,
    queue: BTreeMap<Place, Timer>,
    /// By the timer's number. Invariant: the places of `queue`.
    deadlines: BTreeMap<u64, Instant>,
    last_number: u64,
    max_timers: usize,
    /// How many timers are the loop's own, which are not counted for `max_timers`.
    own: usize,
    loop_id: u16,
}

/// Timers that are due at the same moment are called in the order in which they were set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    deadline: Instant,
    number: u64,
}

#[derive(Clone, Copy, Debug)]
struct Timer {
    purpose: Purpose,
    /// `None` for one that is called once.
    period: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Program(Tag),
    /// The dial with this number is to be looked at.
    Dial(u64),
}

impl Timer {
    fn is_own(self) -> bool {
        matches!(self.purpose, Purpose::Dial(_))
    }
}

/// A timer that has run down.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DueTimer {
    Program(LoopTimer),
    /// That of the dial with this number.
    Dial(u64),
}

impl LoopTimers {
    pub(crate) fn new(loop_id: u16, max_timers: usize) -> Self {
        Self {
            first: None,
            queue: BTreeMap::new(),
            deadlines: BTreeMap::new(),
            last_number: 0,
            max_timers,
            own: 0,
            loop_id,
        }
    }

    /// Sets a timer for `delay` after `now`, or for right after it: not for the turn that begins
    /// then.
    pub(crate) fn set(
        &mut self,
        now: Instant,
        delay: Duration,
        tag: Tag,
    ) -> Result<TimerId, TooManyTimers> {
        self.check_room()?;
        Ok(self.add(
            now,
            delay.max(MIN_DELAY),
            Timer { purpose: Purpose::Program(tag), period: None },
        ))
    }

    /// Sets a timer for each `period` after `now`.
    pub(crate) fn set_interval(
        &mut self,
        now: Instant,
        period: Duration,
        tag: Tag,
    ) -> Result<TimerId, TooManyTimers> {
        let period = period.max(MIN_PERIOD);
        self.check_room()?;
        let timer = Timer { purpose: Purpose::Program(tag), period: Some(period) };
        Ok(self.add(now, period, timer))
    }

    /// Sets a timer for a dial, which is not due before the next turn.
    pub(crate) fn set_for_dial(&mut self, now: Instant, at: Instant, dial: u64) -> TimerId {
        self.own += 1;
        let delay = at.saturating_duration_since(now).max(MIN_DELAY);
        self.add(now, delay, Timer { purpose: Purpose::Dial(dial), period: None })
    }

    fn check_room(&self) -> Result<(), TooManyTimers> {
        let is_full = self.queue.len() - self.own >= self.max_timers;
        if is_full { Err(TooManyTimers) } else { Ok(()) }
    }

    fn add(&mut self, now: Instant, delay: Duration, timer: Timer) -> TimerId {
        self.last_number += 1;
        let number = self.last_number;
        self.insert(Place { deadline: after(now, delay), number }, timer);
        TimerId { loop_id: self.loop_id, number }
    }

    /// Cancels a timer. Returns whether there was one.
    pub(crate) fn cancel(&mut self, id: TimerId) -> bool {
        let number = id.number;
        if id.loop_id != self.loop_id {
            return false;
        }
        let Some(deadline) = self.deadlines.remove(&number) else { return false };
        let removed = self.queue.remove(&Place { deadline, number });
        self.own -= usize::from(removed.is_some_and(Timer::is_own));
        self.find_first();
        true
    }

    /// Returns when the first timer is due.
    #[inline]
    pub(crate) fn first(&self) -> Option<Instant> {
        self.first
    }

    /// Takes the first timer that is due at `now`. An interval is set for the first period that is
    /// not over then, so that it keeps its phase and is due once in a turn.
    pub(crate) fn take(&mut self, now: Instant) -> Option<DueTimer> {
        let entry = self.queue.first_entry().filter(|entry| entry.key().deadline <= now)?;
        let place = *entry.key();
        let timer = entry.remove();
        self.deadlines.remove(&place.number);
        if let Some(period) = timer.period {
            let deadline = next_deadline(place.deadline, period, now);
            self.insert(Place { deadline, ..place }, timer);
        }
        self.find_first();
        self.own -= usize::from(timer.is_own());
        let id = TimerId { loop_id: self.loop_id, number: place.number };
        Some(match timer.purpose {
            Purpose::Program(tag) => DueTimer::Program(LoopTimer { id, tag, due: place.deadline }),
            Purpose::Dial(number) => DueTimer::Dial(number),
        })
    }

    fn insert(&mut self, place: Place, timer: Timer) {
        self.queue.insert(place, timer);
        self.deadlines.insert(place.number, place.deadline);
        self.find_first();
    }

    fn find_first(&mut self) {
        self.first = self.queue.first_key_value().map(|(place, _)| place.deadline);
    }
}

fn after(now: Instant, delay: Duration) -> Instant {
    now.checked_add(delay).unwrap_or_else(|| now + NEVER)
}

/// Returns the first multiple of `period` after `deadline` that is later than `now`.
fn next_deadline(deadline: Instant, period: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(deadline);
    let into_period = (late.as_nanos() % period.as_nanos()) as u64;
    // Less than a period, so it is exact unless that is of hundreds of years.
    after(now, period.saturating_sub(Duration::from_nanos(into_period)))
}

#[cfg(test)]
mod tests;

use evio_sys::clock;

use super::*;

const MS: Duration = Duration::from_millis(1);

struct Fixture {
    timers: LoopTimers,
    start: Instant,
}

impl Fixture {
    fn new(max_timers: usize) -> Self {
        Self { timers: LoopTimers::new(3, max_timers), start: clock::now() }
    }

    fn set(&mut self, delay: u32, tag: u64) -> TimerId {
        self.timers.set(self.start, delay * MS, tag.into()).unwrap()
    }

    fn set_interval(&mut self, period: u32, tag: u64) -> TimerId {
        self.timers.set_interval(self.start, period * MS, tag.into()).unwrap()
    }

    /// Returns the tags of the timers that are due, and checks what the timers know of each other.
    fn take(&mut self, after: u32) -> Vec<u64> {
        let now = self.start + after * MS;
        let mut tags = Vec::new();
        while let Some(due) = self.timers.take(now) {
            let DueTimer::Program(timer) = due else { panic!("{due:?}") };
            assert!(timer.due() <= now);
            let tag = timer.tag().number;
            tags.push(tag);
        }
        let places: Vec<Place> = self.timers.queue.keys().copied().collect();
        let deadlines = self.timers.deadlines.iter();
        let mut known: Vec<Place> =
            deadlines.map(|(&number, &deadline)| Place { deadline, number }).collect();
        known.sort_unstable();
        assert_eq!(places, known);
        assert_eq!(self.timers.first(), places.first().map(|place| place.deadline));
        assert!(self.timers.first() > Some(now) || places.is_empty());
        tags
    }
}

#[test]
fn timers_are_due_in_the_order_of_their_deadlines_and_once() {
    let mut it = Fixture::new(9);
    for (delay, tag) in [(30, 1), (10, 2), (20, 3), (10, 4)] {
        it.set(delay, tag);
    }
    assert!(it.take(9).is_empty(), "none is early");
    assert_eq!(it.take(10), [2, 4], "those of one moment in the order in which they were set");
    assert_eq!(it.take(30), [3, 1]);
    assert!(it.take(99).is_empty());
    assert_eq!(it.timers.first(), None);
}

#[test]
fn a_cancelled_timer_is_not_due_and_there_is_nothing_to_cancel_twice() {
    let mut it = Fixture::new(9);
    let ids = [1, 2, 3].map(|tag| it.set(10 * tag as u32, tag));
    assert!(it.timers.cancel(ids[0]) && !it.timers.cancel(ids[0]));
    assert_eq!(it.timers.first(), Some(it.start + 20 * MS));
    assert!(!it.timers.cancel(TimerId { loop_id: 4, ..ids[1] }), "the timer of another loop");
    assert_eq!(it.take(20), [2]);
    assert!(!it.timers.cancel(ids[1]), "it has been called");
    assert_eq!(it.take(99), [3]);
}

#[test]
fn an_interval_goes_on_until_it_is_cancelled_also_by_its_own_callback() {
    let mut it = Fixture::new(9);
    let id = it.set_interval(10, 1);
    assert_eq!([it.take(10), it.take(19), it.take(21)], [vec![1], vec![], vec![1]]);
    let due = it.timers.take(it.start + 30 * MS);
    let Some(DueTimer::Program(timer)) = due else { panic!("{due:?}") };
    assert_eq!((timer.id(), timer.due()), (id, it.start + 30 * MS));
    assert!(it.timers.cancel(timer.id()));
    assert!(it.take(99).is_empty());
}

#[test]
fn missed_periods_are_dropped_and_the_phase_is_kept() {
    let mut it = Fixture::new(9);
    it.set_interval(10, 1);
    for late in [10, 25, 30, 40, 5_003, 5_010] {
        assert_eq!(it.take(late), [1], "at {late} ms");
        let next = (late / 10 + 1) * 10;
        assert_eq!(it.timers.first(), Some(it.start + next * MS), "after {late} ms");
    }
}

#[test]
fn a_full_loop_takes_no_more_until_one_has_gone() {
    let mut it = Fixture::new(2);
    let (first, _) = (it.set(10, 1), it.set_interval(10, 2));
    let set = |it: &mut Fixture| it.timers.set(it.start, MS, 3.into());
    assert_eq!(set(&mut it), Err(TooManyTimers));
    assert_eq!(it.timers.set_interval(it.start, MS, 3.into()), Err(TooManyTimers));
    assert!(it.timers.cancel(first));
    let id = set(&mut it).unwrap();
    assert_eq!(set(&mut it), Err(TooManyTimers));
    assert_eq!(it.take(10), [3, 2]);
    assert!(id != first && set(&mut it).is_ok(), "the interval has kept its place");
    assert_eq!(set(&mut it), Err(TooManyTimers));
}

#[test]
fn extreme_delays() {
    let mut it = Fixture::new(9);
    it.timers.set(it.start, Duration::ZERO, 1.into()).unwrap();
    it.timers.set_interval(it.start, Duration::ZERO, 2.into()).unwrap();
    assert_eq!(it.take(0), [0; 0], "not in this turn");
    assert_eq!(it.take(1), [1, 2]);
    assert_eq!(it.timers.first(), Some(it.start + 2 * MS), "a shortest period");
    let mut it = Fixture::new(9);
    let never = it.timers.set(it.start, Duration::MAX, 1.into()).unwrap();
    it.timers.set_interval(it.start, Duration::MAX, 2.into()).unwrap();
    assert!(it.take(u32::MAX).is_empty());
    assert!(it.timers.cancel(never));
}

#[test]
fn timers_of_the_loop_itself_are_not_counted() {
    let mut it = Fixture::new(1);
    let at = it.start + 5 * MS;
    let ids = [1, 2, 3].map(|number| it.timers.set_for_dial(it.start, at, number));
    let ours = it.set(10, 1);
    assert_eq!(it.timers.set(it.start, MS, 2.into()), Err(TooManyTimers));
    assert!(it.timers.cancel(ids[1]) && !it.timers.cancel(ids[1]));
    for expected in [1, 3] {
        let due = it.timers.take(it.start + 5 * MS);
        assert!(matches!(due, Some(DueTimer::Dial(number)) if number == expected), "{due:?}");
    }
    assert!(it.timers.take(it.start + 5 * MS).is_none());
    assert_eq!(it.timers.set(it.start, MS, 2.into()), Err(TooManyTimers));
    assert!(it.timers.cancel(ours));
    it.set(10, 2);
}

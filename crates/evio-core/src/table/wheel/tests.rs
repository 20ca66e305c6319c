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
    assert!(wheel.places.capacity() <= 128, "{}", wheel.places.capacity());
    let mut fired = Vec::new();
    wheel.advance(origin + ms(2_000), &mut fired);
    assert_eq!(fired, [0]);
    wheel.insert(due, 255);
    wheel.remove(255);
    let places = wheel.places.capacity();
    wheel.truncate(64);
    assert_eq!(wheel.places.capacity(), places, "a few are kept for those that come next");
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

#[test]
fn a_look_comes_at_the_earliest_time_that_was_asked_for() {
    for due_ms in [[5_000, 1_000, 9_000], [1_000, 5_000, 9_000], [9_000, 5_000, 1_000]] {
        let (mut wheel, origin) = wheel();
        let mut fired = Vec::new();
        // Tick zero counts as tick one; this is about exact ones.
        wheel.advance(origin + ms(160), &mut fired);
        for due in due_ms {
            wheel.insert(wheel.tick(origin + ms(due)), 3);
        }
        wheel.advance(origin + ms(1_000 - RESOLUTION_MS), &mut fired);
        assert_eq!(fired, []);
        wheel.advance(origin + ms(1_000), &mut fired);
        assert_eq!(fired, [3]);
        assert_eq!(wheel.next(), None, "a connection has one place");
    }
}

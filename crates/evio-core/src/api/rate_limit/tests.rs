use evio_sys::clock;

use super::*;

const MS: Duration = Duration::from_millis(1);

/// Draws numbers, the same ones in each run: what is checked holds for all.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % end
    }
}

#[test]
fn no_more_is_taken_than_the_burst_and_what_was_filled_in_and_not_much_less() {
    let mut draws = Draws(7);
    for (per_second, burst) in [(1, 1), (10, 3), (1_000, 50), (1 << 20, 1 << 16), (3_000_000, 7)] {
        let (mut limit, start) = (RateLimit::new(per_second, burst), clock::now());
        let (mut now, mut taken) = (start, 0);
        for _ in 0..5_000 {
            let amount = 1 + draws.below(burst);
            match limit.try_take(now, amount) {
                Ok(()) => taken += amount,
                Err(delay) => {
                    assert!(!delay.is_zero());
                    // Too early, in the end, or late.
                    let before = limit.full_at;
                    assert!(limit.try_take(now + delay - Duration::from_nanos(1), amount).is_err());
                    assert_eq!(limit.full_at, before, "a refusal takes nothing");
                    now += delay;
                    limit.try_take(now, amount).unwrap();
                    taken += amount;
                }
            }
            let filled = u128::from(per_second) * (now - start).as_nanos() / NANOS;
            assert!(u128::from(taken) <= u128::from(burst) + filled, "{per_second} {burst}");
            if draws.below(4) == 0 {
                now += Duration::from_nanos(draws.below(1_000_000_000 / per_second + 1));
            }
        }
        let filled = u128::from(per_second) * (now - start).as_nanos() / NANOS;
        assert!(u128::from(taken) * 10 >= filled * 6, "{per_second} {burst}: {taken} of {filled}");
    }
}

#[test]
fn what_has_come_is_counted_and_paid_off() {
    let (mut limit, now) = (RateLimit::new(1_000, 100), clock::now());
    assert_eq!(limit.overdraw(now, 100), None, "the bucket is empty, not overdrawn");
    assert_eq!(limit.overdraw(now, 5), Some(now + 5 * MS));
    assert_eq!(limit.overdraw(now, 5), Some(now + 10 * MS));
    assert_eq!(limit.overdraw(now + 10 * MS, 0), None);
    assert_eq!(limit.try_take(now + 10 * MS, 1), Err(MS));
    assert_eq!(limit.try_take(now + 11 * MS, 1), Ok(()));
}

#[test]
fn a_bucket_holds_no_more_than_the_burst() {
    let (mut limit, now) = (RateLimit::new(1_000, 10), clock::now());
    limit.try_take(now, 10).unwrap();
    let later = now + 3_600_000 * MS;
    limit.try_take(later, 10).unwrap();
    assert_eq!(limit.try_take(later, 1), Err(MS));
}

#[test]
fn more_than_the_burst_is_taken_from_a_full_bucket() {
    let (mut limit, now) = (RateLimit::new(1_000, 10), clock::now());
    assert_eq!(limit.try_take(now, 30), Ok(()));
    assert_eq!(limit.try_take(now, 30), Err(30 * MS));
    assert_eq!(limit.try_take(now + 20 * MS, 1), Err(MS));
    assert_eq!(limit.try_take(now + 30 * MS, 30), Ok(()));
}

#[test]
fn extreme_amounts() {
    let now = clock::now();
    let mut limit = RateLimit::new(0, 0);
    assert_eq!(limit.try_take(now, 1), Ok(()), "zero is taken as one");
    assert_eq!(limit.try_take(now, 1), Err(1_000 * MS));
    assert!(limit.overdraw(now, u64::MAX).is_some());
    assert!(limit.overdraw(now, u64::MAX).is_some());
    let mut limit = RateLimit::new(u64::MAX, u64::MAX);
    assert!(limit.overdraw(now, u64::MAX).is_none());
    let mut limit = RateLimit::new(1, u64::MAX);
    assert!(limit.overdraw(now, 1_000_000).is_none());
}

//! Pauses with an end, and what limits a rate by them.

use super::*;
use crate::api::conn::Conn;
use crate::api::rate_limit::RateLimit;
use crate::types::pause_reason::PauseReason;

const MS: Duration = Duration::from_millis(1);

fn is_paused_for(fixture: &Fixture, key: ConnKey, reason: PauseReason) -> bool {
    fixture.runner.state.table.get(key).unwrap().is_paused_for(reason)
}

#[test]
fn each_reason_has_an_end_of_its_own() {
    let (mut fixture, key, _client) = Fixture::with_one(Limits::default());
    fixture.begin_turn(Duration::ZERO);
    let [one, other, endless] = [0, 1, 2].map(PauseReason::new);
    let start = fixture.start;
    let mut conn = Conn::new(&mut fixture.runner.state, key);
    conn.pause_reading_until(one, start + 9 * HOUR);
    conn.pause_reading_until(one, start + HOUR);
    conn.pause_reading_until(other, start + 2 * HOUR);
    conn.pause_reading_until(endless, start + HOUR);
    conn.pause_reading_for(endless);
    let all = |fixture: &Fixture| [one, other, endless].map(|it| is_paused_for(fixture, key, it));
    for (time, expected) in [
        (HOUR - SECOND, [true, true, true]),
        (HOUR + SECOND, [false, true, true]),
        (2 * HOUR - SECOND, [false, true, true]),
        (2 * HOUR + SECOND, [false, false, true]),
        (99 * HOUR, [false, false, true]),
    ] {
        assert!(fixture.run_timers(time).is_empty(), "there is no callback");
        assert_eq!(all(&fixture), expected, "after {time:?}");
    }
    assert!(!fixture.runner.state.table.get(key).unwrap().wants_input());
    Conn::new(&mut fixture.runner.state, key).resume_reading_for(endless);
    assert!(fixture.runner.state.table.get(key).unwrap().wants_input());
}

#[test]
fn a_pause_that_is_taken_back_has_no_end_that_ends_another() {
    let (mut fixture, key, _client) = Fixture::with_one(Limits::default());
    fixture.begin_turn(Duration::ZERO);
    let start = fixture.start;
    let mut conn = Conn::new(&mut fixture.runner.state, key);
    conn.pause_reading_until(PauseReason::RATE, start + HOUR);
    conn.resume_reading_for(PauseReason::RATE);
    assert!(!conn.is_paused());
    conn.pause_reading_for(PauseReason::RATE);
    fixture.run_timers(2 * HOUR);
    assert!(is_paused_for(&fixture, key, PauseReason::RATE));
}

/// What is read is drawn, and so is when. A plain pause and its end come in between.
#[test]
fn a_connection_gets_its_rate_and_no_more() {
    const PER_SECOND: u64 = 1 << 20;
    const BURST: u64 = PER_SECOND / 20;
    let (mut fixture, key, _client) = Fixture::with_one(Limits::default());
    let mut limit = RateLimit::new(PER_SECOND, BURST);
    let (mut taken, mut draw) = (0, 7_u64);
    for time in 0..10_000 {
        fixture.run_timers(time * MS);
        if !fixture.runner.state.table.get(key).unwrap().wants_input() {
            continue;
        }
        draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let len = 1 + (draw >> 33) % (64 << 10);
        let filled = PER_SECOND * u64::from(time) / 1_000;
        assert!(taken <= BURST + filled, "{taken} after {time} ms");
        taken += len;
        let mut conn = Conn::new(&mut fixture.runner.state, key);
        conn.pause_reading();
        limit.take(&mut conn, len);
        conn.resume_reading();
    }
    assert!(taken >= 10 * PER_SECOND * 95 / 100, "{taken} in ten seconds");
    assert!(fixture.calls().is_empty(), "the timer of the connection is free");
}

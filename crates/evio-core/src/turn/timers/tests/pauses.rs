//! Pauses with an end.

use super::*;
use crate::api::conn::Conn;
use crate::types::pause_reason::PauseReason;

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

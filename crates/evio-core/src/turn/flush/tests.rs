use crate::turn::tests::Fixture;
use crate::types::limits::Limits;
use crate::types::pause_reason::PauseReason;

#[test]
fn a_connection_that_cannot_be_polled_any_more_fails_once() {
    let (mut fixture, key, _client) = Fixture::with_one(Limits::default());
    let state = &mut fixture.runner.state;
    state.poller.deregister(state.table.get(key).unwrap().stream()).unwrap();
    state.table.set_paused(key, PauseReason::PLAIN, true);
    fixture.runner.flush();
    assert!(!fixture.is_active(key), "nothing it waits for would be reported");
    fixture.runner.flush();
    let calls = fixture.calls();
    assert_eq!(calls.len(), 1, "{calls:?}");
    assert!(calls[0].starts_with("closed: connection failed: "), "{calls:?}");
    assert!(fixture.runner.state.table.is_empty() && !fixture.runner.has_output());
}

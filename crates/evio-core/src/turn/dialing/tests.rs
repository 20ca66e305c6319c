use std::net::{SocketAddr, TcpListener};

use crate::api::connect_options::ConnectOptions;
use crate::api::event_loop_access::Loop;
use crate::turn::tests::{Fixture, HOUR, SECOND};
use crate::types::limits::Limits;

fn listeners<const N: usize>() -> ([TcpListener; N], [SocketAddr; N]) {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
    (listeners, addresses)
}

/// Begins a dial that has an hour.
fn dial(fixture: &mut Fixture, addresses: &[SocketAddr]) {
    let limits = Limits::default().connect_timeout(HOUR);
    let options = ConnectOptions::default().limits(limits);
    let addresses = addresses.iter().copied();
    Loop::new(&mut fixture.runner.state).dial(addresses, &options).unwrap();
}

#[test]
fn nothing_is_left_of_a_dial_when_the_first_attempt_has_come_about() {
    // Of the two, one is reported in a turn, or both.
    for reported in [1, 2] {
        let ([one, other], addresses) = listeners();
        let mut fixture = Fixture::new(Limits::default());
        dial(&mut fixture, &addresses);
        assert_eq!(fixture.runner.state.table.len(), 1);
        assert!(fixture.run_timers(SECOND).is_empty());
        let keys = fixture.runner.state.table.keys();
        assert_eq!(keys.len(), 2, "the second is tried beside the first");
        let _clients = [one.accept().unwrap(), other.accept().unwrap()];
        for &key in &keys[..reported] {
            fixture.runner.check_connect(key);
        }
        fixture.runner.flush();
        assert_eq!(fixture.calls(), ["opened"]);
        let state = &fixture.runner.state;
        assert!(state.dials.numbers().is_empty() && state.timers.first().is_none());
        assert_eq!((state.table.keys(), fixture.live(0)), (vec![keys[0]], 0));
    }
}

#[test]
fn nothing_is_left_of_a_dial_that_has_failed() {
    let ([one], addresses) = listeners();
    let mut fixture = Fixture::new(Limits::default());
    dial(&mut fixture, &addresses);
    drop(one);
    // What the socket knows is not looked at.
    let number = fixture.runner.state.dials.numbers()[0];
    fixture.begin_turn(2 * HOUR);
    fixture.runner.state.dials.expire(number, fixture.start + 2 * HOUR);
    fixture.runner.run_timers();
    fixture.runner.flush();
    assert_eq!(fixture.calls(), ["dial failed: no answer within 3600s"]);
    let state = &fixture.runner.state;
    assert!(state.table.is_empty() && state.dials.numbers().is_empty());
    assert!(state.timers.first().is_none());
}

/// The loop is late, and looks before it gives up.
#[test]
fn an_attempt_that_has_come_about_in_time_is_opened() {
    let ([one], addresses) = listeners();
    let mut fixture = Fixture::new(Limits::default());
    dial(&mut fixture, &addresses);
    let _client = one.accept().unwrap();
    assert_eq!(fixture.run_timers(2 * HOUR), ["opened"]);
}

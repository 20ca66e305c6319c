use std::net::TcpListener;

use crate::api::connect_options::ConnectOptions;
use crate::api::event_loop_access::Loop;
use crate::turn::tests::Fixture;
use crate::types::limits::Limits;

#[test]
fn every_connection_is_told_that_the_server_ends_by_a_failure_of_its_poller() {
    let mut fixture = Fixture::new(Limits::default());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().into();
    let _clients = [fixture.open(), fixture.open()];
    let state = &mut fixture.runner.state;
    state.connect(&address, &ConnectOptions::default()).unwrap();
    Loop::new(state).dial([], &ConnectOptions::default()).unwrap();
    let keys = state.table.keys();
    // One has output that nobody takes.
    fixture.write(keys[1], &vec![0; 4 << 20]);
    fixture.runner.abort_all();
    let closed = "closed: server shutdown";
    let dial_failed = "dial failed: no address";
    let connect_failed = "not connected: server shutdown";
    assert_eq!(fixture.calls(), [dial_failed, closed, closed, connect_failed]);
    let state = &mut fixture.runner.state;
    assert!(state.table.is_empty() && state.group.is_ending());
    assert!(state.connect(&address, &ConnectOptions::default()).is_err(), "nothing new begins");
    assert_eq!(fixture.live(0), 0);
}

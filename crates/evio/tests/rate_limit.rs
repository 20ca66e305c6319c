//! Pauses by reason.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use evio::{Action, Events, PauseReason};

use util::{TCP, bind, reports, start};

const LOGIN: PauseReason = PauseReason::new(0);

/// A plain resume, such as that of a relay in `drained`, ends no other pause.
#[test]
fn input_goes_on_when_each_reason_has_been_taken_back() {
    let (handles, handle) = reports();
    let (states, state) = reports();
    let (inputs, input) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .opened(move |conn, ()| {
                conn.pause_reading();
                conn.pause_reading_for(LOGIN);
                handles.send(conn.handle()).unwrap();
                Action::None
            })
            .woken(move |conn, ()| {
                let reasons = [PauseReason::PLAIN, LOGIN].map(|it| conn.is_paused_for(it));
                states.send((conn.is_paused(), reasons)).unwrap();
                Action::None
            })
            .data(move |_, (), bytes| {
                inputs.send(bytes.to_vec()).unwrap();
                Action::None
            })
    });
    let client = server.connect();
    client.send(b"hello");
    let handle = handle.next();
    let ask = || {
        handle.wake().unwrap();
        state.next()
    };
    assert_eq!(ask(), (true, [true, true]));
    handle.resume_reading().unwrap();
    assert_eq!(ask(), (true, [false, true]));
    handle.pause_reading_for(PauseReason::RATE).unwrap();
    handle.resume_reading_for(LOGIN).unwrap();
    assert_eq!(ask(), (true, [false, false]));
    assert!(input.rest().is_empty(), "it is paused for one more reason");
    handle.resume_reading_for(PauseReason::RATE).unwrap();
    assert_eq!(input.next(), b"hello");
    assert_eq!(ask(), (false, [false, false]));
    drop(client);
    server.stop();
}

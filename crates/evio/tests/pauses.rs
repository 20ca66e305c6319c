//! Pauses by reason, and a limit of the rate on top of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::time::Instant;

use evio::{Action, Events, PauseReason, RateLimit};

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

/// A client that sends as fast as it can is read at the rate, and what it has sent comes in full.
/// A plain pause and its end do not change that.
#[test]
fn input_comes_no_faster_than_its_rate_and_in_full() {
    const PER_SECOND: usize = 4 << 20;
    const BURST: usize = 256 << 10;
    const SENT: usize = 2 << 20;
    let (pieces, piece) = reports();
    let server = start(bind(TCP), move || {
        let limit = |_: &evio::Conn<'_>| RateLimit::new(PER_SECOND as u64, BURST as u64);
        Events::with_context(limit).data(move |conn, limit, input| {
            conn.pause_reading();
            limit.take(conn, input.len() as u64);
            conn.resume_reading();
            pieces.send((Instant::now(), input.len())).unwrap();
            Action::None
        })
    });
    let begin = Instant::now();
    let client = server.connect();
    std::thread::scope(|scope| {
        scope.spawn(|| client.send(&vec![7; SENT]));
        let mut taken = 0;
        while taken < SENT {
            let (at, len) = piece.next();
            let filled = PER_SECOND as u128 * (at - begin).as_micros() / 1_000_000;
            assert!(taken as u128 <= BURST as u128 + filled + 1, "{taken} after {:?}", at - begin);
            taken += len;
        }
    });
    drop(client);
    server.stop();
}

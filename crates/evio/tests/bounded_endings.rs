//! Endings that are asked for by handles: taken beyond the capacity of the mailbox, and not without
//! end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use evio::{ConnHandle, Events, SendError};

use util::{Driven, TCP, Transport, bind, hold, pair, start_driven};

const CAPACITY: usize = 16;

/// Returns how many are taken before one is refused, of very many.
fn taken(mut ask: impl FnMut() -> Result<(), SendError>) -> usize {
    for taken in 0..100 * CAPACITY {
        match ask() {
            Ok(()) => {}
            Err(SendError::Full) => return taken,
            Err(error) => panic!("{error}"),
        }
    }
    100 * CAPACITY
}

#[test]
fn endings_are_taken_up_to_twice_the_capacity() {
    type Ask = fn(&ConnHandle) -> Result<(), SendError>;
    let ways: [(&str, Ask, Ask); 4] = [
        ("close", ConnHandle::close, ConnHandle::close),
        ("abort", ConnHandle::abort, ConnHandle::abort),
        ("close and abort", ConnHandle::close, ConnHandle::abort),
        ("wake", ConnHandle::wake, ConnHandle::abort),
    ];
    let mut wrong = Vec::new();
    for (name, first, then) in ways {
        let server = bind(TCP).mailbox_capacity(CAPACITY);
        let Driven { server, driver, calls } = start_driven(server, Events::<()>::new);
        let (streams, mut clients): (Vec<_>, Vec<_>) =
            (0..2).map(|_| pair(Transport::Unix)).unzip();
        let ids = driver.adopt_all(streams);
        let [handle, other] = [0, 1].map(|n| driver.ask_of(ids[n], |conn| conn.handle()));
        let (hold, held) = hold();
        driver.handle().post(move |_| hold.wait()).unwrap();
        held.wait();
        let mut number = 0;
        let at_first = taken(|| {
            number += 1;
            if number > CAPACITY / 2 { Err(SendError::Full) } else { first(&handle) }
        });
        assert_eq!(at_first, CAPACITY / 2, "there is room for half as many");
        while other.wake().is_ok() {}
        // The mailbox is full for all but endings.
        let more = taken(|| then(&handle));
        if !(1..=CAPACITY).contains(&more) {
            wrong.push(format!("{name}: {more} more than the capacity of {CAPACITY}"));
        }
        held.release();
        let _ = clients[0].receive_to_any_end();
        drop(clients.swap_remove(0));
        assert_eq!(calls.ending().0, ids[0], "{name}");
        server.stop();
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

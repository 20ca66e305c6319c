//! A peer that takes nothing: its connection ends at the deadline, and what the kernel still makes
//! room for in a full socket is no progress of the peer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::time::Duration;

use evio::{Action, Conn, Events, Limits, Timeout};

use util::{Call, Driven, Reason, TCP, Transport, bind, limits, pair, start_driven};

const TIMEOUT: Duration = Duration::from_millis(500);

/// Longer than the timeout and three steps of the clock, and less than the timeout twice.
const ENOUGH: Duration = Duration::from_millis(800);

/// More than the kernel takes from a server whose peer does not read.
static UNSENDABLE: [u8; 16 << 20] = [7; 16 << 20];

/// What a connection is made to do, and the timeout that ends it.
type Case = (&'static str, Limits, fn(&mut Conn<'_>), Timeout);

fn cases() -> [Case; 4] {
    let write = limits(|limits| limits.write_timeout = Some(TIMEOUT));
    let close = limits(|limits| limits.close_timeout = TIMEOUT);
    [
        ("open", write, |_| (), Timeout::Write),
        ("half-closed", write, |conn| conn.shutdown_write(), Timeout::Write),
        ("closing", close, |conn| conn.close(), Timeout::Close),
        ("detaching", close, |conn| conn.handle().wake().unwrap(), Timeout::Close),
    ]
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off_at_the_deadline() {
    let Driven { server, driver, calls } =
        start_driven(bind(TCP), || Events::new().woken(|_, ()| Action::Detach));
    let mut expected = Vec::new();
    let mut clients = Vec::new();
    for transport in [Transport::Tcp, Transport::Unix] {
        for (name, limits, act, timeout) in cases() {
            let (stream, client) = pair(transport);
            let id = driver.adopt(stream);
            driver.ask_of(id, move |conn| {
                conn.set_limits(limits);
                conn.write_static(&UNSENDABLE);
                act(conn);
            });
            clients.push(client);
            expected.push((id, format!("{name}, {transport:?}"), timeout));
        }
    }
    driver.pass(ENOUGH);
    let calls = calls.rest();
    let mut wrong = Vec::new();
    for (id, name, timeout) in expected {
        let of_it = calls.iter().filter(|(other, _)| *other == id).map(|&(_, call)| call);
        let of_it: Vec<Call> = of_it.collect();
        if of_it.last() != Some(&Call::Closed(Reason::Timeout(timeout))) {
            wrong.push(format!("{name}: {of_it:?}"));
        }
    }
    assert!(wrong.is_empty(), "not cut off: {wrong:#?}");
    drop(clients);
    server.stop();
}

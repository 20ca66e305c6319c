//! `idle_timeout` is about the peer's silence: what it has said and we have not read is none.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use evio::{Action, Conn, ConnId, Events, Timeout};

use util::{Call, Client, Driven, Reason, TCP, Transport, bind, limits, pair, start_driven};

const IDLE: Duration = Duration::from_millis(200);

/// More than the kernel takes from a server whose peer does not read.
static UNSENDABLE: [u8; 16 << 20] = [7; 16 << 20];

type Act = fn(&mut Conn<'_>);

/// Why input is not read.
const REASONS: [(&str, Act); 3] = [
    ("paused", |conn| conn.pause_reading()),
    ("paused by a handle", |conn| conn.handle().pause_reading().unwrap()),
    ("congested", |conn| conn.write_static(&UNSENDABLE)),
];

fn idle_server() -> Driven {
    start_driven(bind(TCP), || Events::new().data(|_, (), _| Action::None))
}

/// Makes a connection for each reason, and has the peer say what it says before or after that.
/// From then on none of them may be idle.
fn connect(driven: &Driven, before: &[u8], after: &[u8]) -> Vec<(String, ConnId, Client)> {
    let mut conns = Vec::new();
    for transport in [Transport::Unix, Transport::Tcp] {
        for (name, act) in REASONS {
            let (stream, client) = pair(transport);
            let id = driven.driver.adopt(stream);
            client.send(before);
            driven.driver.fence();
            driven.driver.ask_of(id, act);
            driven.driver.fence();
            client.send(after);
            conns.push((format!("{name}, {transport:?}"), id, client));
        }
    }
    let limits = limits(|limits| limits.idle_timeout = Some(IDLE));
    driven.driver.ask(move |event_loop| {
        event_loop.for_each_conn(|mut conn| conn.set_limits(limits));
    });
    conns
}

/// Returns the names of those that are closed, or closing.
fn ended(driven: &Driven, conns: &[(String, ConnId, Client)]) -> Vec<String> {
    let is_open = |id| driven.driver.ask(move |event_loop| event_loop.conn(id).is_some());
    conns.iter().filter(|(_, id, _)| !is_open(*id)).map(|(name, ..)| name.clone()).collect()
}

#[test]
fn a_peer_whose_input_waits_to_be_read_is_not_idle() {
    let driven = idle_server();
    let conns = connect(&driven, b"", b"waits");
    driven.driver.pass(3 * IDLE);
    assert_eq!(ended(&driven, &conns), [] as [&str; 0], "connections that were closed as idle");
    // It is there to be read at last.
    for (_, id, client) in conns {
        driven.driver.ask_of(id, |conn| {
            conn.resume_reading();
            conn.read_while_congested(true);
        });
        while driven.calls.next_of() != (id, Call::Data) {}
        drop(client);
    }
    driven.server.stop();
}

#[test]
fn a_peer_that_sends_all_the_time_is_not_idle() {
    let driven = idle_server();
    let conns = connect(&driven, b"", b"!");
    let is_over = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // Peers that send now and then.
                thread::sleep(IDLE / 4);
                conns.iter().for_each(|(_, _, client)| client.send(b"!"));
            }
        });
        driven.driver.pass(3 * IDLE);
        let ended = ended(&driven, &conns);
        is_over.store(true, Ordering::Relaxed);
        ended
    });
    assert_eq!(ended, [] as [&str; 0], "connections that were closed as idle");
    drop(conns);
    driven.server.stop();
}

/// There is nothing of theirs that waits to be read.
#[test]
fn a_silent_peer_is_idle_whether_its_input_is_wanted_or_not() {
    let driven = idle_server();
    let conns = connect(&driven, b"read", b"");
    driven.driver.pass(3 * IDLE);
    assert_eq!(ended(&driven, &conns).len(), conns.len());
    for (name, id, client) in conns {
        let _ = client.receive_to_any_end();
        drop(client);
        let (ended, call) = driven.calls.ending();
        assert_eq!(call, Call::Closed(Reason::Timeout(Timeout::Idle)), "{name}, {id} {ended}");
    }
    driven.server.stop();
}

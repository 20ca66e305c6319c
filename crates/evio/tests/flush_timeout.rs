//! `Limits::flush_timeout`: how long a closing connection may take in all, however steadily its
//! peer takes output.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use evio::{Conn, ConnId, Events, Limits, Timeout};

use util::{Call, Client, Driven, Reason, TCP, Transport, bind, limits, pair, start_driven};

const TIMEOUT: Duration = Duration::from_millis(400);

/// Longer than the timeout and three steps of the clock.
const ENOUGH: Duration = Duration::from_millis(700);

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// More than a slow peer reads in all of a test.
static OUTPUT: [u8; 32 << 20] = [7; 32 << 20];

fn flush_timeout() -> Limits {
    limits(|limits| {
        limits.flush_timeout = TIMEOUT;
        limits.close_timeout = AN_HOUR;
    })
}

#[test]
fn it_is_ten_minutes_by_default() {
    assert_eq!(Limits::default().flush_timeout, Duration::from_secs(600));
}

/// Runs `during` while each client reads a little all the time, and never pauses for long.
fn with_steady_readers<T>(clients: &[Client], during: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 50_000];
            while !is_over.load(Ordering::Relaxed) {
                // Slow peers.
                thread::sleep(Duration::from_millis(10));
                for mut client in clients {
                    client.set_read_timeout(Duration::from_millis(1)).unwrap();
                    let _ = client.read(&mut buffer);
                }
            }
        });
        let done = during();
        is_over.store(true, Ordering::Relaxed);
        done
    })
}

type Act = fn(&mut Conn<'_>);

const WAYS: [(&str, Act); 4] = [
    ("closing", |conn| conn.close()),
    ("closing by a handle", |conn| conn.handle().close().unwrap()),
    ("half-closed, then closing", |conn| {
        conn.shutdown_write();
        conn.close();
    }),
    ("closed by a timeout", |conn| conn.set_read_timeout(Some(TIMEOUT / 20))),
];

#[test]
fn progress_does_not_keep_a_closing_connection_for_ever() {
    let driven = start_driven(bind(TCP).limits(flush_timeout()), Events::<()>::new);
    let (mut clients, mut ids): (Vec<Client>, Vec<(&str, ConnId)>) = (Vec::new(), Vec::new());
    for (name, act) in WAYS {
        let (stream, client) = pair(Transport::Unix);
        let id = driven.driver.adopt(stream);
        driven.driver.ask_of(id, move |conn| {
            conn.write_static(&OUTPUT);
            act(conn);
        });
        clients.push(client);
        ids.push((name, id));
    }
    with_steady_readers(&clients, || driven.driver.pass(ENOUGH));
    let calls = driven.calls.rest();
    let expected = Call::Closed(Reason::Timeout(Timeout::Close));
    let has_ended = |id| calls.contains(&(id, expected));
    let wrong: Vec<_> = ids.iter().filter(|(_, id)| !has_ended(*id)).collect();
    assert!(wrong.is_empty(), "not ended by {expected:?}: {wrong:?}");
    drop(clients);
    driven.server.stop();
}

/// A shutdown closes connections as well; its own time is longer here.
#[test]
fn progress_does_not_keep_a_server_for_ever() {
    let server = bind(TCP).limits(flush_timeout()).shutdown_timeout(AN_HOUR);
    let Driven { server, driver, calls } = start_driven(server, Events::<()>::new);
    let (stream, client) = pair(Transport::Unix);
    let id = driver.adopt(stream);
    driver.ask_of(id, |conn| conn.write_static(&OUTPUT));
    with_steady_readers(&[client], || server.stop());
    assert_eq!(calls.reason(), Reason::Timeout(Timeout::Close));
}

/// It is the time in all: for a peer that has taken everything, and does not close its side, too.
#[test]
fn the_peers_end_is_waited_for_within_it() {
    let driven = start_driven(bind(TCP).limits(flush_timeout()), Events::<()>::new);
    let (stream, client) = pair(Transport::Unix);
    let id = driven.driver.adopt(stream);
    driven.driver.ask_of(id, |conn| {
        conn.write(b"bye");
        conn.close();
    });
    assert_eq!(client.receive_to_end(), b"bye");
    driven.driver.pass(ENOUGH);
    let ended = driven.calls.rest().into_iter().any(|(_, call)| matches!(call, Call::Closed(_)));
    assert!(ended, "the connection is still there");
    drop(client);
    driven.server.stop();
}

/// It begins with the end, not with the connection or its output.
#[test]
fn a_connection_that_is_not_closing_has_no_such_limit() {
    let driven = start_driven(bind(TCP).limits(flush_timeout()), Events::<()>::new);
    let (stream, client) = pair(Transport::Unix);
    let id = driven.driver.adopt(stream);
    driven.driver.ask_of(id, |conn| conn.write_static(&OUTPUT));
    let clients = [client];
    with_steady_readers(&clients, || driven.driver.pass(ENOUGH));
    assert_eq!(driven.calls.rest(), [(id, Call::Opened)]);
    drop(clients);
    driven.server.stop();
}

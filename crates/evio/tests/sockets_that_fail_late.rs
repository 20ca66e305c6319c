//! A socket that fails when it is asked at a deadline: its connection ends there and then, once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio::{Action, Conn, Events, Limits};

use util::{Call, Driven, TCP, bind, limits, start_driven};

const TIMEOUT: Duration = Duration::from_millis(300);

/// More than the kernel takes from a server whose peer does not read.
static UNSENDABLE: [u8; 4 << 20] = [7; 4 << 20];

/// The deadline that is waited for, and what the connection does besides.
type Case = (&'static str, Limits, fn(&mut Conn<'_>));

fn cases() -> [Case; 5] {
    let write = limits(|limits| limits.write_timeout = Some(TIMEOUT));
    let congestion = limits(|limits| limits.congestion_timeout = Some(TIMEOUT));
    let close = limits(|limits| limits.close_timeout = TIMEOUT);
    [
        ("write", write, |_| ()),
        ("write, half-closed", write, |conn| conn.shutdown_write()),
        ("congestion", congestion, |_| ()),
        ("close", close, |conn| conn.close()),
        ("close, detaching", close, |conn| conn.handle().wake().unwrap()),
    ]
}

/// Somebody else who has the socket ends its output while the kernel has no room for more: nothing
/// reports that, and the next send fails.
#[test]
fn a_socket_that_fails_at_the_deadline_ends_its_connection_once() {
    let Driven { server, driver, calls } =
        start_driven(bind(TCP), || Events::new().woken(|_, ()| Action::Detach));
    let mut expected = Vec::new();
    let mut peers = Vec::new();
    for (name, limits, act) in cases() {
        let (socket, peer) = UnixStream::pair().unwrap();
        let other = socket.try_clone().unwrap();
        let id = driver.adopt(socket);
        driver.ask_of(id, move |conn| {
            conn.set_limits(limits);
            conn.write_static(&UNSENDABLE);
            act(conn);
        });
        driver.fence();
        other.shutdown(Shutdown::Write).unwrap();
        peers.push((other, peer));
        expected.push((id, name));
    }
    driver.pass(3 * TIMEOUT);
    let in_time = calls.rest();
    server.stop();
    let late = calls.rest();
    let mut wrong = Vec::new();
    for (id, name) in expected {
        let is_end = |call: &Call| matches!(call, Call::Closed(_));
        let ends = in_time.iter().filter(|(of, call)| *of == id && is_end(call)).count();
        let more = late.iter().filter(|(of, _)| *of == id).count();
        if (ends, more) != (1, 0) {
            wrong.push(format!("{name}: closed {ends} times in time, {more} calls later"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    drop(peers);
}

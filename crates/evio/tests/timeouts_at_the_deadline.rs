//! A peer that takes nothing: its connection ends at the deadline, and what the kernel still makes
//! room for in a full socket is no progress of the peer.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::ErrorKind;
use std::time::Duration;

use evio::{Action, Conn, ConnId, Events, Limits, Timeout};

use util::{Call, Client, Driven, Reason, TCP, Transport, bind, limits, pair, start_driven};

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

/// A server with a connection of each case and transport.
struct Cases {
    driven: Driven,
    connections: Vec<(ConnId, String, Timeout)>,
    clients: Vec<Client>,
}

impl Cases {
    fn new() -> Self {
        let driven = start_driven(bind(TCP), || Events::new().woken(|_, ()| Action::Detach));
        let (mut connections, mut clients) = (Vec::new(), Vec::new());
        for transport in [Transport::Tcp, Transport::Unix] {
            for (name, limits, act, timeout) in cases() {
                let (stream, client) = pair(transport);
                let id = driven.driver.adopt(stream);
                driven.driver.ask_of(id, move |conn| {
                    conn.set_limits(limits);
                    conn.write_static(&UNSENDABLE);
                    act(conn);
                });
                clients.push(client);
                connections.push((id, format!("{name}, {transport:?}"), timeout));
            }
        }
        Self { driven, connections, clients }
    }

    /// Returns the connections whose calls are not as they `should_be` for their timeout.
    fn wrong(&self, should_be: impl Fn(Option<&Call>, Timeout) -> bool) -> Vec<String> {
        let calls = self.driven.calls.rest();
        let mut wrong = Vec::new();
        for (id, name, timeout) in &self.connections {
            let of_it = calls.iter().filter(|(other, _)| other == id).map(|&(_, call)| call);
            let of_it: Vec<Call> = of_it.collect();
            if !should_be(of_it.last(), *timeout) {
                wrong.push(format!("{name}: {of_it:?}"));
            }
        }
        wrong
    }

    /// Lets time pass, and checks that every connection was cut off.
    #[track_caller]
    fn check_cut_off(&self, time: Duration) {
        self.driven.driver.pass(time);
        // The kernel has the write timeout, too, and may come first.
        let is_cut_off = |last: Option<&Call>, timeout| match last {
            Some(Call::Closed(Reason::Timeout(passed))) => *passed == timeout,
            Some(Call::Closed(reason)) => {
                timeout == Timeout::Write && *reason == Reason::Error(ErrorKind::TimedOut)
            }
            _ => false,
        };
        let wrong = self.wrong(is_cut_off);
        assert!(wrong.is_empty(), "not cut off: {wrong:#?}");
    }
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off_at_the_deadline() {
    let cases = Cases::new();
    cases.check_cut_off(ENOUGH);
    cases.driven.server.stop();
}

/// Not until it stops: what it takes is too little for poll(2) to report room, but it is progress.
#[test]
fn a_peer_that_takes_little_is_not_cut_off() {
    if util::left_out_on_kqueue("what the peer of a Unix socket has taken is not told") {
        return;
    }
    const STEPS: u32 = 20;
    let cases = Cases::new();
    for _ in 0..STEPS {
        cases.driven.driver.pass(TIMEOUT / 5);
        for client in &cases.clients {
            // TCP tells of room in the peer's kernel when a segment fits, which has 64 KiB here.
            client.receive(if matches!(client, Client::Tcp(_)) { 70 << 10 } else { 24 << 10 });
        }
    }
    let is_going_on = |last: Option<&Call>, _| !matches!(last, Some(Call::Closed(_)));
    let wrong = cases.wrong(is_going_on);
    assert!(wrong.is_empty(), "cut off: {wrong:#?}");
    // What was taken since the last look counts until the next.
    cases.check_cut_off(TIMEOUT + ENOUGH);
    cases.driven.server.stop();
}

//! A connection that is closing keeps its limits: asking for the end takes none of them away, and
//! gives it no new time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use evio::{Action, Conn, ConnId, Events, Limits, Timeout};

use util::{Call, Client, Driven, Reason, TCP, Transport, bind, limits, pair, start_driven};

const TIMEOUT: Duration = Duration::from_millis(500);

/// Longer than the timeout and three steps of the clock, and less than the timeout twice.
const ENOUGH: Duration = Duration::from_millis(800);

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// More than the kernel takes from a server whose peer does not read, and more than a slow peer
/// reads in all of a test.
static OUTPUT: [u8; 32 << 20] = [7; 32 << 20];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Peer {
    /// Takes a little all the time.
    Slow,
    /// Takes nothing.
    Silent,
}

type Act = fn(&mut Conn<'_>);

/// Limits, the one that ends connections whose peer is such, and what those do.
type Case = (Limits, Timeout, Peer, &'static [(&'static str, Act)]);

const OPEN: (&str, Act) = ("open", |_| ());
const CLOSES: (&str, Act) = ("closing", |conn| conn.close());
const CLOSES_BY_A_HANDLE: (&str, Act) =
    ("closing by a handle", |conn| conn.handle().close().unwrap());
const HALF_CLOSES: (&str, Act) = ("half-closed", |conn| conn.shutdown_write());
const DETACHES: (&str, Act) = ("detaching", |conn| conn.handle().wake().unwrap());

fn cases() -> Vec<Case> {
    let set = |set: fn(&mut Limits)| {
        limits(|limits| {
            limits.close_timeout = AN_HOUR;
            set(limits);
        })
    };
    let all: &[_] = &[OPEN, CLOSES, CLOSES_BY_A_HANDLE, HALF_CLOSES, DETACHES];
    // A half-closed connection is not closing: it may go on for as long as there is input.
    let closing: &[_] = &[CLOSES, CLOSES_BY_A_HANDLE, DETACHES];
    vec![
        (
            set(|limits| limits.congestion_timeout = Some(TIMEOUT)),
            Timeout::Congestion,
            Peer::Slow,
            all,
        ),
        (
            set(|limits| limits.congestion_timeout = Some(TIMEOUT)),
            Timeout::Congestion,
            Peer::Silent,
            all,
        ),
        (set(|limits| limits.write_timeout = Some(TIMEOUT)), Timeout::Write, Peer::Silent, all),
        (set(|limits| limits.close_timeout = TIMEOUT), Timeout::Close, Peer::Silent, closing),
    ]
}

/// Connections, each with its name and what it must end by.
struct Cases {
    driven: Driven,
    conns: Vec<(ConnId, String, Timeout)>,
    clients: Vec<Client>,
    slow: Vec<Client>,
}

impl Cases {
    /// Makes a connection for each case, over a Unix socket, which the kernel takes the same amount
    /// for all the time. They have much to send.
    fn new() -> (Self, Vec<(ConnId, Act)>) {
        let driven = start_driven(bind(TCP), || Events::new().woken(|_, ()| Action::Detach));
        let (mut conns, mut acts) = (Vec::new(), Vec::new());
        let (mut clients, mut slow) = (Vec::new(), Vec::new());
        for (limits, timeout, peer, ways) in cases() {
            for &(name, act) in ways {
                let (stream, client) = pair(Transport::Unix);
                let id = driven.driver.adopt(stream);
                driven.driver.ask_of(id, move |conn| conn.set_limits(limits));
                acts.push((id, act));
                let peer_name = if peer == Peer::Slow { "slow" } else { "silent" };
                conns.push((id, format!("{name}, {peer_name} peer"), timeout));
                if peer == Peer::Slow { &mut slow } else { &mut clients }.push(client);
            }
        }
        (Self { driven, conns, clients, slow }, acts)
    }

    /// Does `during` while the slow peers read, then checks what the connections have ended by.
    fn check(self, during: impl FnOnce(&Driven)) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0; 50_000];
                while !is_over.load(Ordering::Relaxed) {
                    // Slow peers.
                    thread::sleep(Duration::from_millis(20));
                    for mut client in &self.slow {
                        client.set_read_timeout(Duration::from_millis(1)).unwrap();
                        let _ = client.read(&mut buffer);
                    }
                }
            });
            during(&self.driven);
            is_over.store(true, Ordering::Relaxed);
        });
        let calls = self.driven.calls.rest();
        let mut wrong = Vec::new();
        for (id, name, timeout) in self.conns {
            let last = calls.iter().rev().find(|(of, _)| *of == id).map(|&(_, call)| call);
            let expected = Call::Closed(Reason::Timeout(timeout));
            if last != Some(expected) {
                wrong.push(format!("{name}: {last:?} and not {expected:?}"));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        drop(self.clients);
        self.driven.server.stop();
    }
}

#[test]
fn a_closing_connection_keeps_its_limits() {
    let (cases, acts) = Cases::new();
    cases.check(|driven| {
        for (id, act) in acts {
            driven.driver.ask_of(id, move |conn| {
                conn.write_static(&OUTPUT);
                act(conn);
            });
        }
        driven.driver.pass(ENOUGH);
    });
}

/// The deadline counts from when the output began to wait, not from when the end was asked for.
#[test]
fn an_ending_does_not_begin_a_deadline_anew() {
    let (mut cases, mut acts) = Cases::new();
    cases.conns.retain(|&(_, _, timeout)| timeout != Timeout::Close);
    acts.retain(|(id, _)| cases.conns.iter().any(|(other, ..)| other == id));
    cases.check(|driven| {
        for &(id, _) in &acts {
            driven.driver.ask_of(id, |conn| conn.write_static(&OUTPUT));
        }
        driven.driver.pass(TIMEOUT / 2);
        for (id, act) in acts {
            driven.driver.ask_of(id, act);
        }
        // Together more than the timeout and three steps, and less than one and a half.
        driven.driver.pass(TIMEOUT * 7 / 10);
    });
}

/// The same for the ending that a shutdown begins, for a peer's end, and for a timeout.
#[test]
fn every_kind_of_ending_keeps_the_limits() {
    let write = limits(|limits| {
        limits.write_timeout = Some(TIMEOUT);
        limits.close_timeout = AN_HOUR;
    });
    let expected = Call::Closed(Reason::Timeout(Timeout::Write));
    let server = || bind(TCP).limits(write).shutdown_timeout(AN_HOUR);
    let begin = |driven: &Driven| {
        let (stream, client) = pair(Transport::Unix);
        let id = driven.driver.adopt(stream);
        driven.driver.ask_of(id, |conn| {
            // So that the end of the peer is seen.
            conn.read_while_congested(true);
            conn.write_static(&OUTPUT);
        });
        (id, client)
    };

    let driven = start_driven(server(), Events::<()>::new);
    let (_, client) = begin(&driven);
    client.finish_sending();
    let (id, _client) = begin(&driven);
    driven.driver.ask_of(id, |conn| conn.set_read_timeout(Some(TIMEOUT / 10)));
    driven.driver.pass(ENOUGH);
    let mut endings: Vec<Call> = driven.calls.rest().into_iter().map(|(_, call)| call).collect();
    endings.retain(|&call| matches!(call, Call::Closed(_)));
    assert_eq!(endings, [expected; 2]);

    let (_, _client) = begin(&driven);
    driven.server.stop();
    assert_eq!(driven.calls.ending().1, expected, "by a shutdown");
}

/// What limits the time of a peer that takes nothing is nothing to one that has everything, and may
/// go on for long.
#[test]
fn a_half_closed_connection_that_has_sent_all_goes_on() {
    let limits = limits(|limits| {
        limits.close_timeout = TIMEOUT / 10;
        limits.write_timeout = Some(TIMEOUT / 10);
    });
    let driven = start_driven(bind(TCP).limits(limits), Events::<()>::new);
    let (stream, client) = pair(Transport::Unix);
    let id = driven.driver.adopt(stream);
    driven.driver.ask_of(id, |conn| {
        conn.write(b"all");
        conn.shutdown_write();
    });
    assert_eq!(client.receive_to_end(), b"all");
    driven.driver.pass(TIMEOUT);
    client.send(b"still there");
    while driven.calls.next() != Call::Data {}
    drop(client);
    driven.server.stop();
}

//! The peer sees the end of a connection at once, whoever else has the socket: a copy of the
//! descriptor in this program, or in a process that it has forked.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use evio::{Conn, ConnId, Events, Limits, PanicPolicy};

use util::{Client, Driven, TCP, Transport, bind, limits, pair, start_driven};

/// More than the kernel takes from a server whose peer does not read.
static UNSENDABLE: [u8; 16 << 20] = [7; 16 << 20];

const SHORT: Duration = Duration::from_millis(50);

/// How long a peer waits for the end once the server knows of it.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way in which a connection ends.
struct Way {
    name: &'static str,
    limits: fn(&mut Limits),
    server: fn(&mut Conn<'_>),
    client: fn(&Client),
}

const WAYS: [Way; 11] = [
    Way { name: "close", limits: |_| (), server: |conn| conn.close(), client: |_| () },
    Way { name: "abort", limits: |_| (), server: |conn| conn.abort(), client: |_| () },
    Way {
        name: "half-close, then close",
        limits: |_| (),
        server: |conn| {
            conn.shutdown_write();
            conn.close();
        },
        client: |_| (),
    },
    Way {
        name: "shutdown_read and shutdown_write",
        limits: |_| (),
        server: |conn| {
            conn.shutdown_read();
            conn.shutdown_write();
        },
        client: |_| (),
    },
    Way {
        name: "the peer's end",
        limits: |_| (),
        server: |conn| conn.write(b"bye"),
        client: Client::finish_sending,
    },
    Way {
        name: "idle timeout",
        limits: |limits| limits.idle_timeout = Some(SHORT),
        server: |_| (),
        client: |_| (),
    },
    Way {
        name: "read timeout",
        limits: |_| (),
        server: |conn| conn.set_read_timeout(Some(SHORT)),
        client: |_| (),
    },
    Way {
        name: "write timeout",
        limits: |limits| limits.write_timeout = Some(SHORT),
        server: |conn| conn.write_static(&UNSENDABLE),
        client: |_| (),
    },
    Way {
        name: "close timeout",
        limits: |limits| limits.close_timeout = SHORT,
        server: |conn| {
            conn.write_static(&UNSENDABLE);
            conn.close();
        },
        client: |_| (),
    },
    Way {
        name: "output limit",
        limits: |limits| limits.max_output = 10,
        server: |conn| conn.write(b"more than ten bytes"),
        client: |_| (),
    },
    Way {
        name: "panic",
        limits: |_| (),
        server: |conn| conn.handle().wake().unwrap(),
        client: |_| (),
    },
];

/// Makes a connection whose socket somebody else has, too.
fn connect(driven: &Driven, transport: Transport) -> (ConnId, Client, OwnedFd) {
    let (stream, client) = pair(transport);
    let copy = stream.as_fd().try_clone_to_owned().unwrap();
    (driven.driver.adopt(stream), client, copy)
}

/// Returns whether the peer sees an end, of whichever kind.
fn sees_the_end(client: &Client) -> bool {
    client.set_read_timeout(PATIENCE).unwrap();
    let end = client.receive_to_any_end();
    end.map_or_else(|error| error.kind() != io::ErrorKind::WouldBlock, |_| true)
}

fn panics() -> Events<'static> {
    Events::new().woken(|_, ()| panic!("this is the test"))
}

#[test]
fn every_end_of_a_connection_is_seen_at_once() {
    if util::left_out_on_kqueue("a reset leaves with the last descriptor of the socket") {
        return;
    }
    let server = bind(TCP).panic_policy(PanicPolicy::CloseConnection);
    let driven = start_driven(server, panics);
    let mut peers = Vec::new();
    for transport in [Transport::Tcp, Transport::Unix] {
        for way in WAYS {
            let (id, client, copy) = connect(&driven, transport);
            driven.driver.ask_of(id, move |conn| {
                conn.set_limits(limits(way.limits));
                (way.server)(conn);
            });
            (way.client)(&client);
            peers.push((format!("{}, {transport:?}", way.name), client, copy));
        }
    }
    // By then the server has ended them, or waits for the peer to read what there is.
    driven.driver.pass(6 * SHORT);
    peers.retain(|(_, client, _)| !sees_the_end(client));
    let wrong: Vec<&String> = peers.iter().map(|(name, ..)| name).collect();
    driven.server.stop();
    assert!(wrong.is_empty(), "the peer does not see the end: {wrong:#?}");
}

/// Two connections are there when the server ends: one that has nothing to send, and one whose peer
/// does not read.
fn those_who_see_the_end_of_a_server(end: impl FnOnce(Driven, ConnId)) -> Vec<bool> {
    let driven = start_driven(bind(TCP).shutdown_timeout(SHORT), panics);
    let mut peers = Vec::new();
    for transport in [Transport::Tcp, Transport::Unix] {
        for sends in [false, true] {
            let (id, client, copy) = connect(&driven, transport);
            if sends {
                driven.driver.ask_of(id, |conn| conn.write_static(&UNSENDABLE));
            }
            peers.push((id, client, copy));
        }
    }
    end(driven, peers[0].0);
    peers.iter().map(|(_, client, _)| sees_the_end(client)).collect()
}

#[test]
fn the_end_of_a_server_is_seen_at_once() {
    if util::left_out_on_kqueue("a reset leaves with the last descriptor of the socket") {
        return;
    }
    let seen = those_who_see_the_end_of_a_server(|driven, _| driven.server.stop());
    assert_eq!(seen, [true; 4]);
}

#[test]
fn the_end_of_a_server_by_a_panic_is_seen_at_once() {
    if util::left_out_on_kqueue("a reset leaves with the last descriptor of the socket") {
        return;
    }
    let seen = those_who_see_the_end_of_a_server(|driven, id| {
        driven.driver.ask_of(id, |conn| conn.handle().wake().unwrap());
        assert!(driven.server.join().is_err(), "the panic goes on");
    });
    assert_eq!(seen, [true; 4]);
}

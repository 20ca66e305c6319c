//! `Server::limits_of`: for an address that there is, and for what comes in by it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::TcpListener;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evio::{Action, ConnectOptions, Events, Limits, Origin, ReadySocket, Server, Tag};

use util::{
    Call, Client, Driven, Reason, TCP, Transport, bind_all, limits, pair, reports, start_driven,
};

fn strict() -> Limits {
    limits(|limits| limits.max_output = 10)
}

/// Nothing is called by a server that cannot mean what it was told.
#[test]
fn an_index_that_is_no_address_is_an_error() {
    for loops in [1, 2] {
        // A name may stand for several addresses, and is one that the server is given.
        for addresses in [&[TCP][..], &["localhost:0"], &[TCP, TCP]] {
            for index in [addresses.len() as u16, 61_234, 65_535] {
                let server = bind_all(addresses.iter().copied());
                let server = match index % 2 {
                    0 => server.limits_of(index, strict()),
                    _ => server.max_connections_of(index, 1),
                };
                let is_called = Arc::new(AtomicBool::new(false));
                let called = Arc::clone(&is_called);
                let result = server.run_each(loops, move |_| {
                    let called = Arc::clone(&called);
                    Events::new().serving(move |_, _| {
                        called.store(true, Ordering::SeqCst);
                        ControlFlow::Break(())
                    })
                });
                let case = format!("index {index} of {addresses:?}");
                let error = result.expect_err(&case).to_string();
                assert!(error.contains(&index.to_string()), "{case}: {error}");
                assert!(!is_called.load(Ordering::SeqCst), "{case}");
            }
        }
    }
}

#[test]
fn an_address_that_is_added_later_has_its_limits() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::bind([TCP]).unwrap().limits_of(1, strict());
    let server = server.with_socket(ReadySocket::try_from(socket).unwrap()).unwrap();
    let Driven { server, calls, .. } = start_driven(server, || {
        Events::new().opened(|conn, ()| {
            conn.write(b"more than ten bytes");
            Action::Close
        })
    });
    for (index, reason) in [(0, Reason::Closed), (1, Reason::OutputLimit)] {
        let client = Client::connect(server.addrs()[index].addr());
        let _ = client.receive_to_any_end();
        drop(client);
        assert_eq!(calls.reason(), reason);
    }
    server.stop();
}

/// They have not come in by an address.
#[test]
fn connections_that_the_program_asked_for_have_the_limits_of_the_server() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    let server = bind_all([TCP, TCP]).limits_of(0, strict()).limits_of(1, strict());
    let Driven { server, driver, calls } = start_driven(server, || {
        Events::new().opened(|conn, ()| {
            conn.write(b"more than ten bytes");
            Action::None
        })
    });
    let (stream, client) = pair(Transport::Unix);
    driver.adopt(stream);
    assert_eq!(client.receive(19), b"more than ten bytes");
    driver.ask(move |event_loop| event_loop.connect(address, Tag::default()).map(|_| ())).unwrap();
    let client = Client::Tcp(target.accept().unwrap().0);
    assert_eq!(client.receive(19), b"more than ten bytes");
    assert!(calls.rest().iter().all(|(_, call)| *call == Call::Opened));
    server.stop();
}

#[test]
fn a_connection_that_is_asked_for_can_have_limits_and_a_tag_of_its_own() {
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    let (opened, connections) = reports();
    let server = Server::bind(["tcp://127.0.0.1:0"]).unwrap();
    let Driven { server, driver, .. } = start_driven(server, move || {
        Events::new().opened(move |conn, ()| {
            opened.send((conn.id(), conn.origin(), conn.output_room())).unwrap();
            Action::None
        })
    });
    let first = driver.ask(move |event_loop| event_loop.connect(address, 0).unwrap());
    let usual = connections.next();
    assert_eq!((usual.0, usual.2), (first, Limits::default().high_watermark + 1));

    let second = driver.ask(move |event_loop| {
        let limits = Limits::default().high_watermark(1_000);
        let options = ConnectOptions::default().tag((first, 7)).limits(limits);
        event_loop.connect_with(address, &options).unwrap()
    });
    let tag = Tag { conn: Some(first), number: 7 };
    assert_eq!(connections.next(), (second, Origin::Connected(tag), 1_001));
    server.stop();
}

//! `write_timeout` and what the kernel has taken already: a peer that acknowledges none of it ends
//! the connection after that time, too (`TCP_USER_TIMEOUT`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::env::consts::OS;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::Duration;

use evio::{Action, Events, Limits, Stream, Tag};
use nix::sys::socket::getsockopt;
use nix::{getsockopt_impl, libc, sockopt_impl};

use util::{Client, Driven, TCP, Transport, bind_all, limits, pair, reports, start, start_driven};

/// `TCP_USER_TIMEOUT` of Linux; others have no such option, and their libraries no name for it.
const NUMBER: libc::c_int = 18;

sockopt_impl!(
    /// The option, in milliseconds; zero is the system's own time.
    UserTimeout,
    GetOnly,
    libc::IPPROTO_TCP,
    NUMBER,
    u32
);

/// Checks that the kernel was told of a timeout, or of none. It may be rounded up.
#[track_caller]
fn check(socket: &impl AsFd, expected: Option<Duration>, name: &str) {
    let told = Duration::from_millis(getsockopt(socket, UserTimeout).unwrap().into());
    let expected = expected.unwrap_or_default();
    let most = if expected.is_zero() { expected } else { expected + Duration::from_millis(100) };
    assert!((expected..=most).contains(&told), "{name}: {told:?} and not {expected:?}");
}

fn write_timeout(timeout: Option<Duration>) -> Limits {
    limits(|limits| limits.write_timeout = timeout)
}

/// Those of an address come before those of the server.
const SERVER: Duration = Duration::from_secs(7);
const ADDRESS: Duration = Duration::from_millis(2_500);

#[test]
fn a_connection_that_is_accepted_or_asked_for_has_it_from_the_beginning() {
    if OS != "linux" {
        return;
    }
    let (sockets, socket) = reports();
    let server = bind_all([TCP, TCP]).limits(write_timeout(Some(SERVER)));
    let server = start(server.limits_of(1, write_timeout(Some(ADDRESS))), move || {
        // The option is the socket's own, and so it stays when that leaves the loop.
        Events::new().opened(|_, ()| Action::Detach).detached(move |_, _, (), socket| {
            sockets.send(socket.into_parts().0).unwrap();
            ControlFlow::Continue(())
        })
    });
    for (bound, expected) in server.addrs().iter().zip([SERVER, ADDRESS]) {
        let _client = Client::connect(bound.addr());
        check(&socket.next(), Some(expected), &format!("address {}", bound.index()));
    }
    server.stop();

    let (sockets, socket) = reports();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let server = bind_all([TCP]).limits(write_timeout(Some(SERVER)));
    let Driven { server, driver, .. } = start_driven(server, move || {
        Events::new().opened(|_, ()| Action::Detach).detached(move |_, _, (), socket| {
            sockets.send(socket.into_parts().0).unwrap();
            ControlFlow::Continue(())
        })
    });
    driver.ask(move |event_loop| event_loop.connect(address, Tag::default()).map(|_| ())).unwrap();
    check(&socket.next(), Some(SERVER), "an outbound connection");
    server.stop();
}

#[test]
fn it_follows_the_limits_of_the_connection() {
    if OS != "linux" {
        return;
    }
    for of_server in [None, Some(SERVER)] {
        let server = bind_all([TCP]).limits(write_timeout(of_server));
        let Driven { server, driver, .. } = start_driven(server, Events::<()>::new);
        let (stream, _client) = pair(Transport::Tcp);
        let Stream::Tcp(tcp) = &stream else { unreachable!("it is one of TCP") };
        let copy = tcp.try_clone().unwrap();
        let id = driver.adopt(stream);
        check(&copy, of_server, "an adopted connection");
        for timeout in [Some(ADDRESS), None, Some(SERVER), Some(Duration::from_millis(1))] {
            driver.ask_of(id, move |conn| conn.set_limits(write_timeout(timeout)));
            driver.fence();
            check(&copy, timeout, "after a change of limits");
        }
        server.stop();
    }
}

/// Where there is nothing that acknowledges, nothing is asked for, and nothing fails.
#[test]
fn a_unix_socket_does_without() {
    let server = bind_all([TCP]).limits(write_timeout(Some(SERVER)));
    let Driven { server, driver, calls } = start_driven(server, Events::<()>::new);
    let (stream, client) = pair(Transport::Unix);
    let id = driver.adopt(stream);
    driver.ask_of(id, |conn| {
        conn.set_limits(write_timeout(Some(ADDRESS)));
        conn.write(b"hello");
    });
    assert_eq!(client.receive(5), b"hello");
    drop(client);
    calls.ending();
    server.stop();
}

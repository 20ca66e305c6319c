//! `write_timeout` and what the kernel has taken already: a peer that acknowledges none of it ends
//! the connection after that time, too (`TCP_USER_TIMEOUT`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::env::consts::OS;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::time::Duration;

use evio::{Action, Conn, Events, Limits, Tag, Timeout};
use nix::sys::socket::{Backlog, getsockopt, listen};
use nix::{getsockopt_impl, libc, sockopt_impl};

use util::{
    Call, Client, Driven, Reason, TCP, Transport, bind_all, limits, pair, reports, start,
    start_driven,
};

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
    if util::left_out_on_kqueue("there is no TCP_USER_TIMEOUT") {
        return;
    }
    if OS != "linux" {
        return;
    }
    let (sockets, socket) = reports();
    let copy = move |conn: &mut Conn<'_>, (): &mut ()| {
        sockets.send(conn.as_fd().try_clone_to_owned().unwrap()).unwrap();
        Action::None
    };
    let server = bind_all([TCP, TCP]).limits(write_timeout(Some(SERVER)));
    let server = server.limits_of(1, write_timeout(Some(ADDRESS)));
    let Driven { server, driver, .. } = start_driven(server, move || Events::new().opened(copy));
    for (bound, expected) in server.addrs().iter().zip([SERVER, ADDRESS]) {
        let _client = Client::connect(bound.addr());
        check(&socket.next(), Some(expected), &format!("address {}", bound.index()));
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    driver.ask(move |event_loop| event_loop.connect(address, Tag::default()).map(|_| ())).unwrap();
    check(&socket.next(), Some(SERVER), "an outbound connection");
    server.stop();
}

/// The next owner of the socket has not asked for it.
#[test]
fn a_socket_that_leaves_the_loop_has_it_no_more() {
    if OS != "linux" {
        return;
    }
    let (sockets, socket) = reports();
    let server = start(bind_all([TCP]).limits(write_timeout(Some(SERVER))), move || {
        Events::new().opened(|_, ()| Action::Detach).detached(move |_, _, (), socket| {
            sockets.send(socket.into_parts().0).unwrap();
            ControlFlow::Continue(())
        })
    });
    let _client = server.connect();
    check(&socket.next(), None, "a detached socket");
    server.stop();
}

#[test]
fn it_follows_the_limits_of_the_connection() {
    if util::left_out_on_kqueue("there is no TCP_USER_TIMEOUT") {
        return;
    }
    if OS != "linux" {
        return;
    }
    for of_server in [None, Some(SERVER)] {
        let server = bind_all([TCP]).limits(write_timeout(of_server));
        let Driven { server, driver, .. } = start_driven(server, Events::<()>::new);
        let (stream, _client) = pair(Transport::Tcp);
        let copy = stream.as_fd().try_clone_to_owned().unwrap();
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

/// An address where a connection neither comes about nor fails, since the queue of its listener is
/// full: the sockets keep it so. There are systems whose queues are never full.
fn silent() -> Option<(TcpListener, Vec<TcpStream>)> {
    const ENOUGH: usize = 16;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&listener, Backlog::new(0).unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let patience = Duration::from_millis(100);
    let connect = |_| TcpStream::connect_timeout(&address, patience).ok();
    let waiting: Vec<TcpStream> = (0..ENOUGH).map_while(connect).collect();
    (waiting.len() < ENOUGH).then_some((listener, waiting))
}

/// The kernel would give up connecting, too, if it had been told: after its first repetition, which
/// comes in a second.
#[test]
fn a_connection_that_is_coming_about_has_the_time_for_that() {
    let Some((listener, _waiting)) = silent() else {
        return eprintln!("skipped: this system answers however many wait");
    };
    let limits = limits(|limits| {
        limits.connect_timeout = Duration::from_millis(1_500);
        limits.write_timeout = Some(Duration::from_millis(100));
    });
    let Driven { server, driver, calls } =
        start_driven(bind_all([TCP]).limits(limits), Events::<()>::new);
    let address = listener.local_addr().unwrap();
    driver.ask(move |event_loop| event_loop.connect(address, Tag::default()).map(|_| ())).unwrap();
    let failed = Call::ConnectFailed(Reason::Timeout(Timeout::Connect));
    assert_eq!(calls.next(), failed);
    server.stop();
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

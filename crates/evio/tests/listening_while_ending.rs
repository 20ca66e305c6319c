//! A server that is ending takes no more addresses, and says so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use evio::{Action, Events, LoopHandle, ReadySocket, ServerHandle};
use evio_sys::net::{ListenOptions, Listener};

use util::{Reports, Running, TCP, bind, reports, start_each};

/// Longer than any test.
const AN_HOUR: Duration = Duration::from_secs(3_600);

/// Tries every way of adding an address, and returns those that were taken.
fn taken(server: &ServerHandle, event_loop: &LoopHandle) -> Vec<&'static str> {
    let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = || Listener::tcp(any, &ListenOptions::default()).unwrap();
    let udp = evio_sys::net::UdpSocket::bind(any, &ListenOptions::default()).unwrap();
    let ready_udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let taken = [
        ("ServerHandle::listen", server.listen(TCP).is_ok()),
        ("ServerHandle::listen, UDP", server.listen("udp://127.0.0.1:0").is_ok()),
        ("ServerHandle::listen_on", server.listen_on(tcp().try_into().unwrap()).is_ok()),
        (
            "ServerHandle::listen_on, UDP",
            server.listen_on(ReadySocket::try_from(ready_udp).unwrap()).is_ok(),
        ),
        ("LoopHandle::listen", event_loop.listen(7, listener()).is_ok()),
        ("LoopHandle::listen_here", event_loop.listen_here(7, listener()).is_ok()),
        ("LoopHandle::bind", event_loop.bind(7, udp).is_ok()),
    ];
    taken.into_iter().filter_map(|(name, is_taken)| is_taken.then_some(name)).collect()
}

/// Runs a server whose connections say "hello" and more than their peers take, and which tells what
/// it takes when it is about to end.
fn started(loops: usize) -> (Running, Reports<LoopHandle>, Reports<Vec<&'static str>>) {
    let (handles, handle) = reports();
    let (tells, told) = reports();
    let server = bind(TCP).shutdown_timeout(AN_HOUR);
    let server_handle = server.handle();
    let server = start_each(server, loops, move |_| {
        let (handles, tells, server) = (handles.clone(), tells.clone(), server_handle.clone());
        Events::new()
            .opened(move |conn, ()| {
                conn.write(b"hello");
                conn.write_owned(vec![7; 32 << 20]);
                handles.send(conn.loop_handle()).unwrap();
                Action::None
            })
            .stopping(move |conn, ()| {
                tells.send(taken(&server, &conn.loop_handle())).unwrap();
                Action::None
            })
    });
    (server, handle, told)
}

#[test]
fn a_server_that_is_ending_takes_no_more_addresses() {
    for loops in [1, 2] {
        let (server, handle, told) = started(loops);
        let client = server.connect();
        client.receive(5);
        let event_loop = handle.next();
        assert_eq!(taken(server.handle(), &event_loop).len(), 7, "a server that runs takes all");
        server.handle().shutdown_gracefully(AN_HOUR);
        assert_eq!(told.next(), [] as [&str; 0], "in `stopping`, {loops} loops");
        assert_eq!(taken(server.handle(), &event_loop), [] as [&str; 0], "gracefully");
        drop(client);
        server.wait();
    }
}

/// From the moment that the call has returned, though the loop may not have come to it yet.
#[test]
fn a_server_that_was_told_to_end_takes_no_more_addresses() {
    for loops in [1, 2] {
        let (server, handle, _told) = started(loops);
        let client = server.connect();
        client.receive(5);
        let event_loop = handle.next();
        server.handle().shutdown();
        let taken = taken(server.handle(), &event_loop);
        assert_eq!(taken, [] as [&str; 0], "{loops} loops");
        drop(client);
        server.wait();
    }
}

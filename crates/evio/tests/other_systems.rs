//! What differs in other systems' calls, on Linux, with the library of the tests of `evio-sys`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../evio-sys/tests/other_systems/elsewhere.rs"]
mod elsewhere;
mod util;

use std::net::{Ipv4Addr, UdpSocket};
use std::ops::ControlFlow;

use evio::{Action, Events};

use elsewhere::is_on;
use util::{DEADLINE, Running, bind, payload, seed, start, transports};

fn echo(address: &str) -> Running {
    start(bind(address), || {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        })
    })
}

/// OpenBSD has no sockets for IPv6 and IPv4 at once.
#[test]
fn a_wildcard_of_no_family_is_that_of_ipv4_on_openbsd() {
    if evio::BACKEND == "epoll" {
        return println!("left out on epoll: Linux has sockets for both families");
    }
    if !is_on("openbsd", "a_wildcard_of_no_family_is_that_of_ipv4_on_openbsd") {
        return;
    }
    let server = echo("tcp://:0");
    let local = server.addrs()[0].addr().as_inet().unwrap();
    assert_eq!(local.ip(), Ipv4Addr::UNSPECIFIED);
    server.connect().echo(b"served");
    server.stop();
    let server = start(bind("udp://:0"), || {
        Events::new().datagram(|socket, peer, input| {
            socket.send_to(input, peer);
            ControlFlow::Continue(())
        })
    });
    let local = server.addrs()[0].addr().as_inet().unwrap();
    assert_eq!(local.ip(), Ipv4Addr::UNSPECIFIED);
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.send_to(b"served", (Ipv4Addr::LOCALHOST, local.port())).unwrap();
    assert_eq!(client.recv(&mut [0; 8]).unwrap(), 6);
    server.stop();
}

/// There a send waits on a socket that is blocking, and with it every other connection.
#[test]
fn a_peer_that_does_not_read_stops_no_loop_on_netbsd() {
    if evio::BACKEND == "epoll" {
        return println!("left out on epoll: Linux heeds MSG_DONTWAIT on a blocking socket");
    }
    if !is_on("netbsd", "a_peer_that_does_not_read_stops_no_loop_on_netbsd") {
        return;
    }
    let message = payload(seed(), 0, 64 << 20);
    for address in transports() {
        let server = echo(&address);
        let client = server.connect();
        let sent = client.send_until_full(&message);
        assert!(sent < message.len(), "{address}: everything was taken");
        server.connect().echo(b"served");
        server.stop();
    }
}

//! `Events` with few closures: what the others would be called for changes nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use evio::{Action, Events, ReadySocket};

use util::{TCP, bind_all, start};

#[test]
fn datagrams_and_listeners_that_fail_do_not_end_a_server() {
    let server = start(bind_all([TCP, "udp://127.0.0.1:0"]), || {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        })
    });
    let client = server.connect();
    client.echo(b"it runs");

    let address = server.addrs()[1].addr().as_inet().unwrap();
    UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"?", address).unwrap();
    client.echo(b"it goes on");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let copy = TcpStream::from(OwnedFd::from(listener.try_clone().unwrap()));
    server.handle().listen_on(ReadySocket::try_from(listener).unwrap()).unwrap();
    client.echo(b"it listens there, too");
    // Some systems shut down what listens and say that it is not connected.
    let _ = copy.shutdown(Shutdown::Both);
    client.echo(b"it has been told");
    client.echo(b"it goes on");
    server.connect().echo(b"it accepts");
    server.stop();
}

#[test]
fn an_outbound_connection_that_does_not_come_about_does_not_end_a_server() {
    let refused = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = refused.local_addr().unwrap();
    drop(refused);
    let server = start(bind_all([TCP]), move || {
        Events::new().data(move |conn, _, input| {
            // Some systems say so at once.
            let _ = conn.event_loop().connect(address, evio::Tag::default());
            conn.write(input);
            Action::None
        })
    });
    let client = server.connect();
    for _ in 0..3 {
        client.echo(b"it goes on");
    }
    server.stop();
}

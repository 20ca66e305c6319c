//! A server that runs out of descriptors: it turns away whom it cannot serve, without spinning, and
//! goes on when one is free.
//!
//! The limit is that of the process, so this test has one to itself. Clients count too, so their
//! sockets are made before the limit is lowered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use evio::{Action, Events};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};

use util::{Client, DEADLINE, TCP, bind, reports, start};

/// Connections that the server has descriptors for.
const ROOM: usize = 5;
/// Those that come while it has no room, and those that come when it has again.
const TOO_MANY: usize = 15;
const LATER: usize = 10;

fn unconnected() -> OwnedFd {
    socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap()
}

/// Sets the limit so that `room` more descriptors can be had.
fn leave_room_for(room: usize) {
    // The lowest free number is the one that is given out next.
    let next = unconnected().as_raw_fd() as rlim_t;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, next + room as rlim_t, hard).unwrap();
}

fn connected(socket: OwnedFd, address: SocketAddr) -> Client {
    connect(socket.as_raw_fd(), &SockaddrStorage::from(address)).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    Client::Tcp(stream)
}

#[test]
fn a_server_outlives_the_descriptor_limit() {
    let (opens, opened) = reports();
    let (threads, thread) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .serving(move |_, _| {
                // By now the loop has every descriptor that it needs for itself.
                threads.send(util::ThreadClock::of_this_thread()).unwrap();
                ControlFlow::Continue(())
            })
            .opened(move |_, _| {
                opens.send(()).unwrap();
                Action::None
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
    });
    let clock = thread.next();
    let address = server.addrs()[0].addr().as_inet().unwrap();
    let mut sockets: Vec<OwnedFd> = (0..ROOM + TOO_MANY + LATER).map(|_| unconnected()).collect();
    leave_room_for(ROOM);
    let mut connect = || connected(sockets.pop().unwrap(), address);

    let mut served: Vec<Client> = (0..ROOM).map(|_| connect()).collect();
    for client in &served {
        client.echo(b"served");
        opened.next();
    }
    let too_many: Vec<Client> = (0..TOO_MANY).map(|_| connect()).collect();
    let busy = clock.busy_during(Duration::from_millis(300));
    assert!(busy < Duration::from_millis(100), "the loop was busy for {busy:?}");
    for client in &too_many {
        assert!(client.receive_to_end().is_empty(), "turned away");
    }
    assert!(opened.rest().is_empty(), "the limit was not reached");
    for client in &served {
        client.echo(b"still served");
    }

    // Each that goes makes room for another one; its own descriptor, on our side, stays taken.
    let mut gone = Vec::new();
    for _ in 0..LATER {
        let first = served.remove(0);
        first.finish_sending();
        assert!(first.receive_to_end().is_empty());
        gone.push(first);
        let client = connect();
        client.echo(b"served at last");
        opened.next();
        served.push(client);
    }
    server.stop();
}

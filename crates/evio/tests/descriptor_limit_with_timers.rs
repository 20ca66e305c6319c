//! A server that runs out of descriptors while it has something to do all the time: it turns away
//! whom it cannot serve all the same.
//!
//! The limit is that of the process, so this test has one to itself. Clients count too, so their
//! sockets are made before the limit is lowered.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use evio::{Action, Events};
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};

use util::{Client, TCP, bind, reports, start};

/// Connections that the server has descriptors for, and those that come while it has no room.
const ROOM: usize = 5;
const TOO_MANY: usize = 15;

/// Many times what it takes to turn them away.
const PATIENCE: Duration = Duration::from_secs(5);

/// Much shorter than what a listener rests for that has found no descriptor.
const PERIOD: Duration = Duration::from_millis(5);

/// In which the time of connections is counted.
const STEP: Duration = Duration::from_millis(16);

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
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    Client::Tcp(stream)
}

/// What the server has to do all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Busy {
    Tick,
    Timers,
}

/// Returns how many of those that came too late were told so.
fn turned_away(busy: Busy) -> usize {
    let (threads, thread) = reports();
    let server = start(bind(TCP), move || {
        let mut opened = 0;
        Events::new()
            .serving(move |_, _| {
                // By now the loop has every descriptor that it needs for itself.
                threads.send(()).unwrap();
                ControlFlow::Continue(())
            })
            .opened(move |conn, ()| {
                // So that one of them is due in each step.
                opened += 1;
                conn.set_timer((busy == Busy::Timers).then_some(opened * STEP));
                Action::None
            })
            .timer(|conn, ()| {
                conn.set_timer(Some(PERIOD));
                Action::None
            })
            .tick(move |_| {
                ControlFlow::Continue(if busy == Busy::Tick { PERIOD } else { Duration::MAX })
            })
            .data(|conn, (), input| {
                conn.write(input);
                Action::None
            })
    });
    thread.next();
    let address = server.addrs()[0].addr().as_inet().unwrap();
    let mut sockets: Vec<OwnedFd> = (0..ROOM + TOO_MANY).map(|_| unconnected()).collect();
    let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    leave_room_for(ROOM);
    let mut connect = || connected(sockets.pop().unwrap(), address);
    let served: Vec<Client> = (0..ROOM).map(|_| connect()).collect();
    served.iter().for_each(|client| client.echo(b"served"));
    let too_many: Vec<Client> = (0..TOO_MANY).map(|_| connect()).collect();
    let mut told = 0;
    for client in &too_many {
        match (&mut &*client).read(&mut [0]) {
            Ok(count) => told += usize::from(count == 0),
            // The others have waited as long.
            Err(_) => break,
        }
    }
    served.iter().for_each(|client| client.echo(b"still served"));
    setrlimit(Resource::RLIMIT_NOFILE, before.0, before.1).unwrap();
    drop((served, too_many));
    server.stop();
    told
}

#[test]
fn those_who_wait_are_turned_away_whatever_else_there_is_to_do() {
    let told = [Busy::Tick, Busy::Timers].map(turned_away);
    assert_eq!(told, [TOO_MANY; 2], "those who were told, with ticks and with timers");
}

//! What the tests of sockets have in common.
#![allow(dead_code, reason = "each test uses a part")]

use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use evio_sys::net::{ListenOptions, Listener, Stream};
use evio_sys::{Event, Events, Interest, Poller, Token};

/// No test waits longer for anything.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Tells whether a test has to be left out on kqueue, and says why.
pub(crate) fn left_out_on_kqueue(reason: &str) -> bool {
    let is_left_out = evio_sys::BACKEND == "kqueue";
    if is_left_out {
        println!("left out on kqueue: {reason}");
    }
    is_left_out
}

pub(crate) fn listener() -> Listener {
    Listener::tcp(([127, 0, 0, 1], 0).into(), &ListenOptions::default()).unwrap()
}

pub(crate) fn address_of(listener: &Listener) -> SocketAddr {
    listener.local_addr().unwrap().as_inet().unwrap()
}

/// Waits until the socket is ready for `interest`, and returns what was reported.
#[track_caller]
pub(crate) fn wait_for(socket: &impl AsFd, interest: Interest) -> Event {
    let socket = socket.as_fd().try_clone_to_owned().unwrap();
    let poller = Poller::new().unwrap();
    poller.register(&socket, Token(0), interest).unwrap();
    let mut events = Events::with_capacity(1);
    poller.poll(&mut events, Some(DEADLINE)).unwrap();
    events.iter().next().expect("the socket is ready within the deadline")
}

/// Connects a client, and returns both ends.
pub(crate) fn connect(listener: &Listener) -> (TcpStream, Stream) {
    let client = TcpStream::connect(address_of(listener)).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    wait_for(listener, Interest::READABLE);
    (client, listener.accept().unwrap().0)
}

/// Asks again and again until it is so.
#[track_caller]
pub(crate) fn wait_until(mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < DEADLINE, "nothing of the kind within the deadline");
        thread::yield_now();
    }
}

//! `Serving::local_addrs`: each bound address once, however many sockets share it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use evio_core::{Action, Config, Conn, EventLoop, Handler, Loop, Serving};
use evio_sys::net::{ListenOptions, Listener, UdpSocket};

const DEADLINE: Duration = Duration::from_secs(20);

/// Tells what the server is bound to, and ends it.
struct Tells(Sender<Vec<String>>);

impl Handler for Tells {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn serving(&mut self, _: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        let show = |(index, address): &(_, evio_core::SocketAddr)| format!("{index} {address}");
        self.0.send(serving.local_addrs().iter().map(show).collect()).unwrap();
        ControlFlow::Break(())
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

fn reuse_port() -> ListenOptions {
    let (mut options, reuse_port) = (ListenOptions::default(), true);
    options.reuse_port = reuse_port;
    options
}

/// A host name that stands for two addresses, each with a socket for every loop: they are made one
/// loop after the other.
#[test]
fn each_address_is_told_once() {
    if Listener::tcp(([127, 0, 0, 1], 0).into(), &reuse_port()).is_err() {
        return println!("left out on {}: ports are not shared", evio_sys::BACKEND);
    }
    const LOOPS: usize = 3;
    let options = reuse_port();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let mut loops = EventLoop::group(LOOPS, Config::default()).unwrap();
    let mut expected = Vec::new();
    let mut places = [any; 2];
    for event_loop in &mut loops {
        for place in &mut places {
            let listener = Listener::tcp(*place, &options).unwrap();
            *place = listener.local_addr().unwrap().as_inet().unwrap();
            event_loop.listen_here(0, listener).unwrap();
        }
    }
    expected.extend(places.map(|place| format!("0 {place}")));
    let mut places = [any; 2];
    for event_loop in &mut loops {
        for place in &mut places {
            let socket = UdpSocket::bind(*place, &options).unwrap();
            *place = socket.local_addr().unwrap();
            event_loop.bind(1, socket).unwrap();
        }
    }
    expected.extend(places.map(|place| format!("1 {place}")));
    let (tells, told) = mpsc::channel();
    let run = |event_loop: EventLoop| {
        let tells = tells.clone();
        thread::spawn(move || event_loop.run(Tells(tells)))
    };
    let threads: Vec<_> = loops.into_iter().map(run).collect();
    let mut told = told.recv_timeout(DEADLINE).unwrap();
    threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
    told.sort();
    expected.sort();
    // The system may choose a port twice that sockets can share.
    expected.dedup();
    assert_eq!(told, expected);
}

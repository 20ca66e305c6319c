//! What a program sends and then ends the server: it is sent, on every loop, from wherever the end
//! is asked for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evio::{
    Action, ConnHandle, Events, Handler, LoadBalance, Loop, LoopHandle, ReadySocket, ServerHandle,
    Tag,
};
use nix::sys::socket::{
    AddressFamily, Shutdown, SockFlag, SockType, SockaddrStorage, bind, shutdown, socket,
};

use util::{Client, DEADLINE, Done, Running, TCP, bind_all, limits, start_each};

const LOOPS: usize = 2;

/// What every client gets of what is sent before the end.
const WORDS: &str = "broadcast, posted, sent.";

/// What the callbacks of all loops know.
#[derive(Clone)]
struct Speaker {
    /// The callback that ends the server, once it is told to.
    from: &'static str,
    is_told: Arc<AtomicBool>,
    conns: Arc<Mutex<Vec<ConnHandle>>>,
    loops: Arc<Mutex<Vec<LoopHandle>>>,
    server: ServerHandle,
    /// An address that refuses connections.
    deserted: SocketAddr,
}

impl Speaker {
    /// Sends something in every way there is.
    fn speak(&self) {
        let loops = self.loops.lock().unwrap();
        loops[0].broadcast(*b"broadcast, ").unwrap();
        for event_loop in &*loops {
            let write = |event_loop: &mut Loop<'_>| {
                event_loop.for_each_conn(|mut conn| conn.write(b"posted, "));
            };
            event_loop.post(write).unwrap();
        }
        for conn in &*self.conns.lock().unwrap() {
            conn.send("sent.").unwrap();
        }
    }

    /// Returns whether the server is to be ended here, having sent what there is to send.
    fn ends(&self, here: &str) -> bool {
        let ends = here == self.from && self.is_told.swap(false, Ordering::SeqCst);
        if ends {
            self.speak();
        }
        ends
    }

    fn action(&self, here: &str) -> Action {
        if self.ends(here) { Action::Shutdown } else { Action::None }
    }

    fn flow(&self, here: &str) -> ControlFlow<()> {
        if self.ends(here) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Does what a client asks for.
    fn data(&self, conn: &mut evio::Conn<'_>, input: &[u8]) -> Action {
        if self.ends("Loop::shutdown") {
            conn.event_loop().shutdown();
        } else if self.ends("LoopHandle::shutdown") {
            conn.loop_handle().shutdown();
        } else if self.ends("ServerHandle::shutdown") {
            self.server.shutdown();
        } else if self.ends("ServerHandle::shutdown_gracefully") {
            self.server.shutdown_gracefully(DEADLINE);
        }
        match input {
            b"drained" => {
                conn.set_limits(limits(|limits| {
                    (limits.low_watermark, limits.high_watermark) = (0, 0);
                }));
                conn.write(b"!");
            }
            b"woken" => conn.handle().wake().unwrap(),
            b"timer" => conn.set_timer(Some(Duration::from_millis(1))),
            b"pre_write" => conn.write(b"!"),
            b"closed" => conn.abort(),
            b"detached" => return Action::Detach,
            b"connect failed" => {
                conn.event_loop().connect(self.deserted, Tag::default()).map(|_| ()).unwrap();
            }
            _ => {}
        }
        self.action("data")
    }

    fn pre_write<T: Done>(&self, event_loop: &mut Loop<'_>) -> T {
        if self.ends("pre_write") {
            event_loop.shutdown();
        }
        T::done()
    }

    fn handler(&self) -> impl Handler + use<> {
        let [opened, data, woken, drained, timer, peer_closed] = [(); 6].map(|()| self.clone());
        let [stopping, closed, detached, failed, datagram] = [(); 5].map(|()| self.clone());
        let [listener, pre_write, tick] = [(); 3].map(|()| self.clone());
        Events::new()
            .opened(move |conn, ()| {
                conn.write(b"hello, ");
                opened.conns.lock().unwrap().push(conn.handle());
                let mut loops = opened.loops.lock().unwrap();
                if loops.iter().all(|other| other.loop_id() != conn.id().loop_id()) {
                    loops.push(conn.loop_handle());
                }
                drop(loops);
                opened.action("opened")
            })
            .data(move |conn, (), input| data.data(conn, input))
            .woken(move |_, ()| woken.action("woken"))
            .drained(move |_, ()| drained.action("drained"))
            .timer(move |_, ()| timer.action("timer"))
            .peer_closed(move |_, ()| peer_closed.action("peer closed"))
            .stopping(move |_, ()| match stopping.action("stopping") {
                Action::None if stopping.from != "stopping" => Action::Close,
                action => action,
            })
            .closed(move |_, (), _| closed.flow("closed"))
            .detached(move |_, _, (), _| detached.flow("detached"))
            .connect_failed(move |_, _| failed.flow("connect failed"))
            .datagram(move |_, _, _| datagram.flow("datagram"))
            .listener_failed(move |_, _, _| listener.flow("listener failed"))
            .pre_write(move |event_loop| pre_write.pre_write(event_loop))
            .tick(move |_| match tick.flow("tick") {
                ControlFlow::Continue(()) if tick.from == "tick" => {
                    ControlFlow::Continue(Duration::from_millis(1))
                }
                flow => flow.map_continue(|()| Duration::MAX),
            })
    }
}

/// Makes the callback happen that ends the server, for the connection of `client` if it is one of a
/// connection.
fn trigger(speaker: &Speaker, server: &Running, client: &Client) -> Option<Client> {
    speaker.is_told.store(true, Ordering::SeqCst);
    match speaker.from {
        "opened" => return Some(server.connect()),
        "peer closed" => client.finish_sending(),
        "stopping" => server.handle().shutdown_gracefully(DEADLINE),
        "tick" => {}
        "datagram" => {
            let address = server.addrs()[1].addr().as_inet().unwrap();
            UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"the end", address).unwrap();
        }
        "listener failed" => {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let copy = listener.try_clone().unwrap();
            server.handle().listen_on(ReadySocket::try_from(listener).unwrap()).unwrap();
            shutdown(copy.as_raw_fd(), Shutdown::Both).unwrap();
        }
        "another thread" => {
            speaker.speak();
            server.handle().shutdown();
        }
        from => client.send(from.as_bytes()),
    }
    None
}

/// Returns what clients have got wrong, if anything.
fn check(from: &'static str, from_loop: usize, deserted: SocketAddr) -> Option<String> {
    let server = bind_all([TCP, "udp://127.0.0.1:0"]).load_balance(LoadBalance::RoundRobin);
    let speaker = Speaker {
        from,
        is_told: Arc::default(),
        conns: Arc::default(),
        loops: Arc::default(),
        server: server.handle(),
        deserted,
    };
    let server = start_each(server, LOOPS, {
        let speaker = speaker.clone();
        move |_| speaker.handler()
    });
    // One after the other, they go to the loops in turn.
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..2 * LOOPS {
        let client = server.connect();
        assert_eq!(client.receive(7), b"hello, ");
        clients.push(client);
    }
    let new = trigger(&speaker, &server, &clients[from_loop]);
    clients.extend(new);
    let mut wrong = Vec::new();
    for (number, client) in clients.iter().enumerate() {
        let mut received = Vec::new();
        let end = std::io::Read::read_to_end(&mut &*client, &mut received);
        let received = String::from_utf8(received).unwrap();
        let is_gone = number == from_loop && ["closed", "detached"].contains(&from);
        if !is_gone && (end.is_err() || !received.ends_with(WORDS)) {
            wrong.push(format!("client {number}: {received:?} {end:?}"));
        }
    }
    drop(clients);
    server.wait();
    (!wrong.is_empty()).then(|| format!("{from} on loop {from_loop}: {wrong:?}"))
}

#[test]
fn what_is_sent_before_the_end_is_sent_from_wherever_that_is_asked_for() {
    let socket = socket(AddressFamily::Inet, SockType::Stream, SockFlag::empty(), None).unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    bind(socket.as_raw_fd(), &SockaddrStorage::from(any)).unwrap();
    let deserted = TcpStream::from(socket);
    let address = deserted.local_addr().unwrap();
    let places = [
        "opened",
        "data",
        "woken",
        "drained",
        "timer",
        "peer closed",
        "stopping",
        "closed",
        "detached",
        "connect failed",
        "datagram",
        "listener failed",
        "pre_write",
        "tick",
        "Loop::shutdown",
        "LoopHandle::shutdown",
        "ServerHandle::shutdown",
        "ServerHandle::shutdown_gracefully",
        "another thread",
    ];
    let cases = places.iter().flat_map(|from| (0..LOOPS).map(move |from_loop| (from, from_loop)));
    let wrong: Vec<String> =
        cases.filter_map(|(from, from_loop)| check(from, from_loop, address)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// More than a loop carries out in a turn.
#[test]
fn however_much_it_is_that_is_sent_before_the_end() {
    const MESSAGES: usize = 5_000;
    let server = util::start(util::bind(TCP), || {
        Events::new().data(|conn, (), _| {
            for _ in 0..MESSAGES {
                conn.handle().send(".").unwrap();
            }
            Action::Shutdown
        })
    });
    let client = server.connect();
    client.send(b"?");
    assert_eq!(client.receive_to_end().len(), MESSAGES);
    drop(client);
    server.wait();
}

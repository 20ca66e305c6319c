//! Connections that the server itself asks for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::thread;
use std::time::{Duration, Instant};

use evio::{
    Action, Conn, ConnId, Events, Limits, Loop, LoopHandle, Origin, SocketAddr, Tag, Timeout,
};
use util::{
    Call, Calls, Client, DEADLINE, Reason, Reports, Running, TCP, accept, bind, deserted,
    full_queue, listener, payload, recorder, reports, silent, start, start_each,
};

/// A server whose loop can be asked to do things.
struct Asked {
    server: Running,
    event_loop: LoopHandle,
    calls: Calls,
    /// What connections have received, with how they came to be.
    received: Reports<(Origin, Vec<u8>)>,
}

/// Starts one whose connections say "hello" when they open.
fn asked(limits: Limits) -> Asked {
    let (recorder, calls) = recorder();
    let (receives, received) = reports();
    let (handles, handle) = reports();
    let server = start(bind(TCP).limits(limits), move || {
        recorder.wrap(
            Events::new()
                .serving(move |event_loop, _| {
                    handles.send(event_loop.handle()).unwrap();
                    ControlFlow::Continue(())
                })
                .opened(|conn, _| {
                    conn.write(b"hello");
                    Action::None
                })
                .data(move |conn, _, input| {
                    receives.send((conn.origin(), input.to_vec())).unwrap();
                    Action::None
                }),
        )
    });
    Asked { server, event_loop: handle.next(), calls, received }
}

impl Asked {
    /// Makes the loop do something, and waits for it.
    #[track_caller]
    fn ask<T: Send + 'static>(&self, act: impl FnOnce(&mut Loop<'_>) -> T + Send + 'static) -> T {
        let (answers, answer) = reports();
        self.event_loop.post(move |event_loop| answers.send(act(event_loop)).unwrap()).unwrap();
        answer.next()
    }

    #[track_caller]
    fn connect(&self, peer: impl Into<SocketAddr> + Send + 'static, tag: u64) -> ConnId {
        self.ask(move |event_loop| event_loop.connect(peer, tag)).unwrap()
    }
}

/// The path of a Unix socket that does not exist yet.
fn unix_path() -> String {
    util::unix_address().strip_prefix("unix://").unwrap().to_owned()
}

#[test]
fn a_connection_opens_and_knows_where_it_is_from() {
    let asked = asked(Limits::default());
    let (listener, address) = listener();
    let id = asked.connect(address, 7);
    let peer = accept(&listener);
    assert_eq!(peer.receive(5), b"hello");
    assert_eq!(asked.calls.next_of(), (id, Call::Opened));
    peer.send(b"answer");
    assert_eq!(asked.received.next(), (Origin::Connected(Tag::from(7)), b"answer".to_vec()));
    assert_eq!(asked.calls.next_of(), (id, Call::Data));
    drop(peer);
    assert_eq!(asked.calls.next_of(), (id, Call::PeerClosed));
    assert_eq!(asked.calls.next_of(), (id, Call::Closed(Reason::PeerClosed)));
    asked.server.stop();
}

#[test]
fn what_is_written_before_it_is_open_comes_first_and_in_order() {
    let asked = asked(Limits::default());
    let (listener, address) = listener();
    let message = payload(util::seed(), 0, 3 << 20);
    let written = message.clone();
    let id = asked.ask(move |event_loop| {
        let id = event_loop.connect(address, 0_u64).unwrap();
        let mut conn = event_loop.conn(id).unwrap();
        let (first, rest) = written.split_at(100_000);
        conn.write(first);
        conn.write_now(rest);
        assert!(conn.takes_output() && conn.is_congested());
        assert_eq!(conn.output_len(), written.len());
        id
    });
    let peer = accept(&listener);
    assert!(peer.receive(message.len()) == message, "{address}");
    assert_eq!(peer.receive(5), b"hello");
    assert_eq!(asked.calls.next_of(), (id, Call::Opened));
    assert_eq!(asked.calls.next_of(), (id, Call::Drained));
    asked.server.stop();
}

#[test]
fn nobody_there() {
    let asked = asked(Limits::default());
    let (_socket, address) = deserted();
    let id = asked.connect(address, 0);
    let refused = Call::ConnectFailed(Reason::Error(io::ErrorKind::ConnectionRefused));
    assert_eq!(asked.calls.next_of(), (id, refused));
    assert!(asked.ask(move |event_loop| event_loop.conn(id).is_none()), "the id is stale");
    asked.server.stop();
    assert!(asked.calls.rest().is_empty());
}

/// Limits that are set again and again make the time to connect shorter, once, and never longer.
#[test]
fn no_answer_in_time() {
    let short = Limits::default().connect_timeout(Duration::from_millis(100));
    let long = short.connect_timeout(Duration::MAX);
    let Some((_silent, address)) = silent() else { return };
    let asked = asked(long);
    let id = asked.connect(address, 0);
    let start = Instant::now();
    let set = move |event_loop: &mut Loop<'_>| {
        event_loop.conn(id).map(|mut conn| conn.set_limits(short)).is_some()
    };
    while asked.ask(set) {
        assert!(start.elapsed() < DEADLINE, "it goes on connecting");
    }
    assert_eq!(asked.calls.next_of(), (id, Call::ConnectFailed(Reason::Timeout(Timeout::Connect))));
    asked.server.stop();
}

#[test]
fn one_that_connects_can_be_closed_aborted_and_written_to_beyond_its_limit() {
    let asked = asked(Limits::default().max_output(1000));
    let Some((_silent, address)) = silent() else { return };
    type End = fn(&mut Conn<'_>);
    let ends: [(End, Reason); 3] = [
        (|conn| conn.close(), Reason::Closed),
        (|conn| conn.abort(), Reason::Aborted),
        (|conn| conn.write(&[0; 1001]), Reason::OutputLimit),
    ];
    for (end, reason) in ends {
        let id = asked.connect(address, 0);
        asked.ask(move |event_loop| {
            let mut conn = event_loop.conn(id).unwrap();
            conn.write(b"lost");
            end(&mut conn);
            // What has ended can be asked to end again, and is no sibling of anybody.
            assert!(event_loop.conn(id).is_none());
        });
        assert_eq!(asked.calls.next_of(), (id, Call::ConnectFailed(reason)));
        assert!(asked.ask(move |event_loop| event_loop.conn(id).is_none()));
    }
    asked.server.stop();
    assert!(asked.calls.rest().is_empty());
}

#[test]
fn a_shutdown_ends_those_that_connect_and_begins_no_others() {
    for graceful in [true, false] {
        let asked = asked(Limits::default());
        let Some((_silent, address)) = silent() else { return };
        let id = asked.connect(address, 0);
        let handle = asked.server.handle().clone();
        asked.ask(move |event_loop| {
            if !graceful {
                event_loop.shutdown();
                let error = event_loop.connect(address, 0_u64).unwrap_err();
                assert!(error.to_string().contains("shutting down"), "{error}");
            }
        });
        if graceful {
            handle.shutdown_gracefully(DEADLINE);
        }
        asked.server.wait();
        assert_eq!(asked.calls.rest(), [(id, Call::ConnectFailed(Reason::Shutdown))]);
    }
}

#[test]
fn what_cannot_be_begun_is_an_error_and_no_callback() {
    let asked = asked(Limits::default());
    let connect = |to: SocketAddr| {
        let error = asked.ask(move |event_loop| event_loop.connect(to, 0_u64)).unwrap_err();
        (error.kind(), error.to_string())
    };
    let path = unix_path();
    let unix = SocketAddr::from(UnixAddr::from_pathname(&path).unwrap());
    assert_eq!(connect(unix.clone()).0, io::ErrorKind::NotFound);
    let listener = UnixListener::bind(&path).unwrap();
    full_queue(&listener);
    let _waiting = UnixStream::connect(&path).unwrap();
    let (kind, message) = connect(unix.clone());
    // The systems other than Linux refuse.
    assert!(
        kind == io::ErrorKind::WouldBlock && message.contains("too many")
            || kind == io::ErrorKind::ConnectionRefused,
        "{message}"
    );
    drop(listener);
    assert_eq!(connect(unix).0, io::ErrorKind::ConnectionRefused);
    std::fs::remove_file(&path).unwrap();
    let unnamed = UnixStream::pair().unwrap().0.local_addr().unwrap();
    assert_eq!(connect(unnamed.into()).0, io::ErrorKind::InvalidInput);
    asked.server.stop();
    assert!(asked.calls.rest().is_empty());
}

#[test]
fn unix_sockets_are_connected_and_adopted_alike() {
    let asked = asked(Limits::default());
    let path = unix_path();
    let listener = UnixListener::bind(&path).unwrap();
    let id = asked.connect(UnixAddr::from_pathname(&path).unwrap(), 1);
    let (peer, _) = listener.accept().unwrap();
    peer.set_read_timeout(Some(DEADLINE)).unwrap();
    let peer = Client::Unix(peer);
    assert_eq!(peer.receive(5), b"hello");
    assert_eq!(asked.calls.next_of(), (id, Call::Opened));
    std::fs::remove_file(&path).unwrap();

    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs.set_read_timeout(Some(DEADLINE)).unwrap();
    let theirs = Client::Unix(theirs);
    theirs.send(b"already here");
    let adopted = asked.ask(move |event_loop| {
        let adopted = event_loop.adopt(ours, id).unwrap();
        event_loop.conn(adopted).unwrap().write(b"first, ");
        adopted
    });
    assert_eq!(theirs.receive(12), b"first, hello");
    assert_eq!(asked.calls.next_of(), (adopted, Call::Opened));
    assert_eq!(asked.received.next(), (Origin::Adopted(Tag::from(id)), b"already here".to_vec()));
    assert_eq!(asked.calls.next_of(), (adopted, Call::Data));
    asked.server.stop();
}

#[test]
fn an_adopted_tcp_socket_keeps_its_peer() {
    let asked = asked(Limits::default());
    let (listener, address) = listener();
    let stream = TcpStream::connect(address).unwrap();
    let peer = accept(&listener);
    let found = asked.ask(move |event_loop| {
        let id = event_loop.adopt(stream, 0_u64).unwrap();
        let mut event_loop = event_loop.conn(id).unwrap();
        event_loop.sibling(id).unwrap().peer_addr().unwrap().as_inet()
    });
    assert_eq!(found, Some(address));
    assert_eq!(peer.receive(5), b"hello");
    asked.server.stop();
}

/// The time of output that is too much begins when there is somebody to take it.
#[test]
fn the_time_to_connect_does_not_count_as_congestion() {
    const LARGE: usize = 16 << 20;
    // The first packet is repeated after a second.
    let congestion_timeout = Some(Duration::from_millis(800));
    let asked = asked(Limits::default().congestion_timeout(congestion_timeout));
    let Some(((listener, waiting), address)) = silent() else { return };
    let id = asked.ask(move |event_loop| {
        let id = event_loop.connect(address, 0_u64).unwrap();
        event_loop.conn(id).unwrap().write(&vec![7; LARGE]);
        id
    });
    let _accepted: Vec<Client> = waiting.iter().map(|_| accept(&listener)).collect();
    let peer = accept(&listener);
    assert_eq!(asked.calls.next_of(), (id, Call::Opened));
    // Long enough for the loop to look at its timers.
    thread::sleep(Duration::from_millis(100));
    assert!(peer.receive(LARGE) == vec![7; LARGE], "the bytes differ");
    assert_eq!(asked.calls.next_of(), (id, Call::Drained));
    asked.server.stop();
}

/// They count neither for the limit of connections nor for the choice of a loop, and are on the
/// loop that asked.
#[test]
fn many_connect_at_once_beside_those_who_come_in() {
    const COUNT: usize = 200;
    let (listener, address) = listener();
    let (opens, opened) = reports();
    let (closes, closed) = reports();
    let server = bind(TCP).max_connections(4);
    let server = start_each(server, 2, move |_| {
        let (opens, closes) = (opens.clone(), closes.clone());
        let events = Events::new().closed(move |conn, (), _| {
            closes.send(conn.address_index()).unwrap();
            ControlFlow::Continue(())
        });
        events.opened(move |conn, ()| {
            let here = conn.id().loop_id();
            match conn.origin() {
                Origin::Accepted { address_index } => {
                    assert_eq!(conn.address_index(), Some(address_index));
                    for number in 0..COUNT as u64 {
                        let id = conn.event_loop().connect(address, number).unwrap();
                        assert_eq!(id.loop_id(), here);
                    }
                }
                Origin::Connected(Tag { conn: None, number }) => {
                    assert_eq!(conn.address_index(), None);
                    opens.send(number).unwrap();
                }
                origin => panic!("{origin:?}"),
            }
            conn.write(b"x");
            Action::None
        })
    });
    let clients: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    let peers: Vec<Client> = (0..4 * COUNT).map(|_| accept(&listener)).collect();
    for one in clients.iter().chain(&peers) {
        assert_eq!(one.receive(1), b"x");
    }
    let mut numbers: Vec<u64> = (0..4 * COUNT).map(|_| opened.next()).collect();
    numbers.sort_unstable();
    assert!((0..4 * COUNT).all(|index| numbers[index] == index as u64 / 4), "{numbers:?}");
    drop(peers);
    for _ in 0..4 * COUNT {
        assert_eq!(closed.next(), None);
    }
    drop(clients);
    let again: Vec<Client> = (0..4).map(|_| server.connect()).collect();
    assert!(again.iter().all(|client| client.receive(1) == b"x"));
    server.stop();
}

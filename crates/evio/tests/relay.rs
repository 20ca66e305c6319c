//! A connection that passes on what another one receives.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{Read, Write};
use std::net::{self, Ipv4Addr, Shutdown, TcpListener};
use std::ops::ControlFlow;
use std::thread;

use evio::{Action, Conn, ConnId, Events, Handler, Limits, Origin, PanicPolicy};

use util::{Call, Calls, Reason, Running, TCP, bind, payload, recorder, reports, start};

const LARGE: usize = 16 << 20;

/// A relay to `upstream`, written down as shortly as can be.
fn relay(upstream: net::SocketAddr) -> impl Handler {
    let other = |conn: &Conn<'_>| match conn.origin() {
        Origin::Connected(tag) => tag.conn,
        _ => None,
    };
    Events::with_context(other)
        .opened(move |conn, other: &mut Option<ConnId>| {
            conn.read_while_congested(true);
            let id = conn.id();
            if other.is_none() {
                *other = Some(conn.event_loop().connect(upstream, id).unwrap());
            }
            Action::None
        })
        .data(|conn, other, input| {
            let Some(mut other) = conn.sibling(other.unwrap()) else { return Action::Close };
            other.write_now(input);
            if other.is_congested() {
                conn.pause_reading();
            }
            Action::None
        })
        .drained(|conn, other| {
            if let Some(mut other) = conn.sibling(other.unwrap()) {
                other.resume_reading();
            }
            Action::None
        })
        .peer_closed(|conn, other| match conn.sibling(other.unwrap()) {
            Some(mut other) => {
                other.shutdown_write();
                assert!(!other.takes_output(), "takes no more output");
                other.write(b"ignored");
                Action::None
            }
            None => Action::Close,
        })
}

fn start_relay(upstream: net::SocketAddr) -> (Running, Calls) {
    let (recorder, calls) = recorder();
    let limits = Limits::default().high_watermark(10_000).low_watermark(1_000);
    let server = start(bind(TCP).limits(limits), move || recorder.wrap(relay(upstream)));
    (server, calls)
}

fn listener() -> (TcpListener, net::SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// The upstream reads to the end before it answers, and the client has ended its output by then.
#[test]
fn the_end_of_input_is_passed_on_and_the_answer_comes_back() {
    let (listener, address) = listener();
    let (server, calls) = start_relay(address);
    let upstream = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut question = Vec::new();
        stream.read_to_end(&mut question).unwrap();
        question.reverse();
        stream.write_all(&question).unwrap();
        question.len()
    });
    let question = payload(util::seed(), 0, LARGE);
    let client = server.connect();
    client.send(&question);
    client.finish_sending();
    let mut answer = client.receive_to_end();
    answer.reverse();
    assert!(answer == question, "the bytes differ");
    assert_eq!(upstream.join().unwrap(), LARGE);
    for _ in 0..2 {
        let ended = |call: &Call| matches!(call, Call::Closed(Reason::PeerClosed));
        assert!(ended(&calls.ending().1));
    }
    server.stop();
    assert!(calls.rest().is_empty());
}

/// The end that comes while the relay still connects is not lost.
#[test]
fn an_end_of_output_can_be_asked_for_while_connecting() {
    let (listener, address) = listener();
    let server = start(bind(TCP), move || {
        Events::new().opened(move |conn, ()| {
            if let Origin::Accepted { .. } = conn.origin() {
                let id = conn.event_loop().connect(address, 0_u64).unwrap();
                let mut other = conn.sibling(id).unwrap();
                other.write(b"all of it");
                other.shutdown_write();
                other.write(b"ignored");
            }
            Action::None
        })
    });
    let _client = server.connect();
    let (mut stream, _) = listener.accept().unwrap();
    let mut received = String::new();
    stream.read_to_string(&mut received).unwrap();
    assert_eq!(received, "all of it");
    server.stop();
}

/// An upstream that writes all it has before it reads on must not be waited for on both sides.
#[test]
fn a_peer_that_writes_before_it_reads_does_not_stop_the_relay() {
    let seed = util::seed();
    let (listener, address) = listener();
    let (server, _calls) = start_relay(address);
    let upstream = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&payload(seed, 1, 2 * LARGE)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let client = server.connect();
    let message = payload(seed, 0, 2 * LARGE);
    // Nothing is read before all of the buffers on the way are full.
    let sent = client.send_until_full(&message);
    assert!(sent < message.len(), "the relay keeps all of it");
    thread::scope(|scope| {
        scope.spawn(|| {
            client.send(&message[sent..]);
            client.finish_sending();
        });
        assert!(client.receive_to_end() == payload(seed, 1, 2 * LARGE), "the bytes differ");
    });
    assert!(upstream.join().unwrap() == message, "the bytes differ");
    server.stop();
}

/// The socket is handed out when everything was sent, what was written while it connected too, and
/// after the end of the output if that was asked for.
#[test]
fn an_outbound_connection_can_be_detached() {
    for half_closes in [false, true] {
        let (listener, address) = listener();
        let (sockets, socket) = reports();
        let server = start(bind(TCP), move || {
            Events::new()
                .opened(move |conn, ()| match conn.origin() {
                    Origin::Accepted { .. } => {
                        let id = conn.event_loop().connect(address, 0_u64).unwrap();
                        conn.sibling(id).unwrap().write(b"early, ");
                        Action::None
                    }
                    _ => {
                        conn.write(b"late");
                        if half_closes {
                            conn.shutdown_write();
                        }
                        Action::Detach
                    }
                })
                .detached(move |_, _, (), socket| {
                    sockets.send(socket).unwrap();
                    ControlFlow::Continue(())
                })
        });
        let _client = server.connect();
        let (mut peer, _) = listener.accept().unwrap();
        let mut received = [0; 11];
        peer.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"early, late");
        let mut socket = socket.next();
        if half_closes {
            assert_eq!(peer.read(&mut received).unwrap(), 0);
        } else {
            socket.write_all(b"more").unwrap();
            peer.read_exact(&mut received[..4]).unwrap();
        }
        peer.write_all(b"answer").unwrap();
        socket.read_exact(&mut received[..6]).unwrap();
        server.stop();
    }
}

/// A panic in the last callback of what was never opened ends that connection only, if it may.
#[test]
fn a_panic_about_a_failure_to_connect_is_contained() {
    let (_listener, address) = listener();
    let server = bind(TCP).panic_policy(PanicPolicy::CloseConnection);
    let (told, failures) = reports();
    let server = start(server, move || {
        Events::new()
            .opened(move |conn, ()| {
                let id = conn.event_loop().connect(address, 0_u64).unwrap();
                conn.sibling(id).unwrap().close();
                conn.write(b"x");
                Action::None
            })
            .connect_failed(move |_, reason| {
                told.send(reason.to_string()).unwrap();
                panic!("a test's own panic")
            })
    });
    for _ in 0..2 {
        assert_eq!(server.connect().receive(1), b"x");
        assert_eq!(failures.next(), "closed by this server");
    }
    server.stop();
}

//! A peer that ends its output and goes on reading.

mod util;

use std::thread;
use std::time::Duration;

use evio::{Action, Events, Limits};

use util::{Call, Reason, bind, payload, recorder, reports, start, transports};

const LARGE: usize = 8 << 20;

#[test]
fn what_is_pending_is_sent_before_the_connection_closes() {
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().data(move |conn, _, _| {
                conn.write(&payload(seed, 0, LARGE));
                Action::None
            }))
        });
        let client = server.connect();
        client.send(b"x");
        client.finish_sending();
        assert!(client.receive_to_end() == payload(seed, 0, LARGE), "{address}");
        let calls = calls.until_ending();
        let ending = [Call::PeerClosed, Call::Closed(Reason::PeerClosed)];
        let opening: Vec<Call> =
            calls.iter().copied().filter(|call| *call != Call::Drained).collect();
        assert_eq!(opening[..2], [Call::Opened, Call::Data], "{address}");
        assert_eq!(opening[2..], ending, "{address}");
        server.stop();
    }
}

/// All input is delivered before the end of it is told.
#[test]
fn the_end_of_input_comes_after_all_of_it() {
    for address in transports() {
        let (told, seen) = reports();
        let server = start(bind(&address), move || {
            Events::with_context(|_| 0)
                .data(|_, received, input| {
                    *received += input.len();
                    Action::None
                })
                .peer_closed(move |conn, received| {
                    told.send(*received).unwrap();
                    conn.write(b"got it");
                    Action::Close
                })
        });
        let client = server.connect();
        client.send(&vec![0; 1 << 20]);
        client.finish_sending();
        assert_eq!(client.receive_to_end(), b"got it");
        assert_eq!(seen.next(), 1 << 20);
        server.stop();
        assert!(seen.rest().is_empty(), "the end is told once");
    }
}

#[test]
fn a_handler_may_go_on_writing_from_another_thread() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::new()
                    .peer_closed(|conn, _| {
                        let handle = conn.handle();
                        thread::spawn(move || {
                            for part in ["one ", "two ", "three"] {
                                handle.send(part).expect("the server is running");
                            }
                            handle.wake().expect("the server is running");
                        });
                        Action::None
                    })
                    .woken(|conn, _| {
                        conn.write(b"!");
                        Action::Close
                    }),
            )
        });
        let client = server.connect();
        client.finish_sending();
        assert_eq!(client.receive_to_end(), b"one two three!");
        let expected = [Call::Opened, Call::PeerClosed, Call::Woken, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
    }
}

/// A connection that its handler keeps after the end of input ends when the peer goes altogether.
#[test]
fn a_peer_that_goes_altogether_ends_a_connection_that_was_kept() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().peer_closed(|conn, _| {
                conn.write(b"still here");
                Action::None
            }))
        });
        let client = server.connect();
        client.finish_sending();
        assert_eq!(client.receive(10), b"still here");
        match &client {
            util::Client::Tcp(_) => client.reset(),
            util::Client::Unix(_) => drop(client),
        }
        let calls = calls.until_ending();
        assert_eq!(calls[..2], [Call::Opened, Call::PeerClosed], "{address}");
        assert_eq!(calls.len(), 3, "{address}: {calls:?}");
        server.stop();
    }
}

/// A peer that is known to have nothing more to say is not waited for: it goes on holding its end,
/// and the connection is gone all the same. Nothing that it says afterwards is delivered.
#[test]
fn a_peer_whose_input_is_complete_is_not_waited_for() {
    for address in transports() {
        let (recorder, calls) = recorder();
        // Longer than this test would wait.
        let close_timeout = Duration::from_secs(3600);
        let limits = Limits::default().close_timeout(close_timeout);
        let server = start(bind(&address).limits(limits), move || {
            recorder.wrap(Events::new().data(|conn, _, _| {
                conn.write(b"goodbye");
                conn.shutdown_read();
                Action::Close
            }))
        });
        let client = server.connect();
        client.send(b"x");
        // The call comes while this end of the connection is open.
        let expected = [Call::Opened, Call::Data, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        assert_eq!(client.receive_to_end(), b"goodbye", "{address}");
        server.stop();
    }
}

#[test]
fn input_that_is_complete_is_not_added_to() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().data(|conn, _, _| {
                conn.shutdown_read();
                conn.write(b"that was all");
                Action::None
            }))
        });
        let client = server.connect();
        client.send(b"x");
        assert_eq!(client.receive(12), b"that was all");
        client.send(b"more");
        let other = server.connect();
        other.send(b"x");
        assert_eq!(other.receive(12), b"that was all", "the loop goes on: {address}");
        server.stop();
        let data = calls.rest().into_iter().filter(|(_, call)| *call == Call::Data).count();
        assert_eq!(data, 2, "one for each connection: {address}");
    }
}

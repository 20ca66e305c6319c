//! `Action::Close`: everything that was written is delivered, and nothing more is asked for.

mod util;

use std::io::Read;
use std::thread;
use std::time::Duration;

use evio::{Action, Events, Limits};

use util::{Call, Client, Reason, bind, payload, recorder, reports, start, transports};

const LARGE: usize = 8 << 20;

/// Receives up to a clean end in small steps, with pauses.
fn receive_slowly(client: &Client) -> Vec<u8> {
    let mut received = Vec::new();
    let mut buffer = [0; 128 << 10];
    loop {
        match (&mut &*client).read(&mut buffer).expect("the connection ends cleanly") {
            0 => return received,
            len => received.extend_from_slice(&buffer[..len]),
        }
        // A slow reader.
        thread::sleep(Duration::from_micros(500));
    }
}

/// A plain `close(2)` with unread input would reset the connection, and the peer lose the reply.
#[test]
fn a_large_reply_arrives_whole_in_spite_of_unread_input() {
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().data(move |conn, _, _| {
                conn.write(&payload(seed, 0, LARGE));
                Action::Close
            }))
        });
        let client = server.connect();
        // More than is read at once, so that there is input left when the reply has been sent.
        client.send(&[b'?'; 140 << 10]);
        assert!(receive_slowly(&client) == payload(seed, 0, LARGE), "{address}");
        drop(client);
        let expected = [Call::Opened, Call::Data, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
    }
}

#[test]
fn what_comes_after_close_is_neither_read_nor_written() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().data(|conn, _, _| {
                conn.write(b"bye");
                conn.close();
                assert!(!conn.takes_output());
                conn.write(b"never sent");
                conn.write_now(b"nor this");
                conn.write_owned(b"or this".to_vec());
                Action::None
            }))
        });
        let client = server.connect();
        client.send(b"QUIT\r\n");
        assert_eq!(client.receive_to_end(), b"bye");
        // The server has sent its FIN, and still takes what we say.
        for _ in 0..10 {
            client.send(b"SHUTDOWN\r\n");
        }
        drop(client);
        let expected = [Call::Opened, Call::Data, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
    }
}

/// The client reads nothing until the server has had its chance to call `woken` by mistake: until
/// a second connection, whose wake was asked for later, has been woken.
#[test]
fn nothing_wakes_a_closing_connection() {
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let (handles, handle) = reports();
        let (wakes, woken) = reports();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::new()
                    .opened(move |conn, _| {
                        handles.send(conn.handle()).unwrap();
                        Action::None
                    })
                    .data(move |conn, _, _| {
                        conn.write(&payload(seed, 0, LARGE));
                        conn.handle().wake().unwrap();
                        Action::Close
                    })
                    .woken(move |conn, _| {
                        wakes.send(conn.id()).unwrap();
                        conn.write(b"not part of the reply");
                        Action::None
                    }),
            )
        });
        let client = server.connect();
        let closing = handle.next();
        client.send(b"x");
        assert_eq!(client.receive(1), payload(seed, 0, 1), "the connection is closing by now");
        let _other = server.connect();
        let other = handle.next();
        for _ in 0..3 {
            closing.wake().unwrap();
            closing.send("more").unwrap();
        }
        other.wake().unwrap();
        assert_eq!(woken.next(), other.id());
        assert!(client.receive_to_end() == payload(seed, 0, LARGE)[1..], "{address}");
        drop(client);
        assert_eq!(calls.reason(), Reason::Closed);
        server.stop();
        assert!(woken.rest().is_empty());
    }
}

#[test]
fn a_handle_closes_after_what_it_sent_before() {
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let (handles, handle) = reports();
        let server = start(bind(&address), move || {
            recorder.wrap(Events::new().opened(move |conn, _| {
                handles.send(conn.handle()).unwrap();
                Action::None
            }))
        });
        let client = server.connect();
        let handle = handle.next();
        handle.send(payload(seed, 0, 1 << 20)).unwrap();
        handle.close().unwrap();
        handle.send("too late").unwrap();
        assert!(client.receive_to_end() == payload(seed, 0, 1 << 20), "{address}");
        drop(client);
        assert_eq!(calls.reason(), Reason::Closed);
        server.stop();
    }
}

/// A peer that has everything but does not close its side is waited for up to the close timeout.
#[test]
fn a_peer_that_does_not_close_is_not_waited_for_for_ever() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let limits = Limits::default().close_timeout(Duration::from_millis(50));
        let server = start(bind(&address).limits(limits), move || {
            recorder.wrap(Events::new().opened(|conn, _| {
                conn.write(b"bye");
                Action::Close
            }))
        });
        let client = server.connect();
        assert_eq!(client.receive_to_end(), b"bye");
        assert_eq!(calls.until_ending(), [Call::Opened, Call::Closed(Reason::Closed)]);
        drop(client);
        server.stop();
    }
}

#[test]
fn every_callback_can_close() {
    for address in transports() {
        for from in ["opened", "data", "woken", "drained", "timer", "peer closed"] {
            let (recorder, calls) = recorder();
            let server = start(bind(&address), move || {
                let act = move |here: &str| if here == from { Action::Close } else { Action::None };
                recorder.wrap(
                    Events::new()
                        .opened(move |conn, _| {
                            conn.write(b"output");
                            act("opened")
                        })
                        .data(move |conn, _, _| {
                            match from {
                                "woken" => conn.handle().wake().unwrap(),
                                "drained" => {
                                    let limits = Limits::default().high_watermark(0);
                                    conn.set_limits(limits);
                                    conn.write(b"!");
                                }
                                "timer" => conn.set_timer(Some(Duration::from_millis(1))),
                                _ => {}
                            }
                            act("data")
                        })
                        .woken(move |_, _| act("woken"))
                        .drained(move |_, _| act("drained"))
                        .timer(move |_, _| act("timer"))
                        .peer_closed(move |_, _| act("peer closed")),
                )
            });
            let client = server.connect();
            client.send(b"input");
            if from == "peer closed" {
                client.finish_sending();
            }
            let output = if from == "drained" { &b"output!"[..] } else { b"output" };
            assert_eq!(client.receive_to_end(), output, "{from}");
            drop(client);
            let reason = if from == "peer closed" { Reason::PeerClosed } else { Reason::Closed };
            assert_eq!(calls.reason(), reason, "{from}");
            server.stop();
        }
    }
}

//! Peers that do not read: bounded memory, and everything arrives once they do.

mod util;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use evio::{Action, Events, Limits};

use util::{
    Call, Client, Reason, bind, hold, payload, recorder, reports, start, transports, unix_address,
};

/// What may come on top of a watermark: one read of the loop.
const ONE_READ: usize = 64 << 10;

/// The peer sends and sends, and reads nothing until the server takes no more.
#[test]
fn a_peer_that_sends_and_never_reads_is_not_read_from() {
    const TOTAL: usize = 64 << 20;
    let message = payload(util::seed(), 0, TOTAL);
    let low = Limits::default().high_watermark(10_000).low_watermark(100);
    for limits in [None, Some(low)] {
        for address in transports() {
            let most = Arc::new(AtomicUsize::new(0));
            let limits = limits.unwrap_or_default();
            let server = start(bind(&address).limits(limits), {
                let most = Arc::clone(&most);
                move || {
                    Events::new().data(move |conn, _, input| {
                        assert!(!conn.is_congested(), "input comes although output is waiting");
                        conn.write(input);
                        most.fetch_max(conn.output_len(), Ordering::Relaxed);
                        Action::None
                    })
                }
            });
            let client = server.connect();
            let sent = client.send_until_full(&message);
            assert!(sent < TOTAL, "{address}: everything was taken");
            // Others are served meanwhile.
            server.connect().echo(b"round trip");
            let rest = 1 << 20;
            thread::scope(|scope| {
                scope.spawn(|| client.send(&message[sent..sent + rest]));
                assert!(client.receive(sent + rest) == message[..sent + rest], "{address}");
            });
            server.stop();
            let most = most.load(Ordering::Relaxed);
            assert!(most <= limits.high_watermark + ONE_READ, "{most} bytes were waiting");
        }
    }
}

/// A long answer is written in pieces, each when the one before has gone.
#[test]
fn drained_is_where_a_long_answer_goes_on() {
    const PIECE: usize = 100_000;
    const TOTAL: usize = 16 << 20;
    for address in transports() {
        let message: Arc<[u8]> = Arc::from(payload(util::seed(), 0, TOTAL));
        let (recorder, calls) = recorder();
        let (levels, level) = reports();
        let server = start(bind(&address), {
            let message = Arc::clone(&message);
            move || {
                let go_on = move |conn: &mut evio::Conn<'_>, sent: &mut usize| {
                    while *sent < TOTAL && !conn.is_congested() {
                        let end = TOTAL.min(*sent + PIECE);
                        conn.write(&message[*sent..end]);
                        *sent = end;
                    }
                    if *sent < TOTAL { Action::None } else { Action::Close }
                };
                let go_on_too = go_on.clone();
                recorder.wrap(Events::with_context(|_| 0).opened(go_on).drained(
                    move |conn, sent| {
                        let before = conn.output_len();
                        let action = go_on_too(conn, sent);
                        levels.send((before, conn.output_len())).unwrap();
                        action
                    },
                ))
            }
        });
        let client = server.connect();
        assert!(client.receive_to_end() == message[..], "{address}");
        drop(client);
        assert_eq!(calls.reason(), Reason::Closed);
        server.stop();
        let levels = level.rest();
        assert!(levels.len() >= TOTAL / (Limits::default().high_watermark + PIECE));
        for (before, after) in levels {
            let Limits { low_watermark, high_watermark, .. } = Limits::default();
            assert!(before <= low_watermark, "drained with {before} bytes left");
            assert!(after <= high_watermark + PIECE, "{after} bytes were written");
        }
    }
}

/// `drained` is told once each time the output has been above the high watermark, and not below.
#[test]
fn drained_is_called_once_for_each_congestion() {
    let limits = Limits::default().high_watermark(1_000).low_watermark(10);
    let (recorder, calls) = recorder();
    let server = start(bind(&unix_address()).limits(limits), move || {
        recorder.wrap(Events::new().data(|conn, _, input| {
            conn.write(&vec![b'x'; usize::from(input[0]) * 100]);
            assert_eq!(conn.is_congested(), input[0] > 10);
            Action::None
        }))
    });
    let client = server.connect();
    assert_eq!(calls.next(), Call::Opened);
    for hundreds in [9, 10, 11, 200, 10] {
        client.send(&[hundreds]);
        client.receive(usize::from(hundreds) * 100);
        assert_eq!(calls.next(), Call::Data);
        if hundreds > 10 {
            assert_eq!(calls.next(), Call::Drained, "{hundreds} hundred bytes");
        }
    }
    drop(client);
    assert_eq!(calls.until_ending(), [Call::PeerClosed, Call::Closed(Reason::PeerClosed)]);
    server.stop();
}

/// A loop that was held up comes to look at a timeout when there is room for the output again. What
/// was congested until then is drained, and told so like any other: also when more has happened
/// meanwhile than one turn takes in, so that the poller has not mentioned the room yet.
#[test]
fn drained_is_called_when_a_timeout_is_looked_at_late() {
    const TIMEOUT: Duration = Duration::from_millis(30);
    // A little more than a Unix socket takes at once.
    const OUTPUT: usize = 300_000;
    // More than the events of one turn.
    const CROWD: usize = 100;
    let both = Limits::default().high_watermark(1_000).low_watermark(10);
    let write = both.write_timeout(Some(TIMEOUT));
    let congestion = both.congestion_timeout(Some(TIMEOUT));
    for (limits, crowd) in [(write, 0), (congestion, 0), (write, CROWD), (congestion, CROWD)] {
        let (recorder, calls) = recorder();
        let (hold, held) = hold();
        let (lengths, length) = reports();
        let server = start(bind(&unix_address()).limits(limits), move || {
            recorder.wrap(
                Events::new()
                    .data(move |conn, _, input| {
                        match input {
                            b"hold" => hold.wait(),
                            b"write" => {
                                conn.write(&[b'.'; OUTPUT]);
                                conn.handle().wake().unwrap();
                            }
                            _ => {}
                        }
                        Action::None
                    })
                    .woken(move |conn, _| {
                        lengths.send(conn.output_len()).unwrap();
                        Action::None
                    })
                    .drained(|conn, _| {
                        conn.write(b"drained");
                        Action::Close
                    }),
            )
        });
        let crowd: Vec<Client> = (0..crowd).map(|_| server.connect()).collect();
        let (control, client) = (server.connect(), server.connect());
        client.send(b"write");
        let waiting = length.next();
        assert!(waiting > limits.low_watermark, "the socket took everything");
        control.send(b"hold");
        held.wait();
        for other in &crowd {
            other.send(b"!");
        }
        client.receive(OUTPUT - waiting);
        // Held up for longer than the timeout.
        thread::sleep(4 * TIMEOUT);
        held.release();
        assert_eq!(client.receive(waiting), vec![b'.'; waiting]);
        assert_eq!(client.receive_to_end(), b"drained");
        drop(client);
        assert_eq!(calls.reason(), Reason::Closed);
        server.stop();
    }
}

/// A handler can stop the input by itself; what comes meanwhile waits, and so does its end.
#[test]
fn paused_input_waits() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let (handles, handle) = reports();
        let (inputs, input) = reports();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::new()
                    .opened(move |conn, _| {
                        conn.pause_reading();
                        handles.send(conn.handle()).unwrap();
                        Action::None
                    })
                    .data(move |conn, _, input| {
                        inputs.send(input.to_vec()).unwrap();
                        conn.write(b"got it");
                        Action::None
                    })
                    .woken(|conn, _| {
                        conn.resume_reading();
                        Action::None
                    }),
            )
        });
        let client = server.connect();
        let handle = handle.next();
        client.send(b"early");
        // Others are served meanwhile, and a turn for the input has passed.
        let other = server.connect();
        assert_eq!(calls.next(), Call::Opened);
        assert_eq!(calls.next(), Call::Opened);
        assert!(input.rest().is_empty(), "{address}: input comes although it was paused");
        handle.wake().unwrap();
        assert_eq!(input.next(), b"early");
        assert_eq!(client.receive(6), b"got it");
        assert_eq!(calls.next(), Call::Woken);
        assert_eq!(calls.next(), Call::Data);
        drop((client, other));
        server.stop();
    }
}

/// The peer has sent its request and gone, while the handler was not reading: the request is there
/// all the same.
#[test]
fn paused_input_of_a_peer_that_has_gone_is_not_lost() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let (handles, handle) = reports();
        let (inputs, input) = reports();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::new()
                    .opened(move |conn, _| {
                        conn.pause_reading();
                        handles.send(conn.handle()).unwrap();
                        Action::None
                    })
                    .data(move |_, _, input| {
                        inputs.send(input.to_vec()).unwrap();
                        Action::None
                    })
                    .woken(|conn, _| {
                        conn.resume_reading();
                        Action::None
                    }),
            )
        });
        let client = server.connect();
        client.send(b"last will");
        drop(client);
        let gone = handle.next();
        // Its wake comes later than what the poller has to say about the first.
        let _other = server.connect();
        handle.next().wake().unwrap();
        loop {
            match calls.next() {
                Call::Woken => break,
                call => assert_eq!(call, Call::Opened, "{address}"),
            }
        }
        gone.wake().unwrap();
        assert_eq!(input.next(), b"last will");
        assert_eq!(calls.reason(), Reason::PeerClosed);
        server.stop();
    }
}

/// A peer that reads one reply after the other, slowly, never loses its place.
#[test]
fn a_slow_reader_gets_every_byte() {
    for address in transports() {
        let seed = util::seed();
        let server = start(bind(&address), || {
            Events::new().data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
        });
        let client = server.connect();
        let message = payload(seed, 0, 3 << 20);
        thread::scope(|scope| {
            scope.spawn(|| {
                client.send(&message);
                client.finish_sending();
            });
            let mut received = Vec::new();
            let mut random = util::Random::new(seed, 1);
            while received.len() < message.len() {
                let len = random.up_to(20_000).min(message.len() - received.len());
                received.extend_from_slice(&client.receive(len));
            }
            assert!(received == message, "{address}");
            assert!(client.receive_to_end().is_empty());
        });
        server.stop();
    }
}

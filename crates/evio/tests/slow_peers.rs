//! Peers and callbacks that take their time: nobody loses a byte or is cut off before a limit has
//! really run out, and a peer that takes nothing is not waited for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, CloseReason, Conn, ConnId, Events, Handler, Limits, Loop, Timeout};

use util::{
    Call, DEADLINE, Reason, TCP, bind, hold, payload, recorder, reports, start, transports,
    unix_address,
};

/// More than the kernel takes from a server whose peer does not read.
const LARGE: usize = 40 << 20;

/// What a callback that blocks keeps its loop busy for.
const BLOCKED: Duration = Duration::from_millis(300);

/// A delay that would be over before the callback is, if it counted from the beginning of the turn.
const DELAY: Duration = Duration::from_millis(200);

/// Writes a shared message to whoever says something, and closes the connection.
fn reply_and_close<'a>(reply: Arc<[u8]>) -> Events<'a> {
    Events::new().data(move |conn, _, _| {
        conn.write_shared(Arc::clone(&reply));
        Action::Close
    })
}

/// Neither side reads before the other one does, unless the server throws away what it gets.
#[test]
fn a_client_that_writes_all_it_has_before_it_reads_gets_the_whole_reply() {
    let reply: Arc<[u8]> = payload(util::seed(), 0, LARGE).into();
    for address in transports() {
        let (recorder, calls) = recorder();
        let limits = Limits::default().close_timeout(DEADLINE);
        let server = start(bind(&address).limits(limits), {
            let reply = Arc::clone(&reply);
            move || recorder.wrap(reply_and_close(reply))
        });
        let client = server.connect();
        client.send(&vec![b'?'; LARGE]);
        assert!(client.receive_to_end() == *reply, "{address}");
        drop(client);
        let expected = [Call::Opened, Call::Data, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
    }
}

/// The close timeout is for peers that take nothing: this one takes longer than that in all, and
/// never pauses for more than a small part of it.
#[test]
fn a_closing_connection_waits_for_a_peer_that_goes_on_reading() {
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
    const PAUSE: Duration = Duration::from_millis(50);
    const STEP: usize = 1 << 20;
    let reply: Arc<[u8]> = payload(util::seed(), 0, LARGE).into();
    let check = |address: &str| {
        let limits = Limits::default().close_timeout(CLOSE_TIMEOUT);
        let server = start(bind(address).limits(limits), {
            let reply = Arc::clone(&reply);
            move || reply_and_close(reply)
        });
        let client = server.connect();
        client.send(b"?");
        for expected in reply.chunks(STEP) {
            assert!(client.receive(expected.len()) == expected, "{address}");
            // A slow reader.
            thread::sleep(PAUSE);
        }
        assert!(client.receive_to_end().is_empty(), "{address}");
        drop(client);
        server.stop();
    };
    thread::scope(|scope| {
        for address in transports() {
            scope.spawn(move || check(&address));
        }
    });
}

/// The peer has been reading all the time, only the loop was not there to notice.
#[test]
fn a_loop_that_was_held_up_does_not_cut_off_its_peers() {
    const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
    let reply: Arc<[u8]> = payload(util::seed(), 0, LARGE).into();
    for address in transports() {
        let (hold, held) = hold();
        let limits = Limits::default().close_timeout(CLOSE_TIMEOUT);
        let server = start(bind(&address).limits(limits), {
            let reply = Arc::clone(&reply);
            move || {
                Events::new().data(move |conn, _, input| {
                    if input == b"hold" {
                        hold.wait();
                        return Action::None;
                    }
                    conn.write_shared(Arc::clone(&reply));
                    Action::Close
                })
            }
        });
        let (client, other) = (server.connect(), server.connect());
        client.send(b"?");
        let first = client.receive(1);
        other.send(b"hold");
        held.wait();
        // What the kernel has of the reply by now; the rest has to wait for the loop.
        let taken = client.receive(100_000);
        // Held up for longer than the timeout.
        thread::sleep(CLOSE_TIMEOUT + BLOCKED);
        held.release();
        let rest = client.receive_to_end();
        assert!([first, taken, rest].concat() == *reply, "{address}");
        drop((client, other));
        server.stop();
    }
}

/// The kernel has all of the reply when the server shuts down, and the client has not read it. A
/// byte that reaches a socket after it was closed resets the connection, and what is still on its
/// way is lost.
///
/// The loop is held up in the turn that ends the connections, by one whose peer has ended its side
/// before and which comes after the other: so the client writes when the server has ended its side.
#[test]
fn a_shutdown_loses_no_reply_to_a_client_that_writes_once_more_before_it_reads() {
    const REPLY: usize = 300_000;
    let seed = util::seed();
    let (recorder, calls) = recorder();
    let (hold, held) = hold();
    // So that `drained` says that the kernel has everything.
    let limits = Limits::default().high_watermark(0).low_watermark(0);
    let server = bind(TCP).limits(limits).shutdown_timeout(DEADLINE);
    let server = start(server, move || {
        let mut hold = Some(hold);
        recorder.wrap(
            Events::new()
                .data(move |conn, _, _| {
                    conn.write(&payload(seed, 0, REPLY));
                    Action::None
                })
                .drained(|_, _| Action::Shutdown)
                .peer_closed(|_, _| Action::None)
                .closed(move |_, (), _| {
                    if let Some(hold) = hold.take() {
                        hold.wait();
                    }
                    ControlFlow::Continue(())
                }),
        )
    });
    let (client, other) = (server.connect(), server.connect());
    other.finish_sending();
    while calls.next() != Call::PeerClosed {}
    client.send(b"get");
    held.wait();
    client.send(b"get more");
    held.release();
    assert!(client.receive_to_end() == payload(seed, 0, REPLY));
    drop((client, other));
    server.wait();
}

/// Both ways in which time could run out for the peer: a timeout that counts from the beginning of
/// the turn, and one that is too long to be computed with.
#[test]
fn a_shutdown_after_a_long_callback_has_its_full_timeout() {
    for timeout in [DELAY, Duration::MAX] {
        let (times, time) = reports();
        let server = start(bind(TCP).shutdown_timeout(timeout), move || {
            Events::with_context(|_| None)
                .data(move |conn, requested, _| {
                    conn.write_owned(vec![0; LARGE]);
                    // A slow callback.
                    thread::sleep(BLOCKED);
                    *requested = Some(Instant::now());
                    Action::Shutdown
                })
                .closed(move |_, requested: Option<Instant>, _| {
                    times.send(requested.unwrap().elapsed()).unwrap();
                    ControlFlow::Continue(())
                })
        });
        let client = server.connect();
        client.send(b"?");
        if timeout == Duration::MAX {
            assert_eq!(client.receive_to_end().len(), LARGE);
            drop(client);
        } else {
            assert!(time.next() >= timeout);
        }
        server.wait();
    }
}

/// Numbers what it tells the second connection, and notes in `pre_write` how much of that is
/// committed. The first connection is told to end or to be drained, and has more to tell then.
struct Gossip {
    opens: Sender<()>,
    ids: Vec<ConnId>,
    told: u64,
    committed: Arc<AtomicU64>,
}

impl Gossip {
    fn tell(&mut self, conn: &mut Conn<'_>) {
        if conn.id() == self.ids[0] {
            self.told += 1;
            if let Some(mut sibling) = conn.sibling(self.ids[1]) {
                sibling.write(&self.told.to_be_bytes());
            }
        }
    }
}

impl Handler for Gossip {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        self.ids.push(conn.id());
        self.opens.send(()).expect("the test waits");
    }

    /// Puts both connections on the list of the turn, the first one first.
    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        match input {
            b"abort" => conn.abort(),
            _ => conn.write(b"to be drained of"),
        }
        self.tell(conn);
        Action::None
    }

    fn drained(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.tell(conn);
        Action::None
    }

    fn closed(&mut self, conn: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
        self.tell(conn);
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> std::io::Result<()> {
        self.committed.store(self.told, Ordering::SeqCst);
        Ok(())
    }
}

#[test]
fn what_callbacks_of_the_flush_write_to_a_sibling_waits_for_another_pre_write() {
    for command in ["abort", "drain"] {
        let committed = Arc::new(AtomicU64::new(0));
        let limits = Limits::default().high_watermark(0).low_watermark(0);
        let (opens, opened) = reports();
        let server = start(bind(&unix_address()).limits(limits), {
            let committed = Arc::clone(&committed);
            move || Gossip { opens, ids: Vec::new(), told: 0, committed }
        });
        let (first, second) = (server.connect(), server.connect());
        // Both are there when the first one speaks.
        (0..2).for_each(|_| opened.next());
        first.send(command.as_bytes());
        for number in 1..=2_u64 {
            assert_eq!(second.receive(8), number.to_be_bytes(), "{command}");
            let committed = committed.load(Ordering::SeqCst);
            assert!(number <= committed, "{command}: {number} was sent before it was committed");
        }
        drop((first, second));
        server.stop();
    }
}

/// Each piece is written in a turn of its own, and none of them alone is above the watermark. If
/// the timeout never came, or each piece put it off, the output would reach its limit.
#[test]
fn output_that_piles_up_in_small_pieces_ends_by_the_congestion_timeout() {
    const PIECE: usize = 1 << 10;
    let limits = Limits::default()
        .high_watermark(4 * PIECE)
        .low_watermark(PIECE)
        .congestion_timeout(Some(Duration::from_millis(60)));
    let (recorder, calls) = recorder();
    let (handles, handle) = reports();
    // The kernel takes less for a Unix socket than for TCP.
    let server = start(bind(&unix_address()).limits(limits), move || {
        recorder.wrap(
            Events::new()
                .opened(move |conn, _| {
                    handles.send(conn.handle()).unwrap();
                    Action::None
                })
                .data(|conn, _, input| {
                    conn.write(input);
                    Action::None
                }),
        )
    });
    let (peer, other) = (server.connect(), server.connect());
    let handle = handle.next();
    let ending = loop {
        handle.send(vec![0; PIECE]).unwrap();
        other.echo(b"the turn is over");
        let ending = |(_, call)| if let Call::Closed(reason) = call { Some(reason) } else { None };
        if let Some(reason) = calls.rest().into_iter().find_map(ending) {
            break reason;
        }
    };
    assert_eq!(ending, Reason::Timeout(Timeout::Congestion));
    drop((peer, other));
    server.stop();
}

#[test]
fn timers_count_from_when_they_are_set() {
    let (times, time) = reports();
    let server = start(bind(TCP), move || {
        let told = times.clone();
        Events::with_context(|_| None)
            .data(move |conn, set, input| {
                // A slow callback.
                thread::sleep(BLOCKED);
                match input {
                    b"timer" => conn.set_timer(Some(DELAY)),
                    _ => conn.set_read_timeout(Some(DELAY)),
                }
                *set = Some(Instant::now());
                Action::None
            })
            .timer(move |_, set| {
                told.send(("timer", set.unwrap().elapsed())).unwrap();
                Action::Close
            })
            .closed(move |_, set: Option<Instant>, reason| {
                if matches!(reason, CloseReason::Timeout(Timeout::Read)) {
                    times.send(("read timeout", set.unwrap().elapsed())).unwrap();
                }
                ControlFlow::Continue(())
            })
    });
    for command in ["timer", "read timeout"] {
        let client = server.connect();
        client.send(command.as_bytes());
        assert!(client.receive_to_end().is_empty());
        drop(client);
        let (ended_by, elapsed) = time.next();
        assert_eq!(ended_by, command);
        assert!(elapsed >= DELAY, "{command}: {elapsed:?}");
    }
    server.stop();
}

/// All that happens is that the server sends, for several times as long as it may be silent. Each
/// message is due well before the timeout, so it comes first however late the loop is.
#[test]
fn a_connection_that_is_only_written_to_is_not_idle() {
    not_idle_with(|conn| conn.write(b"!"));
    not_idle_with(|conn| conn.write_now(b"!"));
}

fn not_idle_with(write: fn(&mut Conn<'_>)) {
    const IDLE: Duration = Duration::from_millis(200);
    const PERIOD: Duration = Duration::from_millis(50);
    const MESSAGES: usize = 16;
    let limits = Limits::default().idle_timeout(Some(IDLE));
    let server = start(bind(TCP).limits(limits), move || {
        Events::new()
            .opened(|conn, _| {
                conn.set_timer(Some(PERIOD));
                Action::None
            })
            .timer(move |conn, _| {
                write(conn);
                conn.set_timer(Some(PERIOD));
                Action::None
            })
    });
    let client = server.connect();
    assert_eq!(client.receive(MESSAGES), [b'!'; MESSAGES]);
    drop(client);
    server.stop();
}

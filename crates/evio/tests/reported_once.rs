//! Input that the system reports once: what a turn leaves alone has to be asked for again.
//!
//! The loop is held up while input is made ready. Whether all of it falls into one turn is up to
//! the system; it has to be delivered in any case.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::cell::Cell;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use evio::{Action, Conn, ConnId, Events, Handler};
use nix::sys::socket::{MsgFlags, send};

use util::{Client, Held, Hold, Running, TCP, bind, hold, payload, reports, start, transports};

/// Echoes. Single letters are orders besides: `h` holds up the loop, and the others are for the
/// connection that was opened first.
struct Echo {
    first: Option<ConnId>,
    hold: Hold,
}

impl Handler for Echo {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        self.first.get_or_insert(conn.id());
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        let first = self.first.expect("a connection was opened");
        match input {
            b"h" => self.hold.wait(),
            b"p" => conn.sibling(first).unwrap().pause_reading(),
            b"r" => conn.sibling(first).unwrap().resume_reading(),
            _ => {}
        }
        conn.write(input);
        Action::None
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.write(b"the end");
        Action::Close
    }
}

fn start_echo() -> (Running, Held) {
    let (hold, held) = hold();
    (start(bind(TCP), move || Echo { first: None, hold }), held)
}

/// A read stops before the place where the urgent byte was, whatever there is behind it.
#[test]
fn input_behind_an_urgent_mark_is_delivered() {
    let (server, held) = start_echo();
    let (client, control) = (server.connect(), server.connect());
    client.echo(b"opened");
    for _ in 0..20 {
        control.send(b"h");
        held.wait();
        client.send(b"before");
        let Client::Tcp(stream) = &client else { unreachable!("the address is one of TCP") };
        assert_eq!(send(stream.as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap(), 1);
        client.send(b"behind");
        held.release();
        assert_eq!(client.receive(12), b"beforebehind");
    }
    server.stop();
}

#[test]
fn input_beyond_what_is_read_at_once_is_delivered() {
    const LARGE: usize = 256 << 10;
    let (server, held) = start_echo();
    let (client, control) = (server.connect(), server.connect());
    for round in 0..20 {
        control.send(b"h");
        held.wait();
        let message = payload(util::seed(), round, LARGE);
        // After some rounds the system has room for all of it.
        let sent = client.send_until_full(&message);
        held.release();
        assert!(client.receive(sent) == message[..sent], "round {round}");
    }
    server.stop();
}

#[test]
fn the_end_behind_the_last_input_is_found() {
    // As much as is read at once, less and more.
    for len in [1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 128 << 10, 200_000] {
        let (server, held) = start_echo();
        let (client, control) = (server.connect(), server.connect());
        client.echo(b"opened");
        control.send(b"h");
        held.wait();
        let message = payload(util::seed(), 0, len);
        thread::scope(|scope| {
            // The socket may not have room for all of it while the loop is held up.
            scope.spawn(|| {
                client.send(&message);
                client.finish_sending();
            });
            held.release();
            let reply = client.receive_to_end();
            assert!(reply.starts_with(&message) && reply.ends_with(b"the end"), "{len} bytes");
        });
        server.stop();
    }
}

/// The event of the first connection comes between the two that pause and resume it, and when the
/// turn is over it is read from as before.
#[test]
fn input_that_was_skipped_is_found_when_reading_resumes() {
    if util::left_out_on_kqueue("events come in any order") {
        return;
    }
    let (server, held) = start_echo();
    let first = server.connect();
    first.echo(b"opened");
    let [control, pausing, resuming] = [0; 3].map(|_| {
        let client = server.connect();
        client.echo(b"opened");
        client
    });
    for _ in 0..20 {
        control.send(b"h");
        held.wait();
        pausing.send(b"p");
        first.send(b"skipped");
        resuming.send(b"r");
        held.release();
        assert_eq!(first.receive(7), b"skipped");
    }
    server.stop();
}

/// The same when it is resumed turns later.
#[test]
fn input_that_came_during_a_pause_is_found() {
    let (server, _held) = start_echo();
    let (first, other) = (server.connect(), server.connect());
    first.echo(b"opened");
    for _ in 0..20 {
        other.echo(b"p");
        first.send(b"during");
        other.echo(b"the pause goes on");
        other.echo(b"r");
        assert_eq!(first.receive(6), b"during");
    }
    server.stop();
}

/// More than is sent in one turn, to a peer with room for all of it: nothing is reported.
#[test]
fn output_that_one_turn_does_not_send_is_sent_in_the_next() {
    const LARGE: usize = 32 << 20;
    let server = start(bind(TCP), || {
        Events::new().data(|conn, _, _| {
            // In pieces, as many as one call sends and more.
            for piece in payload(7, 0, LARGE).chunks(10_000) {
                conn.write(piece);
            }
            Action::None
        })
    });
    let client = server.connect();
    client.send(b"x");
    assert!(client.receive(LARGE) == payload(7, 0, LARGE));
    server.stop();
}

/// A peer that sends all the time has its share of every turn, and no more than that.
#[test]
fn a_flood_is_read_once_a_turn() {
    const LARGE: usize = 64 << 20;
    for address in transports() {
        let (reads, most_reads) = reports();
        let server = start(bind(&address), move || {
            let in_this_turn = Rc::new(Cell::new(0));
            let count = Rc::clone(&in_this_turn);
            let mut received = 0;
            Events::new()
                .data(move |conn, (), input| {
                    count.set(count.get() + 1);
                    // There is always more by the time of the next read.
                    thread::sleep(Duration::from_micros(200));
                    received += input.len();
                    // Output makes `pre_write` due, once a turn.
                    conn.write(b".");
                    if received == LARGE { Action::Close } else { Action::None }
                })
                .pre_write(move |_| {
                    reads.send(in_this_turn.replace(0)).unwrap();
                    Ok(())
                })
        });
        let client = server.connect();
        client.send(&vec![7; LARGE]);
        assert!(client.receive_to_end().iter().all(|&byte| byte == b'.'));
        server.stop();
        assert_eq!(most_reads.rest().into_iter().max(), Some(1), "{address}");
    }
}

/// The first connection pauses the second one between two reads of its input, and it is resumed
/// before the turn is over.
#[test]
fn input_that_waits_for_its_turn_is_found_after_a_pause() {
    const LARGE: usize = 256 << 10;
    let (hold, held) = hold();
    let server = start(bind(TCP), move || {
        let second: Rc<Cell<Option<ConnId>>> = Rc::default();
        let to_resume = Rc::clone(&second);
        let (mut opened, mut reads) = (0, 0);
        Events::with_context(move |_| {
            opened += 1;
            opened
        })
        .data(move |conn, number, input| {
            match number {
                1 => reads += 1,
                2 => second.set(Some(conn.id())),
                _ => {
                    hold.wait();
                    reads = 0;
                }
            }
            // The first time, both may have more input than is read at once.
            if let (1, 2.., Some(second)) = (*number, reads, second.get()) {
                conn.sibling(second).unwrap().pause_reading();
            }
            conn.write(input);
            Action::None
        })
        .pre_write(move |event_loop| {
            if let Some(id) = to_resume.get() {
                if let Some(mut second) = event_loop.conn(id) {
                    second.resume_reading();
                }
            }
            Ok(())
        })
    });
    let [first, second, control] = [0; 3].map(|_| server.connect());
    for round in 0..20 {
        control.send(b"h");
        held.wait();
        let message = payload(util::seed(), round, LARGE);
        // After some rounds the system has room for all of it.
        let sent = [&first, &second].map(|client| client.send_until_full(&message));
        held.release();
        for (client, sent) in [(&first, sent[0]), (&second, sent[1])] {
            assert!(client.receive(sent) == message[..sent], "round {round}");
        }
    }
    server.stop();
}

/// What waits in a socket is reported before the connection is open, and no second time.
#[test]
fn input_that_waits_in_an_adopted_socket_is_delivered() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    peer.write_all(b"already here").unwrap();
    let (receives, received) = reports();
    let server = start(bind(TCP), move || {
        let mut stream = Some(stream);
        Events::new()
            .serving(move |event_loop, _| {
                event_loop.adopt(stream.take().unwrap(), 0_u64).unwrap();
                ControlFlow::Continue(())
            })
            .data(move |_, _, input| {
                receives.send(input.to_vec()).unwrap();
                Action::None
            })
    });
    assert_eq!(received.next(), b"already here");
    server.stop();
}

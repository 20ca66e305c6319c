//! Work off the loop, whose answers come back to the peers.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::missing_const_for_thread_local, reason = "it misses the const on OpenBSD")]

mod util;

use std::cell::Cell;
use std::panic::panic_any;
use std::sync::mpsc;

use evio::{Action, Events, PoolFull, Server, WorkerPool};

use util::{bind, hold, reports, start, start_each, transports};

/// Peers that end their output after the question, more of them than the mailbox has room for
/// messages, and more bytes than it has room for.
#[test]
fn every_peer_gets_its_answer_however_small_the_mailbox_is() {
    const CLIENTS: usize = 200;
    const LEN: usize = 1_000;
    for address in transports() {
        let pool = WorkerPool::new(3, CLIENTS).unwrap();
        let server = Server::bind([&*address]).unwrap().mailbox_capacity(4).mailbox_bytes(2 * LEN);
        let server = start_each(server, 2, move |_| {
            let pool = pool.clone();
            Events::new().data(move |conn, _, input| {
                let byte = input[0];
                pool.answer(conn, move || vec![byte; LEN]).unwrap();
                Action::None
            })
        });
        let clients: Vec<_> = (0..CLIENTS).map(|_| server.connect()).collect();
        for (client, number) in clients.iter().zip(0..) {
            client.send(&[number]);
            client.finish_sending();
        }
        for (client, number) in clients.iter().zip(0..) {
            assert_eq!(client.receive_to_end(), [number; LEN], "{address}");
        }
        server.stop();
    }
}

#[test]
fn as_much_work_waits_as_may_and_more_is_refused() {
    let (started, start_of) = reports();
    let pool = WorkerPool::new(1, 2).unwrap();
    let (hold, held) = hold();
    pool.run(move || hold.wait()).unwrap();
    held.wait();
    for number in [1, 2] {
        let started = started.clone();
        pool.run(move || started.send(number).unwrap()).unwrap();
    }
    assert_eq!(pool.run(|| ()), Err(PoolFull));

    // A question that is refused is owed no reply: its connection ends with its peer.
    let (refused, refusal) = reports();
    let of_server = pool.clone();
    let server = start(bind(util::TCP), move || {
        Events::new().data(move |conn, _, _| {
            refused.send(of_server.answer(conn, || "never")).unwrap();
            conn.write(b"busy");
            Action::None
        })
    });
    let client = server.connect();
    client.send(b"?");
    client.finish_sending();
    assert_eq!(client.receive_to_end(), b"busy");
    assert_eq!(refusal.next(), Err(PoolFull));
    held.release();
    assert_eq!([start_of.next(), start_of.next()], [1, 2]);
    server.stop();
}

/// The payload of a panic that panics.
struct PanicsAgain;

impl Drop for PanicsAgain {
    fn drop(&mut self) {
        panic!("deliberate: again");
    }
}

#[test]
fn work_that_panics_is_told_and_harms_nobody_else() {
    let pool = WorkerPool::new(1, 9).unwrap();
    let server = start(bind(util::TCP), move || {
        let events = Events::new().data(move |conn, _, input| {
            let is_bad = input == b"bad";
            let work = move || if is_bad { panic_any(PanicsAgain) } else { "good" };
            pool.answer(conn, work).unwrap();
            Action::None
        });
        events.unanswered(|conn, ()| {
            conn.write(b"none");
            Action::None
        })
    });
    let client = server.connect();
    for (question, answer) in [(b"bad".as_slice(), b"none"), (b"fine", b"good")] {
        client.send(question);
        assert_eq!(client.receive(4), answer);
    }
    server.stop();
}

/// The threads finish what waits when nobody can ask for more, and end.
#[test]
fn a_pool_ends_with_its_last_handle() {
    thread_local! {
        /// Dropped when the thread has ended.
        static LAST: Cell<Option<mpsc::Sender<()>>> = const { Cell::new(None) };
    }
    let (done, all_done) = mpsc::channel();
    let pool = WorkerPool::new(2, 100).unwrap();
    for _ in 0..100 {
        let done = done.clone();
        let work = move || {
            done.send(()).unwrap();
            LAST.set(Some(done));
        };
        pool.clone().run(work).unwrap();
    }
    drop((pool, done));
    (0..100).for_each(|_| all_done.recv_timeout(util::DEADLINE).unwrap());
    // No thread holds a sender any more.
    let end = all_done.recv_timeout(util::DEADLINE);
    assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected));
}

/// Its connection has gone, and its place may have been taken.
#[test]
fn an_answer_that_comes_too_late_is_dropped() {
    let pool = WorkerPool::new(1, 9).unwrap();
    let (hold, held) = hold();
    let mut hold = Some(hold);
    let (ends, ended) = reports();
    let server = start(bind(util::TCP), move || {
        let events = Events::new().data(move |conn, _, _| {
            let hold = hold.take();
            let work = move || {
                if let Some(hold) = hold {
                    hold.wait();
                }
                "answer"
            };
            pool.answer(conn, work).unwrap();
            Action::None
        });
        events.closed(move |_, (), _| {
            ends.send(()).unwrap();
            std::ops::ControlFlow::Continue(())
        })
    });
    let first = server.connect();
    first.send(b"?");
    held.wait();
    first.reset();
    ended.next();
    let second = server.connect();
    second.send(b"?");
    held.release();
    assert_eq!(second.receive(6), b"answer");
    second.finish_sending();
    assert_eq!(second.receive_to_end(), b"");
    server.stop();
}

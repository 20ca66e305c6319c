//! Connections that owe replies: how long they are kept, and what is called meanwhile.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::collections::VecDeque;
use std::thread;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Events, Limits, Timeout, WorkerPool};

use util::{TCP, bind, keep, reports, start};

/// Sends large answers for the peer, which leave by the queue: progress of the output is no answer.
#[test]
fn an_end_that_waits_is_not_put_off_by_output() {
    for len in [1, 64 << 10, 4 << 20] {
        let (server, owed, ended) =
            keep(Limits::default().reply_timeout(Duration::from_millis(100)));
        let client = server.connect();
        let [first, second] = [b"1", b"2"].map(|question| {
            client.send(question);
            owed.next()
        });
        client.finish_sending();
        first.send(vec![7; len]).unwrap();
        assert_eq!(client.receive_to_end().len(), len);
        assert!(matches!(ended.next(), CloseReason::Timeout(Timeout::Reply)), "{len}");
        drop(second);
        server.stop();
    }
}

/// The peer waits for longer than it may be silent, with both directions open or with one.
#[test]
fn a_peer_that_waits_for_its_reply_is_not_idle() {
    let limits = Limits::default().idle_timeout(Some(Duration::from_millis(50)));
    for is_half_closed in [false, true] {
        let (server, owed, ended) = keep(limits);
        let client = server.connect();
        client.send(b"1");
        let first = owed.next();
        client.send(b"2");
        let second = owed.next();
        if is_half_closed {
            client.finish_sending();
        }
        first.send(vec![7; 64 << 10]).unwrap();
        client.receive(64 << 10);
        // Work that is slow.
        thread::sleep(Duration::from_millis(300));
        second.send("answer").unwrap();
        assert_eq!(client.receive(6), b"answer");
        client.receive_to_end();
        let reason = ended.next();
        assert_eq!(matches!(reason, CloseReason::PeerClosed), is_half_closed, "{reason:?}");
        server.stop();
    }
}

/// What is owed cannot be sent any more.
#[test]
fn a_connection_that_takes_no_output_waits_for_no_reply() {
    let (replies, owed) = reports();
    let server = start(bind(TCP), move || {
        Events::new().data(move |conn, _, _| {
            replies.send(conn.reply()).unwrap();
            conn.shutdown_write();
            Action::None
        })
    });
    let client = server.connect();
    client.send(b"question");
    let _reply = owed.next();
    assert_eq!(client.receive_to_end(), b"");
    server.handle().shutdown_gracefully(Duration::from_secs(3_600));
    client.finish_sending();
    server.wait();
}

/// The handler has said that it is done with the peer.
#[test]
fn an_end_that_waits_for_replies_makes_no_other_callback() {
    let (replies, owed) = reports();
    let (calls, called) = reports();
    let server = start(bind(TCP), move || {
        let (peer_closed, woken, stopping, closed) =
            (calls.clone(), calls.clone(), calls.clone(), calls.clone());
        Events::new()
            .data(move |conn, _, _| {
                replies.send(conn.reply()).unwrap();
                Action::None
            })
            .peer_closed(move |conn, _| {
                peer_closed.send("peer_closed").unwrap();
                conn.set_timer(Some(Duration::ZERO));
                Action::Close
            })
            .timer(|_, ()| panic!("timer"))
            .woken(move |_, ()| {
                woken.send("woken").unwrap();
                Action::None
            })
            .stopping(move |_, ()| {
                stopping.send("stopping").unwrap();
                Action::Close
            })
            .closed(move |_, (), _| {
                closed.send("closed").unwrap();
                std::ops::ControlFlow::Continue(())
            })
    });
    let client = server.connect();
    client.send(b"question");
    let reply = owed.next();
    client.finish_sending();
    assert_eq!(called.next(), "peer_closed");
    reply.handle().wake().unwrap();
    server.handle().shutdown_gracefully(util::DEADLINE);
    reply.send("answer").unwrap();
    assert_eq!(client.receive_to_end(), b"answer");
    server.wait();
    assert_eq!(called.rest(), ["closed"]);
}

/// Input that a callback has left is not forgotten.
#[test]
fn a_handler_goes_on_when_it_may_owe_replies_again() {
    let pool = WorkerPool::new(2, 3).unwrap();
    let server = start(bind(TCP).limits(Limits::default().max_owed_replies(3)), move || {
        let take = move |conn: &mut Conn<'_>, left: &mut VecDeque<u8>| {
            while !conn.is_paused() {
                let Some(question) = left.pop_front() else { break };
                pool.answer(conn, move || [question]).unwrap();
            }
            Action::None
        };
        let take_left = take.clone();
        Events::with_context(|_| VecDeque::new())
            .data(move |conn, left, input| {
                left.extend(input);
                take(conn, left)
            })
            .woken(take_left)
    });
    let client = server.connect();
    client.send(&[1; 1_000]);
    assert_eq!(client.receive(1_000), [1; 1_000]);
    client.finish_sending();
    assert_eq!(client.receive_to_end(), b"");
    server.stop();
}

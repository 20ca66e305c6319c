//! Replies that are owed, and what handles tell of a connection.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use evio::{
    Action, CloseReason, ConnHandle, ConnState, Events, Limits, Reply, SendError, Server, Timeout,
};

use util::{TCP, bind, hold, keep, reports, start, start_each, transports};

/// Questions that wait for threads to answer them.
#[derive(Clone, Default)]
struct Pool(Arc<Questions>);

#[derive(Default)]
struct Questions {
    waiting: Mutex<VecDeque<(Reply, Vec<u8>)>>,
    is_asked: Condvar,
}

impl Pool {
    /// Starts threads that send back what they are asked.
    fn start(threads: usize) -> Self {
        let pool = Self::default();
        for _ in 0..threads {
            let pool = pool.clone();
            thread::spawn(move || {
                loop {
                    let (reply, question) = pool.take();
                    reply.send(question).unwrap();
                }
            });
        }
        pool
    }

    fn take(&self) -> (Reply, Vec<u8>) {
        let Questions { waiting, is_asked } = &*self.0;
        let mut questions = waiting.lock().unwrap();
        loop {
            match questions.pop_front() {
                Some(question) => return question,
                None => questions = is_asked.wait(questions).unwrap(),
            }
        }
    }

    fn ask(&self, reply: Reply, question: &[u8]) {
        let Questions { waiting, is_asked } = &*self.0;
        waiting.lock().unwrap().push_back((reply, question.to_vec()));
        is_asked.notify_one();
    }
}

/// Peers that end their output after the question, more of them than the mailbox has room for
/// messages.
#[test]
fn every_peer_gets_its_reply_however_small_the_mailbox_is() {
    for address in transports() {
        let server = Server::bind([&*address]).unwrap().mailbox_capacity(4);
        let pool = Pool::start(2);
        let server = start_each(server, 2, move |_| {
            let pool = pool.clone();
            Events::new().data(move |conn, _, input| {
                pool.ask(conn.reply(), input);
                Action::None
            })
        });
        let clients: Vec<_> = (0..500).map(|_| server.connect()).collect();
        for (client, number) in clients.iter().zip(1_000..) {
            client.send(number.to_string().as_bytes());
            client.finish_sending();
        }
        for (client, number) in clients.iter().zip(1_000..) {
            assert_eq!(client.receive_to_end(), number.to_string().as_bytes(), "{address}");
        }
        server.stop();
    }
}

/// Waits until the connection stands like that.
#[track_caller]
fn wait_for(handle: &ConnHandle, state: ConnState) {
    let since = Instant::now();
    while handle.state() != Some(state) {
        assert!(since.elapsed() < util::DEADLINE, "{:?}, not {state:?}", handle.state());
        thread::yield_now();
    }
}

#[test]
fn the_end_waits_for_the_last_of_several_replies() {
    let (server, owed, ended) = keep(Limits::default());
    let client = server.connect();
    client.send(b"1");
    let first = owed.next();
    client.send(b"2");
    let second = owed.next();
    client.finish_sending();
    second.send("two").unwrap();
    assert_eq!(client.receive(3), b"two");
    first.handle().send("o").unwrap();
    first.send("ne").unwrap();
    assert_eq!(client.receive_to_end(), b"one");
    assert!(matches!(ended.next(), CloseReason::PeerClosed));
    server.stop();
}

#[test]
fn a_peer_that_is_owed_as_much_as_may_be_is_not_read_from_until_it_has_half_of_it() {
    let (questions, asked) = reports();
    let server = start(bind(TCP).limits(Limits::default().max_owed_replies(2)), move || {
        let events = Events::new().data(move |conn, _, input| {
            let reply = conn.reply();
            questions.send((input.to_vec(), reply, conn.is_paused())).unwrap();
            Action::None
        });
        events.unanswered(|_, ()| Action::None)
    });
    let client = server.connect();
    let ask = |question: &[u8], pauses: bool| {
        client.send(question);
        let (input, reply, is_paused) = asked.next();
        assert_eq!((&*input, is_paused), (question, pauses));
        reply
    };
    let first = ask(b"1", false);
    let second = ask(b"2", true);
    first.send("one").unwrap();
    let third = ask(b"3", true);
    client.send(b"4");
    drop(third);
    let (input, fourth, is_paused) = asked.next();
    assert_eq!((&*input, is_paused), (b"4".as_slice(), true), "no answer is given, too");
    second.send("two").unwrap();
    fourth.send("four").unwrap();
    assert_eq!(client.receive(10), b"onetwofour");
    server.stop();
}

#[test]
fn a_reply_that_is_dropped_is_told() {
    let (server, owed, ended) = keep(Limits::default());
    let client = server.connect();
    client.send(b"x");
    drop(owed.next());
    assert_eq!(client.receive_to_end(), b"no answer");
    client.finish_sending();
    assert!(matches!(ended.next(), CloseReason::Closed));
    server.stop();
}

#[test]
fn a_reply_is_not_waited_for_without_end() {
    let limits = Limits::default().reply_timeout(Duration::from_millis(50));
    let (server, owed, ended) = keep(limits);
    let client = server.connect();
    client.send(b"x");
    let reply = owed.next();
    assert_eq!(reply.handle().state(), Some(ConnState::Open));
    client.finish_sending();
    assert_eq!(client.receive_to_end(), b"");
    assert!(matches!(ended.next(), CloseReason::Timeout(Timeout::Reply)));
    assert_eq!(reply.handle().state(), Some(ConnState::Ended));
    reply.send("too late").unwrap();
    server.stop();
}

#[test]
fn a_graceful_end_waits_for_replies_and_reads_no_more() {
    let (replies, owed) = reports();
    let (stops, told) = reports();
    let (reasons, ended) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .data(move |conn, _, _| {
                replies.send(conn.reply()).unwrap();
                Action::None
            })
            .stopping(move |_, _| {
                stops.send(()).unwrap();
                Action::Close
            })
            .closed(move |_, _, reason| {
                reasons.send(reason).unwrap();
                ControlFlow::Continue(())
            })
    });
    let client = server.connect();
    client.send(b"x");
    let reply = owed.next();
    server.handle().shutdown_gracefully(util::DEADLINE);
    told.next();
    // What the program pauses and resumes for reasons of its own changes nothing.
    reply.handle().resume_reading().unwrap();
    client.send(b"y");
    reply.handle().wake().unwrap();
    reply.send("x").unwrap();
    client.finish_sending();
    assert_eq!(client.receive_to_end(), b"x");
    assert!(matches!(ended.next(), CloseReason::Shutdown));
    assert!(owed.rest().is_empty(), "the second question was not read");
    server.wait();
}

/// The loop is held up, so that what handles send waits.
#[test]
fn handles_tell_of_what_is_on_the_way() {
    let (hold, held) = hold();
    let (handles, opened) = reports::<ConnHandle>();
    let limits = Limits::default().high_watermark(1_000).low_watermark(100);
    let server = bind(TCP).limits(limits).mailbox_bytes(5_000);
    let server = start(server, move || {
        Events::new()
            .opened(move |conn, _| {
                handles.send(conn.handle()).unwrap();
                Action::None
            })
            .data(move |_, _, _| {
                hold.wait();
                Action::None
            })
    });
    let client = server.connect();
    let handle = opened.next();
    client.send(b"hold");
    held.wait();
    handle.send(vec![1; 1_000]).unwrap();
    assert_eq!(handle.state(), Some(ConnState::Open));
    handle.send(vec![2; 1]).unwrap();
    assert_eq!(handle.state(), Some(ConnState::Congested));
    handle.send(vec![3; 3_999]).unwrap();
    let unsent = handle.send(vec![4; 1_500]).unwrap_err();
    assert_eq!((unsent.error(), unsent.into_inner()), (SendError::Full, vec![4; 1_500]));
    held.release();
    assert_eq!(client.receive(5_000).len(), 5_000);
    // What came back is not on the way.
    wait_for(&handle, ConnState::Open);
    client.reset();
    wait_for(&handle, ConnState::Ended);
    server.stop();
}

/// Its own output counts, too.
#[test]
fn a_peer_that_does_not_read_is_congested() {
    let (handles, opened) = reports::<ConnHandle>();
    let server = start(bind(TCP), move || {
        Events::new().opened(move |conn, _| {
            let handle = conn.handle();
            conn.write(&vec![0; 32 << 20]);
            handles.send(handle).unwrap();
            Action::None
        })
    });
    let client = server.connect();
    let handle = opened.next();
    wait_for(&handle, ConnState::Congested);
    assert_eq!(client.receive(32 << 20).len(), 32 << 20);
    wait_for(&handle, ConnState::Open);
    handle.close().unwrap();
    assert_eq!(client.receive_to_end(), b"");
    wait_for(&handle, ConnState::Ended);
    server.stop();
}

//! `ConnHandle::send`: output from other threads, in order, whatever the peer does.

mod util;

use std::sync::Arc;
use std::thread;

use evio::{Action, Events, LoadBalance, SendError};

use util::{Held, TCP, bind, hold, payload, reports, start, start_each, transports};

/// The peer reads nothing until all three have been taken in.
#[test]
fn three_large_sends_to_a_peer_that_does_not_read_arrive_in_order() {
    const PART: usize = 1 << 20;
    for address in transports() {
        let seed = util::seed();
        let (handles, handle) = reports();
        let (lengths, length) = reports();
        let server = start(bind(&address), move || {
            Events::new()
                .opened(move |conn, _| {
                    conn.write(&payload(seed, 0, 16 * PART));
                    handles.send(conn.handle()).unwrap();
                    Action::None
                })
                .woken(move |conn, _| {
                    lengths.send(conn.output_len()).unwrap();
                    Action::None
                })
        });
        let client = server.connect();
        let handle = handle.next();
        let sender = thread::spawn(move || {
            handle.send(payload(seed, 1, PART)).unwrap();
            handle.send_shared(Arc::from(payload(seed, 2, PART))).unwrap();
            handle.send(payload(seed, 3, PART)).unwrap();
            handle.wake().unwrap();
            handle
        });
        assert!(length.next() > 3 * PART, "{address}: nothing was waiting");
        let handle = sender.join().unwrap();
        for (stream, len) in [(0, 16 * PART), (1, PART), (2, PART), (3, PART)] {
            assert!(client.receive(len) == payload(seed, stream, len), "{address}: {stream}");
        }
        handle.close().unwrap();
        assert!(client.receive_to_end().is_empty());
        drop(client);
        server.stop();
    }
}

/// What one thread sends arrives in its order, and each send in one piece.
#[test]
fn sends_of_several_threads_do_not_mix() {
    const THREADS: u8 = 4;
    const SENDS: u8 = 200;
    let (handles, handle) = reports();
    let server = start_each(bind(TCP), 2, move |_| {
        let handles = handles.clone();
        Events::new().opened(move |conn, _| {
            handles.send(conn.handle()).unwrap();
            Action::None
        })
    });
    let client = server.connect();
    let handle = handle.next();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let handle = handle.clone();
            scope.spawn(move || {
                for number in 0..SENDS {
                    // A length that shows where a message begins, up to several kilobytes.
                    let mut message = vec![number; 2 + 16 * usize::from(number)];
                    message[0] = thread;
                    handle.send(message).unwrap();
                }
            });
        }
        let mut next = [0; THREADS as usize];
        for _ in 0..usize::from(THREADS) * usize::from(SENDS) {
            let head = client.receive(2);
            let (thread, number) = (usize::from(head[0]), head[1]);
            assert_eq!(number, next[thread], "of thread {thread}");
            next[thread] += 1;
            let rest = client.receive(16 * usize::from(number));
            assert!(rest.iter().all(|&byte| byte == number), "a message was torn");
        }
    });
    server.stop();
}

/// What a callback writes, in however many pieces, is not interrupted by what others send.
#[test]
fn the_output_of_a_callback_stays_together() {
    for address in transports() {
        let (handles, handle) = reports();
        let (hold, held) = hold();
        let server = start(bind(&address), move || {
            Events::new()
                .opened(move |conn, _| {
                    handles.send(conn.handle()).unwrap();
                    Action::None
                })
                .data(move |conn, _, _| {
                    conn.write(b"<");
                    hold.wait();
                    conn.write(b">");
                    Action::None
                })
        });
        let client = server.connect();
        let handle = handle.next();
        for _ in 0..10 {
            client.send(b"?");
            held.wait();
            handle.send("|").unwrap();
            held.release();
            assert_eq!(client.receive(3), b"<>|", "{address}");
        }
        server.stop();
    }
}

/// One buffer, many connections on several loops.
#[test]
fn shared_bytes_reach_every_connection() {
    let (handles, handle) = reports();
    let server = start_each(bind(TCP).load_balance(LoadBalance::RoundRobin), 3, move |_| {
        let handles = handles.clone();
        Events::new().opened(move |conn, _| {
            handles.send(conn.handle()).unwrap();
            Action::None
        })
    });
    let clients: Vec<_> = (0..9).map(|_| server.connect()).collect();
    let message: Arc<[u8]> = Arc::from(payload(util::seed(), 0, 300_000));
    for _ in &clients {
        handle.next().send_shared(Arc::clone(&message)).unwrap();
    }
    for client in &clients {
        assert!(client.receive(message.len()) == message[..]);
    }
    server.stop();
    assert_eq!(Arc::strong_count(&message), 1, "nobody keeps what was sent");
}

/// While the loop is held up, messages pile up to a limit and not beyond; what was refused is not
/// sent, and what was taken is, in order.
#[test]
fn a_loop_that_is_held_up_refuses_more_than_its_mailbox_holds() {
    let (handles, handle) = reports();
    let (hold, held): (_, Held) = hold();
    let server = start(bind(TCP), move || {
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
    let handle = handle.next();
    client.send(b"hold");
    held.wait();
    let mut taken = 0u32;
    let error = loop {
        match handle.send(taken.to_be_bytes()) {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 10_000_000, "the mailbox has no limit");
    };
    assert_eq!(error.error(), SendError::Full);
    assert_eq!(handle.wake(), Err(SendError::Full));
    held.release();
    let expected: Vec<u8> = (0..taken).flat_map(u32::to_be_bytes).collect();
    assert!(client.receive(expected.len()) == expected, "{taken} messages");
    handle.send("again").unwrap();
    assert_eq!(client.receive(5), b"again");
    server.stop();
}

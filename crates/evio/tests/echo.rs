//! Echo, byte for byte: many clients, every transport, several loops, every policy.

mod util;

use std::io::Read;
use std::thread;

use evio::{Action, Events, LoadBalance};

use util::{Call, Client, Random, Reason, TCP, payload, recorder, seed, start_each, unix_address};

const CLIENTS: u64 = 10;
/// Sent by each client, in random chunks of up to [`MAX_CHUNK`].
const TOTAL: usize = 5 << 19;
const MAX_CHUNK: usize = 1 << 20;
const WELCOME: &[u8] = b"sweetness\r\n";

/// Sends a payload in random chunks while receiving what comes back.
fn talk(client: &Client, seed: u64, number: u64) {
    assert_eq!(client.receive(WELCOME.len()), WELCOME);
    let message = payload(seed, number, TOTAL);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Random::new(seed, CLIENTS + number);
            let mut rest = &message[..];
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(random.up_to(MAX_CHUNK).min(rest.len()));
                client.send(chunk);
                rest = after;
            }
            client.finish_sending();
        });
        let mut received = Vec::with_capacity(TOTAL);
        (&mut &*client).read_to_end(&mut received).expect("a clean end");
        assert_eq!(received.len(), message.len(), "client {number}");
        assert!(received == message, "client {number} got other bytes");
    });
}

#[track_caller]
fn check(address: &str, loops: usize, policy: LoadBalance) {
    let seed = seed();
    let (recorder, calls) = recorder();
    let server = start_each(util::bind(address).load_balance(policy), loops, move |_| {
        recorder.wrap(
            Events::new()
                .opened(|conn, _| {
                    conn.write(WELCOME);
                    Action::None
                })
                .data(|conn, _, input| {
                    conn.write(input);
                    Action::None
                }),
        )
    });
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let address = server.addrs()[0].addr();
            scope.spawn(move || talk(&Client::connect(address), seed, number));
        }
    });
    for _ in 0..CLIENTS {
        assert_eq!(calls.reason(), Reason::PeerClosed);
    }
    server.stop();
    let late = calls.rest();
    assert!(late.iter().all(|(_, call)| *call != Call::Opened), "{late:?}");
}

fn check_policies(address: &str, loops: usize) {
    for policy in [LoadBalance::Random, LoadBalance::RoundRobin, LoadBalance::LeastConnections] {
        check(address, loops, policy);
    }
}

#[test]
fn tcp_with_one_loop() {
    check_policies(TCP, 1);
}

#[test]
fn tcp_with_two_loops() {
    check_policies(TCP, 2);
}

#[test]
fn tcp_with_five_loops() {
    check_policies(TCP, 5);
}

#[test]
fn unix_with_one_loop() {
    check_policies(&unix_address(), 1);
}

#[test]
fn unix_with_two_loops() {
    check_policies(&unix_address(), 2);
}

#[test]
fn unix_with_five_loops() {
    check_policies(&unix_address(), 5);
}

/// The shortest server that there is: `evio::serve` with a handler, ended from a callback.
#[test]
fn serve_runs_until_a_callback_shuts_down() {
    let address = unix_address();
    let (ready, is_ready) = util::reports();
    let serving = address.clone();
    let server = thread::spawn(move || {
        let events = Events::new()
            .serving(move |_, serving| {
                ready.send(serving.local_addrs()[0].1.clone()).unwrap();
                std::ops::ControlFlow::Continue(())
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::Shutdown
            });
        evio::serve(events, [serving])
    });
    let client = Client::connect(&is_ready.next());
    client.send(b"the end");
    assert_eq!(client.receive_to_end(), b"the end");
    server.join().unwrap().unwrap();
}

/// The order of what different ways of writing add is the order of the calls.
#[test]
fn every_way_of_writing_keeps_the_order() {
    use std::io::Write;
    use std::sync::Arc;

    for address in util::transports() {
        let seed = seed();
        let server = util::start(util::bind(&address), move || {
            Events::new().opened(move |conn, _| {
                let message = payload(seed, 0, 2 << 20);
                let mut random = Random::new(seed, 1);
                let mut rest = &message[..];
                while !rest.is_empty() {
                    let max = [10, 5_000, 200_000][random.up_to(3) - 1];
                    let (piece, after) = rest.split_at(random.up_to(max).min(rest.len()));
                    match random.up_to(6) {
                        1 => conn.write(piece),
                        2 => conn.write_owned(piece.to_vec()),
                        3 => conn.write_shared(Arc::from(piece)),
                        4 => conn.write_now(piece),
                        5 => conn.write_all(piece).unwrap(),
                        _ => {
                            conn.write(b"");
                            conn.write_owned(Vec::new());
                            conn.write_shared(Arc::from([]));
                            conn.write_now(b"");
                            continue;
                        }
                    }
                    rest = after;
                }
                Action::Close
            })
        });
        let client = server.connect();
        assert!(client.receive_to_end() == payload(seed, 0, 2 << 20), "{address}");
        drop(client);
        server.stop();
    }
}

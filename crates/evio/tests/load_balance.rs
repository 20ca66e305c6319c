//! Which loop a connection goes to.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::num::NonZero;
use std::thread;

use evio::{Action, Events, LoadBalance, Loops, Server};

use util::{
    Call, Client, Reports, Running, TCP, bind, bind_all, recorder, reports, start_each, transports,
};

/// Runs an echo server that reports the loop of each connection that it opens.
fn balanced(server: Server, loops: usize, policy: LoadBalance) -> (Running, Reports<usize>) {
    let (placed, place) = reports();
    let server = start_each(server.load_balance(policy), loops, move |loop_id| {
        let placed = placed.clone();
        Events::new()
            .opened(move |conn, _| {
                assert_eq!(conn.id().loop_id(), loop_id);
                placed.send(loop_id).unwrap();
                Action::None
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
    });
    (server, place)
}

#[test]
fn round_robin_takes_turns_exactly() {
    const LOOPS: usize = 8;
    for address in transports() {
        for connections in [LOOPS, 67] {
            let (server, place) = balanced(bind(&address), LOOPS, LoadBalance::RoundRobin);
            let mut counts = [0; LOOPS];
            let clients: Vec<Client> = (0..connections).map(|_| server.connect()).collect();
            for _ in 0..connections {
                counts[place.next()] += 1;
            }
            let [min, max] = [counts.iter().min().unwrap(), counts.iter().max().unwrap()];
            assert!(max - min <= 1, "{address}: {counts:?}");
            drop(clients);
            server.stop();
        }
    }
}

/// The turn is the server's, not the listener's.
#[test]
fn round_robin_goes_over_all_listeners_together() {
    let server = bind_all([TCP, TCP, TCP]);
    let (server, place) = balanced(server, 4, LoadBalance::RoundRobin);
    let mut counts = [0; 4];
    let mut clients = Vec::new();
    for number in 0..12 {
        clients.push(Client::connect(server.addrs()[number % 3].addr()));
        counts[place.next()] += 1;
    }
    assert_eq!(counts, [3; 4]);
    drop(clients);
    server.stop();
}

/// Connections are counted while they live: those that have gone make room for the next.
#[test]
fn least_connections_fills_the_gaps() {
    const LOOPS: usize = 4;
    for address in transports() {
        let (server, place) = balanced(bind(&address), LOOPS, LoadBalance::LeastConnections);
        let mut loops: [Vec<Client>; LOOPS] = Default::default();
        let connect = || {
            let client = server.connect();
            (place.next(), client)
        };
        for round in 1..=3 {
            for _ in 0..LOOPS {
                let (loop_id, client) = connect();
                loops[loop_id].push(client);
            }
            assert!(loops.iter().all(|clients| clients.len() == round), "{address}: uneven");
        }
        for crowded in [2, 0, 3] {
            for client in loops[crowded].drain(..2) {
                client.finish_sending();
                assert!(client.receive_to_end().is_empty());
            }
            // A connection is counted out before its loop does anything else.
            loops[crowded][0].echo(b"fence");
            for _ in 0..2 {
                let (loop_id, client) = connect();
                assert_eq!(loop_id, crowded, "{address}: the emptiest loop was not chosen");
                loops[loop_id].push(client);
            }
        }
        drop(loops);
        server.stop();
    }
}

/// Each of the loops gets something: that one of 8 is left out by 300 connections has a chance of
/// less than one in 10^15.
#[test]
fn random_reaches_every_loop() {
    const LOOPS: usize = 8;
    let (server, place) = balanced(bind(TCP), LOOPS, LoadBalance::Random);
    let clients: Vec<Client> = (0..300).map(|_| server.connect()).collect();
    let mut counts = [0; LOOPS];
    for _ in 0..300 {
        counts[place.next()] += 1;
    }
    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
    drop(clients);
    server.stop();
}

/// Connections that end while they are handed over must not upset anybody's count.
#[test]
fn counts_survive_a_storm_of_short_connections() {
    const LOOPS: usize = 3;
    const STORM: usize = 300;
    let (recorder, calls) = recorder();
    let server = bind(TCP).load_balance(LoadBalance::LeastConnections);
    let server = start_each(server, LOOPS, move |_| recorder.wrap(Events::new()));
    for number in 0..STORM {
        let client = server.connect();
        if number % 2 == 0 {
            client.reset();
        }
    }
    for _ in 0..STORM {
        calls.ending();
    }
    // The last of each loop may still be counted; enough of those that stay even that out.
    let clients: Vec<Client> = (0..10 * LOOPS).map(|_| server.connect()).collect();
    let mut counts = [0; LOOPS];
    for _ in &clients {
        let (id, call) = calls.next_of();
        assert_eq!(call, Call::Opened);
        counts[id.loop_id()] += 1;
    }
    assert!(counts.iter().all(|count| (9..=11).contains(count)), "{counts:?}");
    drop(clients);
    server.stop();
}

#[test]
fn the_number_of_loops() {
    let available = thread::available_parallelism().map_or(1, NonZero::get);
    let cases: [(Loops, usize); 4] = [
        (Loops::Exactly(0), 1),
        (Loops::Exactly(1), 1),
        (Loops::from(3), 3),
        (Loops::Available, available),
    ];
    for (loops, expected) in cases {
        let (told, number) = reports();
        bind(TCP)
            .run_each(loops, |_| {
                let told = told.clone();
                Events::new().serving(move |_, serving| {
                    told.send(serving.loops()).unwrap();
                    std::ops::ControlFlow::Break(())
                })
            })
            .unwrap();
        assert_eq!(number.next(), expected, "{loops:?}");
        assert!(number.rest().is_empty(), "serving is called once");
    }
}

//! Where connections go, against a model that counts along.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use evio::{Action, Events, LoadBalance, LoopHandle, Server};

use util::{
    Client, Random, Reports, Running, TCP, ThreadClock, bind, hold, reports, seed, start_each,
    unix_address,
};

/// A server that reports where each connection is opened, and can be waited for.
struct Watched {
    server: Running,
    event_loop: LoopHandle,
    placed: Reports<usize>,
}

fn watched(server: Server, loops: usize) -> Watched {
    let (places, placed) = reports();
    let (handles, handle) = reports();
    let server = start_each(server, loops, move |loop_id| {
        let (places, handles) = (places.clone(), handles.clone());
        Events::new()
            .serving(move |event_loop, _| {
                handles.send(event_loop.handle()).unwrap();
                ControlFlow::Continue(())
            })
            .opened(move |_, _| {
                places.send(loop_id).unwrap();
                Action::None
            })
    });
    Watched { server, event_loop: handle.next(), placed }
}

impl Watched {
    fn connect(&self) -> (usize, Client) {
        let client = self.server.connect();
        (self.placed.next(), client)
    }

    /// Ends a connection of this loop, and waits until the loop is done with it.
    fn end(&self, loop_id: usize, client: Client) {
        client.finish_sending();
        assert!(client.receive_to_end().is_empty());
        // The socket is closed last, so the loop has nothing but the rest of that turn to do.
        let (dones, done) = reports();
        let event_loop = self.event_loop.of_loop(loop_id).unwrap();
        event_loop.post(move |_| dones.send(()).unwrap()).unwrap();
        done.next();
    }
}

#[test]
fn round_robin_is_even_over_eight_loops() {
    let mut counts = [0; 8];
    let watched = watched(bind(TCP).load_balance(LoadBalance::RoundRobin), counts.len());
    for _ in 0..800 {
        let (loop_id, _client) = watched.connect();
        counts[loop_id] += 1;
    }
    assert_eq!(counts, [100; 8]);
    watched.server.stop();
}

/// Pearson's statistic for 8 loops has 7 degrees of freedom; it exceeds 40 once in a million.
#[test]
fn random_is_uniform_over_eight_loops() {
    const CONNECTIONS: usize = 1_600;
    let mut counts = [0f64; 8];
    let watched = watched(bind(TCP).load_balance(LoadBalance::Random), counts.len());
    for _ in 0..CONNECTIONS {
        let (loop_id, _client) = watched.connect();
        counts[loop_id] += 1.0;
    }
    let expected = (CONNECTIONS / counts.len()) as f64;
    let statistic: f64 = counts.iter().map(|n| (n - expected).powi(2) / expected).sum();
    assert!(statistic < 40.0, "chi-square {statistic}: {counts:?}");
    watched.server.stop();
}

/// Whatever has been opened and closed before, a loop with the fewest connections is chosen.
#[test]
fn least_connections_is_exact_over_a_thousand_opens_and_closes() {
    const LOOPS: usize = 4;
    let mut random = Random::new(seed(), 0);
    for address in [TCP, &unix_address()] {
        let watched = watched(bind(address).load_balance(LoadBalance::LeastConnections), LOOPS);
        let mut live: [Vec<Client>; LOOPS] = Default::default();
        for step in 0..1_000 {
            let counts = live.each_ref().map(Vec::len);
            // Now and then more end than begin, so that some loops become quite empty.
            let ends = random.up_to(100) <= if step / 50 % 2 == 0 { 30 } else { 60 };
            let from = random.up_to(LOOPS) - 1;
            if ends && counts[from] > 0 {
                let client = live[from].swap_remove(random.up_to(counts[from]) - 1);
                watched.end(from, client);
            } else {
                let (loop_id, client) = watched.connect();
                assert_eq!(counts[loop_id], *counts.iter().min().unwrap(), "{step}: {counts:?}");
                live[loop_id].push(client);
            }
        }
        drop(live);
        watched.server.stop();
    }
}

/// It sees who comes and how many are where, and its word is taken modulo the number of loops.
#[test]
fn a_function_of_ones_own_sees_everything_and_decides() {
    const LOOPS: usize = 4;
    for address in [TCP, &unix_address()] {
        let mut random = Random::new(seed(), 1);
        let (calls, call) = reports::<(Option<SocketAddr>, Vec<usize>)>();
        let (choices, choice) = std::sync::mpsc::channel();
        let (calls, choice) = (Mutex::new(calls), Mutex::new(choice));
        let server = bind(address).place_with(move |peer, live| {
            calls.lock().unwrap().send((peer, live.to_vec())).unwrap();
            choice.lock().unwrap().recv_timeout(util::DEADLINE).unwrap()
        });
        let watched = watched(server, LOOPS);
        let mut live: [Vec<Client>; LOOPS] = Default::default();
        for _ in 0..200 {
            let counts = live.each_ref().map(Vec::len);
            let from = random.up_to(LOOPS) - 1;
            if random.up_to(5) <= 2 && counts[from] > 0 {
                watched.end(from, live[from].pop().unwrap());
                continue;
            }
            let chosen = random.up_to(3 * LOOPS) - 1;
            choices.send(chosen).unwrap();
            let (loop_id, client) = watched.connect();
            assert_eq!(loop_id, chosen % LOOPS);
            let (peer, seen) = call.next();
            assert_eq!(seen, counts);
            let local = match &client {
                Client::Tcp(stream) => Some(stream.local_addr().unwrap()),
                Client::Unix(_) => None,
            };
            assert_eq!(peer, local);
            live[loop_id].push(client);
        }
        assert!(call.rest().is_empty(), "it was called for something else");
        drop(live);
        watched.server.stop();
    }
}

/// A loop that is held up is given its share all the same; the others go on, and do not wait for it
/// by spinning.
#[test]
fn a_loop_that_is_held_up_leaves_the_others_idle_and_accepting() {
    const WATCHED: Duration = Duration::from_millis(500);
    const BUSY: Duration = Duration::from_millis(100);
    const LOOPS: usize = 3;
    let (threads, thread) = reports();
    let (handles, handle) = reports();
    let server = bind(TCP).load_balance(LoadBalance::RoundRobin);
    let server = start_each(server, LOOPS, move |loop_id| {
        threads.send((loop_id, ThreadClock::of_this_thread())).unwrap();
        let handles = handles.clone();
        Events::new()
            .serving(move |event_loop, _| {
                handles.send(event_loop.handle()).unwrap();
                ControlFlow::Continue(())
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
    });
    let mut clocks: Vec<_> = (0..LOOPS).map(|_| thread.next()).collect();
    clocks.sort_by_key(|(loop_id, _)| *loop_id);
    let (hold, held) = hold();
    handle.next().of_loop(2).unwrap().post(move |_| hold.wait()).unwrap();
    held.wait();
    let clients: Vec<Client> = (0..10 * LOOPS).map(|_| server.connect()).collect();
    let served = |number: &usize| number % LOOPS != 2;
    for number in (0..clients.len()).filter(served) {
        clients[number].echo(b"served");
    }
    for (loop_id, clock) in &clocks[..2] {
        let busy = clock.busy_during(WATCHED);
        assert!(busy < BUSY, "loop {loop_id} was busy for {busy:?}");
    }
    held.release();
    clients.iter().for_each(|client| client.echo(b"all served"));
    server.stop();
}

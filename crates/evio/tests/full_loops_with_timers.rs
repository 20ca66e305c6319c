//! Loops at the limit of connections, with clients that wait: a timer of one of them wakes that one
//! alone, and for nothing but its own sake.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use evio::{Action, Events, LoadBalance};

use util::{Client, TCP, ThreadWakes, bind_all, reports, start_each};

const LOOPS: usize = 4;

const WATCHED: Duration = Duration::from_millis(500);

/// As often as this the system may wake a thread for reasons of its own.
const FEW: u64 = 5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    Tick,
    Timer,
    /// A time that is not over within the test.
    Idle,
}

/// How long the others wait for something, each time.
const PERIOD: Duration = Duration::from_millis(10);

/// Returns how often each loop was woken.
fn wakes(waits: Waits) -> [u64; LOOPS] {
    let (watches, watch) = reports();
    // Each loop has the listener of one address.
    let server = bind_all([TCP; LOOPS]).max_connections(LOOPS);
    let server = server.load_balance(LoadBalance::RoundRobin);
    let server = start_each(server, LOOPS, move |loop_id| {
        watches.send((loop_id, ThreadWakes::of_this_thread())).unwrap();
        Events::new()
            .opened(move |conn, ()| {
                if loop_id == 0 && waits == Waits::Timer {
                    conn.set_timer(Some(PERIOD));
                }
                if waits == Waits::Idle {
                    conn.set_read_timeout(Some(util::DEADLINE));
                }
                Action::None
            })
            .timer(|conn, ()| {
                conn.set_timer(Some(PERIOD));
                Action::None
            })
            .tick(move |_| {
                ControlFlow::Continue(if waits == Waits::Tick { PERIOD } else { Duration::MAX })
            })
            .data(|conn, (), input| {
                conn.write(input);
                Action::None
            })
    });
    let mut watches: Vec<_> = (0..LOOPS).map(|_| watch.next()).collect();
    watches.sort_by_key(|&(loop_id, _)| loop_id);
    let served: Vec<Client> = (0..LOOPS).map(|_| server.connect()).collect();
    served.iter().for_each(|client| client.echo(b"served"));
    // One for each listener, which finds that there is no room and rests.
    let waiting: Vec<Client> =
        server.addrs().iter().map(|address| Client::connect(address.addr())).collect();
    served.iter().for_each(|client| client.echo(b"still served"));
    let wakes = thread::scope(|scope| {
        let during = |(_, watch)| scope.spawn(move || ThreadWakes::during(&watch, WATCHED));
        let watched: Vec<_> = watches.into_iter().map(during).collect();
        watched.into_iter().map(|watched| watched.join().unwrap()).collect::<Vec<_>>()
    });
    drop(served);
    waiting.iter().for_each(|client| client.echo(b"served at last"));
    drop(waiting);
    server.stop();
    wakes.try_into().unwrap()
}

#[test]
fn a_timer_wakes_its_own_loop_for_its_own_sake() {
    let periods = (WATCHED.as_millis() / PERIOD.as_millis()) as u64;
    let cases = [(Waits::Tick, periods), (Waits::Timer, periods), (Waits::Idle, 0)];
    let wakes = thread::scope(|scope| {
        let threads = cases.map(|(waits, _)| scope.spawn(move || wakes(waits)));
        threads.map(|thread| thread.join().unwrap())
    });
    let mut wrong = Vec::new();
    for ((waits, own), wakes) in cases.into_iter().zip(wakes) {
        if wakes[0] > own + FEW || wakes[1..].iter().any(|&wakes| wakes > FEW) {
            wrong.push(format!("{waits:?}: {wakes:?}"));
        }
    }
    assert!(wrong.is_empty(), "loops were woken: {wrong:#?}");
}

//! `Server::max_connections`: never more at once, and those who wait are served when one ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use evio::{Action, Detached, Events};

use util::{
    Client, Random, Reports, Running, TCP, ThreadClock, bind, bind_all, reports, seed, start_each,
    unix_address,
};

/// Returns an address of which each loop has a socket of its own, where there are such.
fn own_sockets() -> &'static str {
    if evio::BACKEND == "epoll" { "tcp://127.0.0.1:0?reuseport=true" } else { TCP }
}

/// How long full loops are watched, and how much of it may be spent in waking up for something.
const WATCHED: Duration = Duration::from_millis(300);
const IDLE: Duration = Duration::from_millis(100);

/// What a limited server shows.
struct Limited {
    server: Running,
    /// The first byte that each connection says.
    said: Reports<u8>,
    clocks: Vec<ThreadClock>,
    /// Connections between `opened` and `closed` or `detached`, at most.
    peak: Arc<AtomicUsize>,
    detached: Reports<Detached>,
}

/// Runs an echo server with a limit, in which `d` detaches.
fn limited(address: &str, loops: usize, limit: usize) -> Limited {
    let (says, said) = reports();
    let (threads, thread) = reports();
    let [open, peak] = [const { AtomicUsize::new(0) }; 2].map(Arc::new);
    let (sockets, detached) = reports();
    let highest = Arc::clone(&peak);
    let server = start_each(bind(address).max_connections(limit), loops, move |_| {
        threads.send(ThreadClock::of_this_thread()).unwrap();
        let (opens, closes, detaches) = (Arc::clone(&open), Arc::clone(&open), Arc::clone(&open));
        let (says, highest, sockets) = (says.clone(), Arc::clone(&highest), sockets.clone());
        Events::new()
            .opened(move |_, _| {
                let now = opens.fetch_add(1, Ordering::SeqCst) + 1;
                highest.fetch_max(now, Ordering::SeqCst);
                Action::None
            })
            .data(move |conn, _, input| {
                conn.write(input);
                // A test that is over is gone, and must not take the loop with it.
                let _ = says.send(input[0]);
                if input[0] == b'd' { Action::Detach } else { Action::None }
            })
            .closed(move |_, _, _| {
                closes.fetch_sub(1, Ordering::SeqCst);
                ControlFlow::Continue(())
            })
            .detached(move |_, _, _, socket| {
                detaches.fetch_sub(1, Ordering::SeqCst);
                let _ = sockets.send(socket);
                ControlFlow::Continue(())
            })
    });
    let clocks = (0..loops).map(|_| thread.next()).collect();
    Limited { server, said, clocks, peak, detached }
}

impl Limited {
    #[track_caller]
    fn check_idle(&self) {
        thread::scope(|scope| {
            let watch = |clock| scope.spawn(move || ThreadClock::busy_during(clock, WATCHED));
            for watched in self.clocks.iter().map(watch).collect::<Vec<_>>() {
                let busy = watched.join().unwrap();
                assert!(busy < IDLE, "a full loop was busy for {busy:?}");
            }
        });
    }
}

/// Waits for the end of a connection whose client has no more to say.
#[track_caller]
fn leave(client: &Client) {
    client.finish_sending();
    client.receive_to_end();
}

#[test]
fn those_who_wait_are_served_when_one_ends_on_whichever_loop() {
    const LIMIT: usize = 5;
    const CLIENTS: usize = 24;
    let mut random = Random::new(seed(), 0);
    let unix = unix_address();
    for (address, loops) in
        [(TCP, 1), (TCP, 4), (own_sockets(), 1), (own_sockets(), 4), (&unix, 1), (&unix, 4)]
    {
        let limited = limited(address, loops, LIMIT);
        let clients: Vec<Client> = (0..CLIENTS).map(|_| limited.server.connect()).collect();
        for (name, client) in clients.iter().enumerate() {
            client.send(&[name as u8]);
        }
        let mut open: Vec<usize> = (0..LIMIT).map(|_| usize::from(limited.said.next())).collect();
        limited.check_idle();
        assert!(limited.said.rest().is_empty(), "{address}, {loops} loops: more than the limit");
        for waiting in (0..CLIENTS - LIMIT).rev() {
            let gone = open.swap_remove(random.up_to(open.len()) - 1);
            assert_eq!(clients[gone].receive(1), [gone as u8]);
            leave(&clients[gone]);
            open.push(usize::from(limited.said.next()));
            if waiting == 3 {
                limited.check_idle();
            }
        }
        for name in open {
            assert_eq!(clients[name].receive(1), [name as u8]);
        }
        assert_eq!(limited.peak.load(Ordering::SeqCst), LIMIT, "{address}, {loops} loops");
        limited.server.stop();
    }
}

/// A socket that has left its loop is no connection of the server's any more.
#[test]
fn a_detached_connection_makes_room() {
    for (address, loops) in [(TCP, 1), (TCP, 4), (own_sockets(), 4)] {
        let limited = limited(address, loops, 2);
        let clients: Vec<Client> = (0..6).map(|_| limited.server.connect()).collect();
        for client in &clients {
            client.send(b"d");
        }
        for client in &clients {
            assert_eq!(client.receive(1), b"d");
        }
        limited.server.connect().echo(b"after six that left");
        assert!(limited.peak.load(Ordering::SeqCst) <= 2);
        // They are still connected.
        let _detached: Vec<Detached> = clients.iter().map(|_| limited.detached.next()).collect();
        limited.server.stop();
    }
}

/// A loop that asks for room and then finds nobody to be accepted must not leave another loop,
/// which asked meanwhile, to wait for a connection to end.
#[test]
fn as_many_as_the_limit_are_served_though_they_come_at_once() {
    const LIMIT: usize = 2;
    const ROUNDS: usize = 500;
    let limited = limited(own_sockets(), 4, LIMIT);
    let address = limited.server.addrs()[0].addr();
    for _ in 0..ROUNDS {
        let together = Barrier::new(LIMIT);
        // Each is kept until all have been served.
        let clients: Vec<Client> = thread::scope(|scope| {
            let come = || {
                together.wait();
                let client = Client::connect(address);
                client.echo(b"x");
                client
            };
            let coming: Vec<_> = (0..LIMIT).map(|_| scope.spawn(come)).collect();
            coming.into_iter().map(|client| client.join().unwrap()).collect()
        });
        clients.iter().for_each(leave);
    }
    limited.server.stop();
}

/// Who waits while the server ends is not served, and does not keep it from ending.
#[test]
fn a_full_server_can_end() {
    for loops in [1, 4] {
        let limited = limited(own_sockets(), loops, 1);
        let clients: Vec<Client> = (0..8).map(|_| limited.server.connect()).collect();
        for client in &clients {
            client.send(b"x");
        }
        limited.said.next();
        limited.server.stop();
        assert!(limited.said.rest().is_empty());
    }
}

/// Nobody is refused for want of a place: they wait until somebody makes one.
#[test]
fn a_limit_of_one_serves_everybody_in_turn() {
    for loops in [1, 4] {
        let limited = limited(own_sockets(), loops, 1);
        let address = limited.server.addrs()[0].addr();
        thread::scope(|scope| {
            for name in 0..40 {
                scope.spawn(move || {
                    let client = Client::connect(address);
                    client.echo(&[name; 100]);
                    leave(&client);
                });
            }
        });
        assert_eq!(limited.peak.load(Ordering::SeqCst), 1);
        limited.server.stop();
    }
}

/// A crowd at the first address, and an administrator at the second.
#[test]
fn an_address_with_a_number_of_its_own_has_room_when_the_others_are_full() {
    for loops in [1, 2] {
        let server = bind_all([TCP, TCP]).max_connections(2).max_connections_of(1, 1);
        let server = start_each(server, loops, |_| {
            Events::new().data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
        });
        let echo = |client: &Client| {
            client.send(b"x");
            assert_eq!(client.receive(1), b"x");
        };
        let connect = |index: usize| Client::connect(server.addrs()[index].addr());
        let crowd = [(); 4].map(|()| connect(0));
        crowd[..2].iter().for_each(echo);
        let admin = connect(1);
        echo(&admin);
        let other_admin = connect(1);
        drop(admin);
        echo(&other_admin);
        let [first, second, others @ ..] = crowd;
        drop((first, second));
        others.iter().for_each(echo);
        server.stop();
    }
}

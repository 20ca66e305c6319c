//! `ConnHandle::wake`: at least one `woken` after it, never lost, and nothing once it is over.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use evio::{Action, ConnHandle, ConnId, Events, LoadBalance, SendError, Server};

use util::{
    Call, Reason, Reports, Running, TCP, bind, payload, recorder, reports, start, start_each,
    transports,
};

/// Runs a server that reports the handle of each connection and its wakes, and echoes.
fn wakeable(address: &str) -> (Running, Reports<ConnHandle>, Reports<ConnHandle>) {
    let (handles, handle) = reports();
    let (wakes, woken) = reports();
    let server = start(bind(address), move || {
        Events::new()
            .opened(move |conn, _| {
                handles.send(conn.handle()).unwrap();
                Action::None
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
            .woken(move |conn, _| {
                wakes.send(conn.handle()).unwrap();
                conn.write(b"woken");
                Action::None
            })
    });
    (server, handle, woken)
}

#[test]
fn another_thread_can_wake_an_idle_connection() {
    for address in transports() {
        let (server, handle, woken) = wakeable(&address);
        let (client, other) = (server.connect(), server.connect());
        let handle = handle.next();
        // Each wake comes when the loop is just done with the one before.
        for _ in 0..2_000 {
            handle.wake().unwrap();
            assert_eq!(woken.next().id(), handle.id());
        }
        assert_eq!(client.receive(10_000), b"woken".repeat(2_000));
        other.echo(b"not woken");
        drop((client, other));
        server.stop();
    }
}

/// Each thread publishes a number and wakes. Wakes may merge, but the last number of each must come
/// to be seen: for every loop, also while it is busy and while it sleeps.
#[test]
fn no_wake_is_lost() {
    const THREADS: usize = 3;
    const WAKES: u64 = 20_000;
    for loops in [1, 2] {
        let published = Arc::new(AtomicU64::new(0));
        let (handles, handle) = reports();
        let (seen, is_seen) = reports();
        let server = bind(TCP).load_balance(LoadBalance::RoundRobin);
        let server = start_each(server, loops, {
            let published = Arc::clone(&published);
            move |_| {
                let (published, handles, seen) =
                    (Arc::clone(&published), handles.clone(), seen.clone());
                Events::new()
                    .opened(move |conn, _| {
                        handles.send(conn.handle()).unwrap();
                        Action::None
                    })
                    .woken(move |conn, _| {
                        let number = published.load(Ordering::Relaxed);
                        if number % (THREADS as u64 * WAKES) == 0 {
                            seen.send((conn.id(), number)).unwrap();
                        }
                        Action::None
                    })
            }
        });
        let clients: Vec<_> = (0..loops).map(|_| server.connect()).collect();
        for round in 1..=loops as u64 {
            let handle = handle.next();
            thread::scope(|scope| {
                for _ in 0..THREADS {
                    scope.spawn(|| {
                        for _ in 0..WAKES {
                            published.fetch_add(1, Ordering::Relaxed);
                            while handle.wake() == Err(SendError::Full) {
                                thread::yield_now();
                            }
                        }
                    });
                }
            });
            // The last number is seen once for each wake that did not merge, so those of the last
            // round may still be coming.
            let last = (handle.id(), round * THREADS as u64 * WAKES);
            while is_seen.next() != last {}
        }
        drop(clients);
        server.stop();
    }
}

#[test]
fn a_callback_can_wake_its_own_connection() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = start(bind(&address), move || {
            recorder.wrap(
                Events::with_context(|_| 0)
                    .opened(|conn, _| {
                        conn.handle().wake().unwrap();
                        Action::None
                    })
                    .woken(|conn, wakes| {
                        *wakes += 1;
                        conn.write(b"*");
                        if *wakes == 3 {
                            return Action::Close;
                        }
                        conn.handle().wake().unwrap();
                        Action::None
                    }),
            )
        });
        let client = server.connect();
        assert_eq!(client.receive_to_end(), b"***");
        drop(client);
        let expected =
            [Call::Opened, Call::Woken, Call::Woken, Call::Woken, Call::Closed(Reason::Closed)];
        assert_eq!(calls.until_ending(), expected, "{address}");
        server.stop();
    }
}

/// A callback that wakes itself again and again must not keep the loop from anything else.
#[test]
fn waking_without_end_does_not_starve_the_others() {
    let (handles, handle) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .opened(move |conn, _| {
                handles.send(conn.handle()).unwrap();
                Action::None
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
            .woken(|conn, _| {
                conn.handle().wake().unwrap();
                Action::None
            })
    });
    let restless = server.connect();
    handle.next().wake().unwrap();
    let client = server.connect();
    for _ in 0..100 {
        client.echo(b"round trip");
    }
    drop((client, restless));
    server.stop();
}

/// A wake neither replaces what waits to be sent nor takes back a close.
#[test]
fn a_wake_while_output_is_pending_adds_to_it() {
    const LARGE: usize = 8 << 20;
    for address in transports() {
        let seed = util::seed();
        let (handles, handle) = reports();
        let (wakes, woken) = reports();
        let server = start(bind(&address), move || {
            Events::new()
                .opened(move |conn, _| {
                    handles.send(conn.handle()).unwrap();
                    conn.write(&payload(seed, 0, LARGE));
                    Action::None
                })
                .woken(move |conn, _| {
                    wakes.send(conn.output_len()).unwrap();
                    conn.write(b"woken");
                    Action::None
                })
        });
        let client = server.connect();
        handle.next().wake().unwrap();
        assert!(woken.next() > 0, "output is pending");
        assert!(client.receive(LARGE) == payload(seed, 0, LARGE), "{address}");
        assert_eq!(client.receive(5), b"woken");
        drop(client);
        server.stop();
    }
}

/// The second connection takes the place of the first in the loop's table.
#[test]
fn a_stale_handle_does_not_reach_the_connection_that_came_after() {
    for address in transports() {
        let (server, handle, woken) = wakeable(&address);
        let client = server.connect();
        let stale = handle.next();
        client.finish_sending();
        assert!(client.receive_to_end().is_empty());
        drop(client);
        let client = server.connect();
        let fresh = handle.next();
        assert_ne!(stale.id(), fresh.id());
        let [place, fresh_place] = [&stale, &fresh].map(|handle| {
            handle.id().to_string().rsplit_once('-').map(|(place, _)| place.to_owned())
        });
        assert_eq!(place, fresh_place, "the place was not recycled");
        stale.wake().unwrap();
        stale.send("for somebody else").unwrap();
        stale.abort().unwrap();
        stale.close().unwrap();
        // Messages of one thread are carried out in order, so those above have been ignored.
        fresh.wake().unwrap();
        assert_eq!(woken.next().id(), fresh.id());
        assert_eq!(client.receive(5), b"woken");
        client.echo(b"alive");
        drop(client);
        server.stop();
        assert!(woken.rest().is_empty());
    }
}

#[test]
fn a_handle_outlives_the_server() {
    for loops in [1, 2] {
        let (handles, handle) = reports();
        let server = bind(TCP).load_balance(LoadBalance::RoundRobin);
        let server = start_each(server, loops, move |_| {
            let handles = handles.clone();
            Events::new().opened(move |conn, _| {
                handles.send(conn.handle()).unwrap();
                Action::None
            })
        });
        let clients: Vec<_> = (0..loops).map(|_| server.connect()).collect();
        let handles: Vec<_> = (0..loops).map(|_| handle.next()).collect();
        drop(clients);
        server.stop();
        for handle in handles {
            for handle in [handle.clone(), handle] {
                assert_eq!(handle.wake(), Err(SendError::Stopped));
                assert_eq!(handle.send("x").map_err(SendError::from), Err(SendError::Stopped));
                assert_eq!(
                    handle.send_shared(Arc::from(*b"x")).map_err(SendError::from),
                    Err(SendError::Stopped)
                );
                assert_eq!(handle.close(), Err(SendError::Stopped));
                assert_eq!(handle.abort(), Err(SendError::Stopped));
            }
        }
    }
}

/// The mailbox has no room for a wake by a handle.
#[test]
fn a_callback_wakes_another_connection_once_however_full_the_mailbox_is() {
    for address in transports() {
        let (ids, id) = reports();
        let (wakes, woken) = reports();
        let mut other: Option<ConnId> = None;
        let server = Server::bind([&*address]).unwrap().mailbox_capacity(1);
        let server = start(server, move || {
            Events::new()
                .opened(move |conn, ()| {
                    ids.send(conn.id()).unwrap();
                    Action::None
                })
                .data(move |conn, (), input| {
                    let Some(id) = other else {
                        other = Some(conn.id());
                        conn.write(input);
                        return Action::None;
                    };
                    let mut waiting = conn.sibling(id).unwrap();
                    let handle = waiting.handle();
                    while handle.wake().is_ok() {}
                    (0..100).for_each(|_| waiting.wake());
                    conn.write(input);
                    Action::None
                })
                .woken(move |conn, ()| {
                    wakes.send(conn.id()).unwrap();
                    Action::None
                })
        });
        let waiting = server.connect();
        let first = id.next();
        waiting.echo(b"x");
        let waking = server.connect();
        for _ in 0..3 {
            waking.echo(b"y");
            // One by the handle, and one for the hundred.
            assert_eq!([woken.next(), woken.next()], [first; 2]);
        }
        drop((waiting, waking));
        server.stop();
        assert!(woken.rest().is_empty());
    }
}

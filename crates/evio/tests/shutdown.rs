//! The end of a server: asked for from anywhere, told to every connection, and on time.

mod util;

use std::collections::HashSet;
use std::io::Write;
use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use evio::{Action, ConnId, Events, Limits, LoadBalance};

use util::{
    Call, Calls, Client, DEADLINE, Reason, TCP, bind, bind_all, payload, recorder, reports, start,
    start_each, transports, unix_address,
};

/// Checks that each connection that was opened has ended exactly once, and returns the endings.
#[track_caller]
fn endings(calls: &Calls) -> Vec<Call> {
    let mut open = HashSet::<ConnId>::new();
    let mut endings = Vec::new();
    for (id, call) in calls.rest() {
        match call {
            Call::Opened => assert!(open.insert(id), "{id} was opened twice"),
            Call::Closed(_) | Call::Detached => {
                assert!(open.remove(&id), "{id} ended twice");
                endings.push(call);
            }
            _ => assert!(open.contains(&id), "{id} was called after its end: {call:?}"),
        }
    }
    assert!(open.is_empty(), "never ended: {open:?}");
    endings
}

const SHUTDOWN: Call = Call::Closed(Reason::Shutdown);

/// Every callback of a connection can end the server, on whichever loop it runs; what was written
/// before is delivered, and everybody gets a clean end.
#[test]
fn every_callback_of_a_connection_can_shut_down() {
    for from in ["opened", "data", "woken", "drained", "timer", "peer closed", "closed"] {
        for loops in [1, 3] {
            let (recorder, calls) = recorder();
            let server = bind(TCP).load_balance(LoadBalance::RoundRobin);
            let server = start_each(server, loops, move |_| {
                let act = move |here: &str, last: bool| {
                    if last && here == from { Action::Shutdown } else { Action::None }
                };
                // The context tells the connection that ends the server from the bystanders.
                recorder.wrap(
                    Events::with_context(|_| false)
                        .opened(move |conn, last| {
                            conn.write(b"hello");
                            *last = from == "opened" && conn.id().loop_id() == loops - 1;
                            act("opened", *last)
                        })
                        .data(move |conn, last, input| {
                            *last = true;
                            match from {
                                "woken" => conn.handle().wake().unwrap(),
                                "drained" => {
                                    let limits = Limits::default().high_watermark(0);
                                    conn.set_limits(limits);
                                }
                                "timer" => conn.set_timer(Some(Duration::from_millis(1))),
                                "closed" => conn.close(),
                                _ => {}
                            }
                            conn.write(input);
                            act("data", *last)
                        })
                        .woken(move |_, last| act("woken", *last))
                        .drained(move |_, last| act("drained", *last))
                        .timer(move |_, last| act("timer", *last))
                        .peer_closed(move |_, last| act("peer closed", *last))
                        .closed(move |_, last, _| match act("closed", last) {
                            Action::Shutdown => ControlFlow::Break(()),
                            _ => ControlFlow::Continue(()),
                        }),
                )
            });
            let mut clients: Vec<Client> = (0..loops).map(|_| server.connect()).collect();
            for client in &clients {
                assert_eq!(client.receive(5), b"hello", "{from}");
            }
            let last = clients.pop().unwrap();
            if from != "opened" {
                last.send(b"the end");
            }
            if from == "peer closed" {
                last.finish_sending();
            }
            let expected: &[u8] =
                if ["opened", "closed"].contains(&from) { b"" } else { b"the end" };
            assert_eq!(last.receive_to_end(), expected, "{from}");
            drop(last);
            for client in clients {
                assert_eq!(client.receive_to_end(), b"", "{from}");
            }
            server.wait();
            let endings = endings(&calls);
            assert_eq!(endings.len(), loops, "{from}");
            let shut_down = endings.iter().filter(|ending| **ending == SHUTDOWN).count();
            assert_eq!(shut_down, if from == "closed" { loops - 1 } else { loops }, "{from}");
        }
    }
}

#[test]
fn break_from_a_datagram_ends_the_server_after_the_reply() {
    let server = start(bind("udp://127.0.0.1:0"), || {
        Events::new().datagram(|socket, peer, input| {
            socket.send_to(input, peer);
            ControlFlow::Break(())
        })
    });
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(util::DEADLINE)).unwrap();
    client.connect(server.addrs()[0].addr().as_inet().unwrap()).unwrap();
    client.send(b"the end").unwrap();
    let mut buffer = [0; 16];
    assert_eq!(client.recv(&mut buffer).unwrap(), 7);
    server.wait();
}

/// See `serving.rs` and `tick.rs` for the callbacks of the server itself.
#[test]
fn a_handle_can_shut_down_before_the_server_runs() {
    for loops in [1, 3] {
        let (recorder, calls) = recorder();
        let server = bind(TCP);
        let handle = server.handle();
        let client = Client::connect(server.local_addrs()[0].addr());
        handle.shutdown();
        handle.shutdown();
        let server = start_each(server, loops, move |_| recorder.wrap(Events::new()));
        server.wait();
        endings(&calls);
        let _ = client.receive_to_any_end();
        handle.shutdown();
    }
}

#[test]
fn a_handle_can_shut_down_a_running_server_from_several_threads() {
    let (recorder, calls) = recorder();
    let server = bind_all([TCP, &unix_address()]);
    let server = server.load_balance(LoadBalance::RoundRobin);
    let server = start_each(server, 3, move |_| {
        recorder.wrap(Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        }))
    });
    let connect = |number: usize| Client::connect(server.addrs()[number % 2].addr());
    let clients: Vec<Client> = (0..20).map(connect).collect();
    for client in &clients {
        client.echo(b"!");
    }
    let handle = server.handle().clone();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| handle.shutdown());
        }
    });
    server.wait();
    handle.shutdown();
    for client in clients {
        assert!(client.receive_to_end().is_empty());
    }
    assert_eq!(endings(&calls), [SHUTDOWN; 20]);
}

#[test]
fn a_server_that_is_told_to_end_gracefully_before_it_runs_ends_as_soon_as_it_does() {
    let server = bind(TCP);
    let handle = server.handle();
    for _ in 0..2 {
        handle.shutdown_gracefully(1_000 * DEADLINE);
    }
    start(server, Events::new).wait();
    // It is over.
    handle.shutdown_gracefully(DEADLINE);
    handle.shutdown();
}

#[test]
fn a_handle_of_a_server_that_never_ran_is_harmless() {
    let server = bind(&unix_address());
    let handle = server.handle();
    let address = server.local_addrs()[0].addr().clone();
    drop(server);
    handle.shutdown();
    assert!(Client::try_connect(&address).is_err(), "nobody listens any more");
}

#[test]
fn output_that_peers_are_taking_is_not_cut_off() {
    const LARGE: usize = 8 << 20;
    for address in transports() {
        let seed = util::seed();
        let (recorder, calls) = recorder();
        let server = start(bind(&address).shutdown_timeout(util::DEADLINE), move || {
            recorder.wrap(Events::new().data(move |conn, _, _| {
                conn.write(&payload(seed, 0, LARGE));
                Action::None
            }))
        });
        let clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
        for client in &clients {
            client.send(b"x");
            assert_eq!(client.receive(1), payload(seed, 0, 1));
        }
        server.handle().shutdown();
        for client in clients {
            assert!(client.receive_to_end() == payload(seed, 0, LARGE)[1..], "{address}");
        }
        server.wait();
        assert_eq!(endings(&calls), [SHUTDOWN; 3]);
    }
}

/// One peer never reads, one is being detached and never reads, one never closes its side, one has
/// sent more than anybody reads: none of them can hold up the end, which comes at the timeout.
#[test]
fn peers_cannot_hold_up_the_end() {
    for address in transports() {
        for loops in [1, 2] {
            let (recorder, calls) = recorder();
            let server = bind(&address).shutdown_timeout(Duration::from_millis(50));
            let server = start_each(server, loops, move |_| {
                recorder.wrap(Events::new().data(|conn, _, input| {
                    conn.write(b"!");
                    match input[0] {
                        b'o' => conn.write_owned(vec![0; 48 << 20]),
                        b'd' => {
                            conn.write_owned(vec![0; 48 << 20]);
                            return Action::Detach;
                        }
                        b'c' => return Action::Close,
                        b'p' => conn.pause_reading(),
                        _ => {}
                    }
                    Action::None
                }))
            });
            let clients: Vec<Client> = [b"o", b"d", b"c", b"p", b"-"]
                .into_iter()
                .map(|command| {
                    let client = server.connect();
                    client.send(command);
                    client.receive(1);
                    client
                })
                .collect();
            clients[3].send(&[0; 100_000]);
            server.stop();
            let endings = endings(&calls);
            assert_eq!(endings.len(), clients.len());
            let shut_down = endings.iter().filter(|ending| **ending == SHUTDOWN).count();
            assert!(shut_down >= 4, "{endings:?}");
        }
    }
}

/// A shutdown that catches a connection while the peer's end is all that is missing changes
/// nothing about why it was closed.
#[test]
fn a_connection_that_was_closed_before_keeps_its_reason() {
    for address in transports() {
        let (recorder, calls) = recorder();
        let server = bind(&address).shutdown_timeout(Duration::from_millis(50));
        let server = start(server, move || {
            recorder.wrap(Events::new().opened(|conn, _| {
                conn.write(b"bye");
                Action::Close
            }))
        });
        let client = server.connect();
        assert_eq!(client.receive_to_end(), b"bye");
        server.stop();
        assert_eq!(endings(&calls), [Call::Closed(Reason::Closed)], "{address}");
    }
}

/// Clients keep coming and talking while the server ends.
#[test]
fn a_storm_of_clients_does_not_keep_a_server_from_ending() {
    for loops in [1, 2] {
        let (recorder, calls) = recorder();
        let (requests, requested) = reports();
        let server = start_each(bind(TCP), loops, move |_| {
            let requests = requests.clone();
            recorder.wrap(Events::new().data(move |conn, _, input| {
                requests.send(()).unwrap();
                conn.write(input);
                Action::None
            }))
        });
        let address = server.addrs()[0].addr().clone();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    // Until the server is gone, however it happens to go.
                    while let Ok(client) = Client::try_connect(&address) {
                        use std::io::{Read, Write};
                        let mut client = &client;
                        let _ = client.write_all(b"!").and_then(|()| client.read_exact(&mut [0]));
                    }
                });
            }
            for _ in 0..100 {
                requested.next();
            }
            server.stop();
        });
        endings(&calls);
    }
}

/// A prompt shutdown that follows a graceful one does not wait longer than that would have.
#[test]
fn a_prompt_shutdown_does_not_prolong_a_graceful_one() {
    let an_hour = Duration::from_secs(3_600);
    let (opens, opened) = reports();
    let server = start(bind(TCP).shutdown_timeout(an_hour), move || {
        Events::new()
            .opened(move |conn, ()| {
                // More than the sockets hold, for a peer that does not read.
                conn.write_owned(vec![0; 32 << 20]);
                opens.send(()).unwrap();
                Action::None
            })
            .stopping(|_, ()| Action::None)
    });
    let client = server.connect();
    opened.next();
    server.handle().shutdown_gracefully(Duration::from_millis(300));
    server.handle().shutdown();
    server.wait();
    drop(client);
}

/// A signal handler can write to a socket, and a program that has started the server can let go of
/// one by ending.
#[test]
fn a_socket_that_becomes_readable_ends_the_server() {
    let writes: fn(UnixStream) = |mut signalled| signalled.write_all(&[0]).unwrap();
    for (ends, gracefully) in [(writes, false), (drop, false), (writes, true)] {
        let (stop, signalled) = UnixStream::pair().unwrap();
        let (recorder, calls) = recorder();
        let server = match gracefully {
            false => bind(TCP).shutdown_on(stop),
            true => bind(TCP).shutdown_gracefully_on(stop, Duration::from_secs(60)),
        };
        let server = start_each(server, 2, move |_| {
            recorder.wrap(
                Events::new()
                    .data(|conn, _, input| {
                        conn.write(input);
                        Action::None
                    })
                    .stopping(|conn, _| {
                        conn.write(b"bye");
                        Action::Close
                    }),
            )
        });
        let clients: Vec<Client> = (0..8).map(|_| server.connect()).collect();
        for client in &clients {
            client.echo(b"hello");
        }
        ends(signalled);
        let last_words: &[u8] = if gracefully { b"bye" } else { b"" };
        for client in &clients {
            assert_eq!(client.receive_to_end(), last_words);
        }
        drop(clients);
        server.wait();
        assert_eq!(endings(&calls), [SHUTDOWN; 8]);
    }
}

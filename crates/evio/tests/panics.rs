//! A panic in a callback never leaves a server behind that is only half alive.

mod util;

use std::any::Any;
use std::collections::HashSet;
use std::io::Write;
use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::time::Duration;

use evio::{Action, Events, LoadBalance, PanicPolicy};

use util::{Call, Calls, Client, Reason, Running, TCP, bind_all, recorder, start_each};

const LOOPS: usize = 2;

/// Returns the last loop that datagrams reach: the first, where sockets cannot share a port.
fn last_with_udp() -> usize {
    if evio::BACKEND == "epoll" { LOOPS - 1 } else { 0 }
}

/// Runs a server of two loops; the callback `from` panics on loop `on`.
fn panicking(from: &'static str, on: usize, policy: PanicPolicy) -> (Running, Calls) {
    let (recorder, calls) = recorder();
    let server = bind_all([TCP, "udp://127.0.0.1:0"]);
    let server = server.load_balance(LoadBalance::RoundRobin).panic_policy(policy);
    let server = start_each(server, LOOPS, move |loop_id| {
        let here = move |callback: &str| {
            assert!(callback != from || loop_id != on, "deliberate: {callback}");
        };
        here("make");
        recorder.wrap(
            Events::with_context(move |_| here("context"))
                .serving(move |_, _| {
                    here("serving");
                    ControlFlow::Continue(())
                })
                .tick(move |_| {
                    here("tick");
                    ControlFlow::Continue(Duration::MAX)
                })
                .opened(move |_, ()| {
                    here("opened");
                    Action::None
                })
                .data(move |conn, (), input| {
                    here("data");
                    match from {
                        "woken" => conn.handle().wake().expect("the server is running"),
                        "closed" => return Action::Close,
                        "detached" => return Action::Detach,
                        _ => {}
                    }
                    conn.write(input);
                    Action::None
                })
                .woken(move |_, ()| {
                    here("woken");
                    Action::None
                })
                .peer_closed(move |_, ()| {
                    here("peer closed");
                    Action::Close
                })
                .closed(move |_, (), _| {
                    here("closed");
                    ControlFlow::Continue(())
                })
                .detached(move |_, _, (), _| {
                    here("detached");
                    ControlFlow::Continue(())
                })
                .datagram(move |_, _, _| {
                    here("datagram");
                    ControlFlow::Continue(())
                })
                .pre_write(move |_| {
                    here("pre_write");
                    Ok(())
                }),
        )
    });
    (server, calls)
}

/// Sends datagrams, and on a connection of each loop a request; the results do not matter, since
/// the server may be gone before all is sent.
fn provoke(server: &Running, from: &str) -> Vec<Client> {
    let clients: Vec<Client> =
        (0..LOOPS).filter_map(|_| Client::try_connect(server.addrs()[0].addr()).ok()).collect();
    for client in &clients {
        let _ = (&mut &*client).write_all(b"!");
        if ["peer closed", "closed"].contains(&from) {
            let _ = client.try_finish_sending();
        }
        if from == "datagram" {
            // Now the server runs: before that, one socket takes all datagrams.
            assert_eq!(client.receive(1), b"!");
        }
    }
    let address = server.addrs()[1].addr().as_inet().expect("a UDP address");
    // The kernel chooses the loop by the peer's port: 32 of them miss one once in 2^32 times.
    for _ in 0..32 {
        let udp = UdpSocket::bind("127.0.0.1:0").expect("a UDP socket");
        let _ = udp.send_to(b"!", address);
    }
    clients
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<String>().map_or("not a message", |message| message)
}

/// The panic comes out of `run_each` on the caller's thread, whichever loop it was on, and all
/// connections of all loops are gone by then.
#[test]
fn a_panic_ends_the_server_and_goes_on() {
    let of_every_loop = [
        "make",
        "context",
        "opened",
        "data",
        "woken",
        "peer closed",
        "closed",
        "detached",
        "pre_write",
    ];
    let cases = of_every_loop.into_iter().flat_map(|from| [(from, 0), (from, 1)]);
    for (from, on) in cases.chain([("serving", 0), ("tick", 0), ("datagram", last_with_udp())]) {
        let (server, calls) = panicking(from, on, PanicPolicy::EndServer);
        let clients = provoke(&server, from);
        let handle = server.handle().clone();
        let panic = server.join().expect_err(from);
        assert_eq!(message(&*panic), format!("deliberate: {from}"), "on loop {on}");
        handle.shutdown();
        for client in clients {
            let _ = client.receive_to_any_end();
        }
        // The loop that did not panic has closed its connections in good order.
        let mut open = HashSet::new();
        for (id, call) in calls.rest() {
            match call {
                Call::Opened => assert!(open.insert(id)),
                Call::Closed(_) | Call::Detached => assert!(open.remove(&id)),
                _ => {}
            }
        }
        assert!(open.iter().all(|id| id.loop_id() == on), "{from} on loop {on}: {open:?}");
    }
}

/// Where panics are contained, only the connection that it was about comes to an end.
#[test]
fn a_contained_panic_ends_one_connection() {
    for from in ["opened", "data", "woken", "peer closed"] {
        for on in 0..LOOPS {
            let (server, calls) = panicking(from, on, PanicPolicy::CloseConnection);
            for _ in 0..3 {
                let mut clients = provoke(&server, from);
                // Connections take turns, so the loops are reached in their order.
                let _ = clients.remove(on).receive_to_any_end();
                for client in clients {
                    assert_eq!(client.receive(1), b"!");
                }
                for _ in 0..LOOPS {
                    let (id, call) = calls.ending();
                    let expected =
                        if id.loop_id() == on { Reason::Panicked } else { Reason::PeerClosed };
                    assert_eq!(call, Call::Closed(expected), "{from} on loop {on}");
                }
            }
            server.stop();
            assert!(calls.rest().is_empty());
        }
    }
}

/// What belongs to no connection cannot be contained.
#[test]
fn a_panic_beside_the_connections_always_ends_the_server() {
    for (from, on) in [("serving", 0), ("tick", 0), ("pre_write", 1), ("datagram", last_with_udp())]
    {
        let (server, _calls) = panicking(from, on, PanicPolicy::CloseConnection);
        let clients = provoke(&server, from);
        let panic = server.join().expect_err(from);
        assert_eq!(message(&*panic), format!("deliberate: {from}"));
        drop(clients);
    }
}

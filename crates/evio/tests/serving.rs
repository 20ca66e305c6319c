//! `serving`: once, first, with the real addresses.

mod util;

use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use evio::{Action, Address, Events, LoadBalance, Server};

use util::{Client, TCP, bind, recorder, reports, start, start_each, transports, unix_address};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Serving,
    Tick,
    Opened,
}

/// Clients wait on a listener of every loop before the server runs, so that a loop which does not
/// wait for `serving` and `tick` would open one too early.
#[test]
fn serving_then_tick_then_opened() {
    for loops in [1, 3] {
        let (steps, seen) = reports();
        let server = Server::bind([TCP, TCP, TCP]).unwrap();
        let clients: Vec<_> =
            server.local_addrs().iter().map(|bound| Client::connect(bound.addr())).collect();
        let server = start_each(server, loops, move |_| {
            let steps = [steps.clone(), steps.clone(), steps.clone()];
            let [serving, tick, opened] = steps;
            Events::new()
                .serving(move |_, _| {
                    serving.send(Step::Serving).unwrap();
                    // Gives the other loops time to do what they must not.
                    thread::sleep(Duration::from_millis(20));
                    ControlFlow::Continue(())
                })
                .tick(move |_| {
                    tick.send(Step::Tick).unwrap();
                    ControlFlow::Continue(Duration::MAX)
                })
                .opened(move |_, _| {
                    opened.send(Step::Opened).unwrap();
                    Action::Close
                })
        });
        for client in clients {
            assert!(client.receive_to_end().is_empty());
        }
        server.stop();
        let expected = [Step::Serving, Step::Tick, Step::Opened, Step::Opened, Step::Opened];
        assert_eq!(seen.rest(), expected, "{loops} loops");
    }
}

#[test]
fn serving_tells_the_real_addresses_and_the_number_of_loops() {
    let (told, seen) = reports();
    let [tcp, unix] = transports();
    let server = Server::bind([tcp, unix, "udp://127.0.0.1:0".to_owned()]).unwrap();
    let bound: Vec<_> =
        server.local_addrs().iter().map(|b| (b.index(), b.addr().to_string())).collect();
    let server = start_each(server, 4, move |_| {
        let told = told.clone();
        Events::new().serving(move |_, serving| {
            let addrs = serving.local_addrs().iter();
            let addrs: Vec<_> = addrs.map(|(index, addr)| (*index, addr.to_string())).collect();
            told.send((serving.loops(), addrs)).unwrap();
            ControlFlow::Continue(())
        })
    });
    let (loops, addrs) = seen.next();
    server.stop();
    assert_eq!(loops, 4);
    assert_eq!(addrs, bound);
    assert_eq!(bound.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [0, 1, 2]);
    for (_, addr) in &bound {
        assert!(!addr.ends_with(":0"), "{addr} has a real port");
    }
}

#[test]
fn a_bound_address_is_displayed_as_an_address_with_the_real_port() {
    let inet = [TCP, "tcp4://127.0.0.1:0", "tcp6://[::1]:0", "udp://127.0.0.1:0"];
    for address in inet {
        let server = bind(address);
        let shown = server.local_addrs()[0].to_string();
        let port = server.local_addrs()[0].addr().as_inet().unwrap().port();
        assert_ne!(port, 0);
        assert_eq!(shown, format!("{}{port}", address.trim_end_matches('0')));
        assert_eq!(shown.parse::<Address>().unwrap().to_string(), shown);
    }
    let address = unix_address();
    assert_eq!(bind(&address).local_addrs()[0].to_string(), address);
}

/// Clients are waiting on the listener, and no loop may take one of them in.
#[test]
fn break_from_serving_ends_the_server() {
    for loops in [1, 3] {
        let (ticks, ticked) = reports();
        let (recorder, calls) = recorder();
        let server = bind(TCP).load_balance(LoadBalance::RoundRobin);
        let connect = |_| Client::connect(server.local_addrs()[0].addr());
        let clients: Vec<Client> = (0..2 * loops).map(connect).collect();
        let server = start_each(server, loops, move |_| {
            let ticks = ticks.clone();
            recorder.wrap(Events::new().serving(|_, _| ControlFlow::Break(())).tick(move |_| {
                ticks.send(()).unwrap();
                ControlFlow::Continue(Duration::MAX)
            }))
        });
        server.wait();
        assert!(ticked.rest().is_empty(), "{loops} loops: no tick after the end was asked for");
        assert_eq!(calls.rest(), [], "{loops} loops: nothing is opened after that");
        for client in clients {
            // It was never accepted, so it may be reset as well as closed.
            let _ = client.receive_to_any_end();
        }
    }
}

#[test]
fn the_handle_that_serving_gets_ends_the_server() {
    let (handles, handle) = reports();
    let server = start(bind(TCP), move || {
        Events::new().serving(move |event_loop, _| {
            handles.send(event_loop.handle()).unwrap();
            ControlFlow::Continue(())
        })
    });
    let handle = handle.next();
    handle.shutdown();
    server.wait();
    handle.shutdown();
}

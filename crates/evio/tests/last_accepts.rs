//! Clients that wait to be accepted when a graceful shutdown begins.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::sync::{Arc, Mutex};

use evio::{Action, Events};

use util::{Client, DEADLINE, Hold, TCP, bind, hold, start_each};

const CLIENTS: usize = 200;

/// The kernel resets whoever waits at a listener when that is closed.
#[test]
fn clients_that_wait_are_served() {
    for (loops, keeps) in [(1, true), (2, true), (1, false), (2, false)] {
        let (holds, held): (Vec<Hold>, Vec<_>) = (0..loops).map(|_| hold()).unzip();
        let holds = Arc::new(Mutex::new(holds));
        let server = start_each(bind(TCP), loops, move |_| {
            let holds = Arc::clone(&holds);
            let hold_up = move || holds.lock().unwrap().pop().expect("one for each loop");
            Events::new()
                .data(move |conn, (), input| {
                    if input == b"hold" {
                        hold_up().wait();
                    }
                    conn.write(input);
                    Action::Close
                })
                // What they have asked for was read before that.
                .stopping(move |_, ()| if keeps { Action::None } else { Action::Close })
        });
        // Round robin: one for each loop.
        let first: Vec<Client> = (0..loops).map(|_| server.connect()).collect();
        first.iter().for_each(|client| client.send(b"hold"));
        held.iter().for_each(util::Held::wait);
        let clients: Vec<Client> = (0..CLIENTS).map(|_| server.connect()).collect();
        clients.iter().for_each(|client| client.send(b"last"));
        server.handle().shutdown_gracefully(DEADLINE);
        held.iter().for_each(util::Held::release);
        for client in &clients {
            assert_eq!(client.receive(4), b"last");
        }
        drop((first, clients));
        server.wait();
    }
}

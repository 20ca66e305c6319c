//! Connections that wait are accepted in few turns, however quiet it was before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use evio::{Action, Events};

use util::{Client, Driven, Turns, bind, hold, reports, start_driven, transports};

const CONNECTIONS: usize = 200;

/// So many turns are enough by far: a quarter of them, if each accepts as many as it may.
const TURNS: usize = 16;

#[test]
fn many_that_wait_are_accepted_in_few_turns() {
    for address in transports() {
        let turns = Turns::default();
        let (tells, told) = reports();
        let counted = turns.clone();
        let Driven { server, driver, .. } = start_driven(bind(&address), move || {
            Events::new().opened(move |_, ()| {
                tells.send(counted.count()).unwrap();
                Action::None
            })
        });
        // As few as one are expected after some that come alone.
        for _ in 0..3 {
            drop(server.connect());
            told.next();
        }
        let (hold, held) = hold();
        driver.handle().post(move |_| hold.wait()).unwrap();
        held.wait();
        turns.begin(&driver);
        let clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
        held.release();
        let opened: Vec<usize> = (0..CONNECTIONS).map(|_| told.next()).collect();
        turns.end();
        let taken = opened[CONNECTIONS - 1] + 1 - opened[0];
        assert!(taken <= TURNS, "{address}: it took {taken} turns");
        drop(clients);
        server.stop();
    }
}

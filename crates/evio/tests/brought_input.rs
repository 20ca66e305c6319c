//! Input that a socket brings along into its loop, of a connection that is congested: no poller
//! reports that input.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;

use evio::{Action, ConnId, Events, Origin};

use util::{
    Client, Driven, Reports, bind, limits, payload, reports, seed, start_driven, transports,
};

/// More than is read at once.
const BROUGHT: usize = 200_000;

/// More than the kernel takes from a server whose peer does not read.
static UNSENDABLE: [u8; 16 << 20] = [7; 16 << 20];

/// A connection that has left its loop and come back, with input, and is congested.
struct Congested {
    driven: Driven,
    id: ConnId,
    client: Client,
    received: Reports<Vec<u8>>,
    expected: Vec<u8>,
}

fn congested(address: &str, reads: bool) -> Congested {
    let (adopts, adopted) = reports();
    let (receives, received) = reports();
    let limits = limits(|limits| limits.high_watermark = 1_000);
    let driven = start_driven(bind(address).limits(limits), move || {
        Events::with_context(|_| 0)
            .opened(move |conn, _| {
                if let Origin::Adopted(_) = conn.origin() {
                    conn.read_while_congested(reads);
                    conn.write_static(&UNSENDABLE);
                    assert!(conn.is_congested());
                    adopts.send(conn.id()).unwrap();
                }
                Action::None
            })
            .data(move |conn, put_back, input| {
                if let Origin::Adopted(_) = conn.origin() {
                    receives.send(input.to_vec()).unwrap();
                    return Action::None;
                }
                conn.put_back(input);
                *put_back += input.len();
                if *put_back == BROUGHT { Action::Detach } else { Action::None }
            })
            .detached(|event_loop, _, _, socket| {
                event_loop.adopt(socket, 0_u64).unwrap();
                ControlFlow::Continue(())
            })
    });
    let expected = payload(seed(), 0, BROUGHT);
    let client = driven.server.connect();
    client.send(&expected);
    let id = adopted.next();
    driven.driver.fence();
    Congested { driven, id, client, received, expected }
}

impl Congested {
    fn receive(&self, expected: &[u8]) {
        let mut received = Vec::new();
        while received.len() < expected.len() {
            received.extend(self.received.next());
        }
        assert!(received == expected, "the input differs");
    }

    /// Waits for what was brought along, and for what comes after it, and ends the server.
    fn end(self) {
        self.receive(&self.expected);
        self.client.send(b"after");
        self.receive(b"after");
        drop(self.client);
        self.driven.server.stop();
    }
}

#[test]
fn it_is_delivered_to_a_handler_that_reads_while_congested() {
    for address in transports() {
        congested(&address, true).end();
    }
}

#[test]
fn it_is_delivered_as_soon_as_the_handler_reads_while_congested() {
    for address in transports() {
        let congested = congested(&address, false);
        assert!(congested.received.rest().is_empty(), "{address}: input although congested");
        congested.driven.driver.ask_of(congested.id, |conn| conn.read_while_congested(true));
        congested.end();
    }
}

#[test]
fn it_is_delivered_when_the_output_has_drained() {
    for address in transports() {
        let congested = congested(&address, false);
        assert!(congested.received.rest().is_empty(), "{address}: input although congested");
        congested.client.receive(UNSENDABLE.len());
        congested.end();
    }
}

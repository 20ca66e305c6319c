//! A peer that has ended its output is silent from then on: its FIN is no input that waits.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::time::Duration;

use evio::{Action, Events, Timeout};

use util::{Driven, Reason, TCP, Transport, bind, limits, pair, start_driven};

const IDLE: Duration = Duration::from_millis(200);

#[test]
fn a_peer_that_has_ended_its_output_is_idle_after_a_while() {
    let limits = limits(|limits| limits.idle_timeout = Some(IDLE));
    for transport in [Transport::Unix, Transport::Tcp] {
        let Driven { server, driver, calls } = start_driven(bind(TCP).limits(limits), || {
            Events::new().data(|_, (), _| Action::None).peer_closed(|_, ()| Action::None)
        });
        let (stream, client) = pair(transport);
        driver.adopt(stream);
        client.finish_sending();
        assert_eq!(calls.reason(), Reason::Timeout(Timeout::Idle), "{transport:?}");
        drop(client);
        server.stop();
    }
}

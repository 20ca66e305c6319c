//! `Limits::max_discarded`: what a closing connection reads and throws away, before a peer that
//! goes on sending is reset.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::time::Duration;

use evio::{Action, Events, Limits};

use util::{Call, Driven, Reason, bind, limits, start_driven, transports};

const MIB: usize = 1 << 20;

const AN_HOUR: Duration = Duration::from_secs(3_600);

/// What the kernel may have of a peer's output that nobody reads, on both sides.
const IN_THE_KERNEL: usize = 24 * MIB;

fn discards(max_discarded: usize) -> Limits {
    limits(|limits| {
        limits.max_discarded = max_discarded;
        limits.close_timeout = AN_HOUR;
        limits.flush_timeout = AN_HOUR;
    })
}

#[test]
fn it_is_64_mib_by_default() {
    assert_eq!(Limits::default().max_discarded, 64 * MIB);
}

/// Once while there is output that the peer does not read, and once when it has been told that ours
/// has come to its end.
#[test]
fn a_peer_that_goes_on_sending_is_reset() {
    for address in transports() {
        for output in [0, 32 * MIB] {
            let server = bind(&address).limits(discards(MIB));
            let Driven { server, calls, .. } = start_driven(server, move || {
                Events::new().data(move |conn, (), _| {
                    conn.write_owned(vec![7; output]);
                    Action::Close
                })
            });
            let client = server.connect();
            let message = vec![b'?'; MIB / 16];
            let mut sent = 0;
            while let Ok(count) = (&mut &client).write(&message) {
                sent += count;
                assert!(sent < MIB + IN_THE_KERNEL, "{address}: {sent} bytes were taken");
            }
            let (_, ending) = calls.ending();
            assert!(matches!(ending, Call::Closed(_)), "{address}: {ending:?}");
            server.stop();
        }
    }
}

/// A peer that has less to say is not reset, and gets all that there is.
#[test]
fn a_peer_that_sends_less_is_not_reset() {
    const OUTPUT: usize = 4 * MIB;
    for address in transports() {
        let server = bind(&address).limits(discards(8 * MIB));
        let Driven { server, calls, .. } = start_driven(server, || {
            Events::new().data(|conn, (), _| {
                conn.write_owned(vec![7; OUTPUT]);
                Action::Close
            })
        });
        let client = server.connect();
        client.send(&vec![b'?'; 6 * MIB]);
        assert_eq!(client.receive_to_end().len(), OUTPUT, "{address}");
        drop(client);
        assert_eq!(calls.reason(), Reason::Closed, "{address}");
        server.stop();
    }
}

//! A loop that a callback holds up for longer than a shutdown may take.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::thread;
use std::time::Duration;

use evio::{Events, Stream};

use util::{
    Client, Driven, TCP, Transport, bind, hold, pair, raise_descriptor_limit, start_driven,
};

const TIMEOUT: Duration = Duration::from_millis(50);

/// Together more than a turn sends otherwise, and each less than a socket holds.
const MANY: usize = 300;
const LEN: usize = 32 << 10;

/// The time is over when the loop comes to it, and still whoever has room gets what was sent to it
/// before the end.
#[test]
fn what_was_sent_before_a_late_shutdown_is_sent() {
    raise_descriptor_limit();
    let server = bind(TCP).shutdown_timeout(TIMEOUT);
    let Driven { server, driver, .. } = start_driven(server, Events::<()>::new);
    let (streams, clients): (Vec<Stream>, Vec<Client>) =
        (0..MANY).map(|_| pair(Transport::Unix)).unzip();
    driver.adopt_all(streams);
    let (hold, held) = hold();
    driver.handle().post(move |_| hold.wait()).unwrap();
    held.wait();
    driver.handle().broadcast(vec![7; LEN]).unwrap();
    driver.handle().shutdown();
    // A callback that takes long.
    thread::sleep(4 * TIMEOUT);
    held.release();
    for client in clients {
        assert_eq!(client.receive(LEN), [7; LEN]);
    }
    server.wait();
}

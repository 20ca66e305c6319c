//! The example servers under every fault.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod broker;
mod chat;
mod http;
mod proxy;
mod redis;

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use evio_sim::{Connection, Faults, Net, Options, Simulation, Stalls};

/// Where the server listens.
const ADDRESS: &str = "10.0.0.1:80";

/// How late a deadline may be noticed where nothing is lost: three steps of the loop's clock, and
/// what the latency and the other faults add.
const LATE: Duration = Duration::from_millis(100);

/// Asserts that a time is this long, within what it may be late. It is measured by a client, whose
/// last piece may have taken its time to arrive before the server begins to count.
fn check_wait(waited: Duration, expected: Option<Duration>) {
    let expected = expected.expect("there is a limit");
    assert!(
        waited + LATE >= expected && waited <= expected + 3 * LATE,
        "{waited:?} of {expected:?}"
    );
}

/// Leaves out what makes a time uncertain: segments that are lost and sent again, calls that fail,
/// which end a connection early, and loops that are held up.
fn measure_times(sim: &mut Simulation) {
    let drawn = Options::drawn_from(sim.seed()).faults;
    sim.set_faults(Faults { loss: 0.0, call_error: 0.0, ..drawn });
    sim.set_stalls(Stalls::default());
}

/// Sends bytes that are cut anywhere, with a rest between some of the pieces, and reads meanwhile.
async fn send_in_pieces(net: &Net, conn: &mut Connection, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let longest = [10, 200, bytes.len()][net.random_below(3)];
        let (piece, rest) = bytes.split_at(bytes.len().min(1 + net.random_below(longest)));
        conn.write_and_read(piece).await?;
        bytes = rest;
        if net.random_below(4) == 0 {
            rest_for(net, Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

/// What a script has that others wait for: when it is dropped, the script has arrived, or has
/// failed.
struct Arrival(Rc<Cell<usize>>);

impl Arrival {
    /// Makes the arrivals of so many scripts, and what counts those that are not there yet.
    fn of(scripts: usize) -> (impl Iterator<Item = Self>, Rc<Cell<usize>>) {
        let missing = Rc::new(Cell::new(scripts));
        let of_each = Rc::clone(&missing);
        ((0..scripts).map(move |_| Self(Rc::clone(&of_each))), missing)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Waits until all have arrived.
async fn all_of(net: &Net, missing: &Cell<usize>) {
    while missing.get() > 0 {
        net.sleep(Duration::from_millis(10)).await;
    }
}

/// Waits for some time below `most`.
async fn rest_for(net: &Net, most: Duration) {
    let micros = net.random_below(most.as_micros() as usize);
    net.sleep(Duration::from_micros(micros as u64)).await;
}

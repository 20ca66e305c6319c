//! The MQTT broker on several loops: every message comes once and in order to all who have
//! subscribed, and wills.

mod client;
mod messages;
mod wills;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use evio::{Limits, Server};
use evio_examples::mqtt::{Bounds, Broker, Settings};
use evio_sim::{Net, Result, Simulation};

use self::client::{Client, Connect};
use crate::ADDRESS;

/// The longest message, with what its publisher owes for it beside its text.
const LONGEST: usize = 5_000;

/// How many messages a subscriber keeps unacknowledged at most.
const UNCONFIRMED: usize = 3;

/// Serves on some loops with bounds that are soon reached: who publishes often has to wait for
/// those who read.
fn serve(sim: &mut Simulation) -> Result {
    // Nobody takes that long who does not wait in vain.
    sim.set_longest(Duration::from_secs(600));
    let below = |bound| sim.kernel().random_below(bound);
    let (loops, high) = (1 + below(4), 1_000 + below(4_000));
    let all = loops * (1 + below(8_000));
    let inflight = 2 * UNCONFIRMED + below(20);
    let bounds = Bounds { all, share: 1 + below(12_000), inflight };
    // Who is sent more than the broker says is cut off.
    let most = high + all + loops * LONGEST;
    let limits = Limits::default().high_watermark(high).low_watermark(high / 4).max_output(most);
    let server = Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits);
    let stamps = Arc::new(AtomicU64::new(0));
    let settings = Settings { max_packet: 64 << 10, patience: None, bounds, stamps };
    sim.serve_each_with(server, loops, |here| Broker::new(&here, settings.clone()))?;
    Ok(())
}

/// Publishes the message that has the others come to their end: again, if it is cut off before.
async fn publish_end(net: Rc<Net>) -> Result {
    // What others have published on another loop can still wait for one that is held up.
    net.sleep(Duration::from_secs(10)).await;
    loop {
        let published = match Client::connect(&net, &Connect::new("")).await {
            Ok(mut client) => client.publish("end", b"").await,
            Err(error) => Err(error),
        };
        match published {
            Ok(()) => return Ok(()),
            Err(_) if net.any_was_cut() => {}
            Err(error) => return Err(error.into()),
        }
    }
}

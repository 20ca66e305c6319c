//! The MQTT broker: every message comes once and in order to all who have subscribed, and wills.

mod client;
mod messages;
mod wills;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use evio::Limits;
use evio_core::{Config, EventLoop};
use evio_examples::mqtt::{Broker, Settings};
use evio_sim::{Net, Result, Simulation};
use evio_sys::net::{ListenOptions, Listener};

use self::client::Client;
use crate::ADDRESS;

fn serve(sim: &mut Simulation) -> Result {
    // Nobody takes that long who does not wait in vain.
    sim.set_longest(Duration::from_secs(600));
    // Who publishes often has to wait for those who read.
    let limits = Limits::default().high_watermark(4_000).low_watermark(1_000);
    let mut event_loop = EventLoop::new(Config::default().limits(limits))?;
    event_loop.listen(0, Listener::tcp(ADDRESS.parse()?, &ListenOptions::default())?)?;
    let stamps = Arc::new(AtomicU64::new(0));
    let settings = Settings { max_packet: 64 << 10, patience: None, stamps };
    let broker = Broker::new(&event_loop.handle(), settings);
    sim.serve_loop(event_loop, broker)?;
    Ok(())
}

/// Publishes the message that has the others come to their end: again, if it is cut off before.
async fn publish_end(net: Rc<Net>) -> Result {
    loop {
        let published = match Client::connect(&net, "", 0, None).await {
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

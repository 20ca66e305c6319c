//! The HTTP server: requests cut anywhere, and every time that a client may take.

mod client;
mod pipelines;
mod times;

use std::time::Duration;

use evio::Limits;
use evio_examples::http::{HttpServer, Timeouts};
use evio_sim::{Result, Simulation};

use crate::ADDRESS;

#[allow(dead_code, reason = "its command line is left out")]
#[path = "../../../../examples/src/bin/http-server.rs"]
mod http_server;

use self::http_server::Site;

const TIMEOUTS: Timeouts = Timeouts {
    head: Some(Duration::from_secs(30)),
    body: Some(Duration::from_secs(20)),
    keep_alive: Some(Duration::from_secs(60)),
};

/// Begins to serve this page.
fn serve(sim: &mut Simulation, page: Vec<u8>) -> Result {
    // Replies often have to wait for room.
    let limits = Limits::default().high_watermark(8_000).low_watermark(2_000);
    let server = evio::Server::bind([format!("tcp://{ADDRESS}")])?.limits(limits);
    sim.serve(server, HttpServer::new(Site::new(page)).timeouts(TIMEOUTS))?;
    Ok(())
}

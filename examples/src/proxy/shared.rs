//! What all loops of the proxy share.

use std::fmt::Display;
use std::sync::atomic::{AtomicU8, AtomicUsize};
use std::sync::{Arc, OnceLock};

use evio::ConnHandle;
use log::{info, warn};

use super::counters::ClientCounters;
use super::health::Change;
use super::options::Options;
use super::upstreams::Upstreams;

/// What all loops share. Nobody waits for anybody else here.
#[derive(Debug)]
pub struct Shared {
    /// The command line.
    pub options: Options,
    /// The upstreams, with their health and what is counted of each.
    pub upstreams: Arc<Upstreams>,
    /// What each loop counts of clients.
    pub clients: Vec<ClientCounters>,
    /// Pairs of all loops.
    pub open: AtomicUsize,
    /// What the proxy ends with: no success if a second signal has cut off what it had to pass on.
    pub exit_status: AtomicU8,
    /// The connection that is woken when an upstream goes down.
    down: OnceLock<ConnHandle>,
}

impl Shared {
    /// Makes it for so many loops.
    #[must_use]
    pub fn new(options: Options, upstreams: Arc<Upstreams>, loops: usize) -> Self {
        let clients = (0..loops).map(|_| ClientCounters::default()).collect();
        Self {
            options,
            upstreams,
            clients,
            open: AtomicUsize::new(0),
            exit_status: AtomicU8::new(0),
            down: OnceLock::new(),
        }
    }

    /// Has this connection woken when an upstream goes down.
    pub fn wake_when_down(&self, conn: ConnHandle) {
        let _ = self.down.set(conn);
    }

    /// Counts a connection to an upstream as a success, for its health.
    #[inline]
    pub fn succeeded(&self, index: u16) {
        let Some(thresholds) = self.options.thresholds() else { return };
        let upstream = self.upstreams.get(index);
        if upstream.health().succeeded(thresholds) == Some(Change::Up) {
            info!("{} is up", upstream.address());
        }
    }

    /// Counts a connection to an upstream as a failure, for its health.
    pub fn failed(&self, index: u16, reason: &dyn Display) {
        let Some(thresholds) = self.options.thresholds() else { return };
        let upstream = self.upstreams.get(index);
        if upstream.health().failed(thresholds) == Some(Change::Down) {
            warn!("{} is down: {reason}", upstream.address());
            if let Some(conn) = self.down.get() {
                // A loop without room for a wake has its timer, which comes later.
                let _ = conn.wake();
            }
        }
    }
}

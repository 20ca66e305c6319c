//! Numbers that grow, each changed by one loop and read by any.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one loop changes and any thread reads.
///
/// With one writer a load and a store are enough: an atomic addition takes the cache line from the
/// other processors and waits for it, for each piece that is passed on.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to the number; by one loop only.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Takes back what was added and has not come about; by the same loop.
    pub fn take_back(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(count), Relaxed);
    }

    /// Returns the number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The counters that one loop has for one upstream. The alignment keeps those of two loops out of
/// one cache line, and out of the pair of lines that a processor fetches together.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct UpstreamCounters {
    /// Bytes of clients that were passed on to the upstream.
    pub sent: Counter,
    /// Bytes of the upstream that were passed on to clients.
    pub received: Counter,
    /// Connections that came about.
    pub connected: Counter,
    /// Connections that did not, or that the upstream reset before a byte was passed on.
    pub failed: Counter,
}

impl UpstreamCounters {
    /// Begins anew, while no loop has a connection to the upstream.
    pub fn reset(&self) {
        for counter in [&self.sent, &self.received, &self.connected, &self.failed] {
            counter.0.store(0, Relaxed);
        }
    }
}

/// The counters that one loop has for clients.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ClientCounters {
    /// Clients that were accepted.
    pub accepted: Counter,
    /// Clients that had reset their connection before an upstream was asked.
    pub gone: Counter,
    /// Clients that sent no PROXY header, or a wrong one.
    pub refused: Counter,
    /// Clients that no upstream was found for.
    pub unserved: Counter,
    /// Times that the next upstream was asked since the first could not be reached.
    pub retries: Counter,
    /// Pairs that passed nothing on for as long as the idle timeout.
    pub idle: Counter,
}

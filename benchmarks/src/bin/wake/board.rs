//! What sender and consumer share beside the way that is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Where a consumer says what has arrived.
#[derive(Debug)]
pub(crate) struct Board {
    epoch: Instant,
    arrived: AtomicU64,
    latency: AtomicU64,
    /// When the last note was sent, for the way whose notes carry nothing.
    sent_at: AtomicU64,
}

impl Board {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            arrived: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            sent_at: AtomicU64::new(0),
        }
    }

    /// Returns the time in nanoseconds, which is never zero.
    pub(crate) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64 + 1
    }

    /// Counts a note in the consumer, and takes the time since `sent_at` unless that is zero.
    pub(crate) fn arrive(&self, sent_at: u64) {
        if sent_at != 0 {
            self.latency.store(self.now() - sent_at, Ordering::Relaxed);
        }
        // There is one consumer, so this needs no read-modify-write.
        self.arrived.store(self.arrived.load(Ordering::Relaxed) + 1, Ordering::Release);
    }

    pub(crate) fn arrived(&self) -> u64 {
        self.arrived.load(Ordering::Acquire)
    }

    /// Returns how long the last note took that was timed, once it has arrived.
    pub(crate) fn last_latency(&self) -> u64 {
        self.latency.load(Ordering::Relaxed)
    }

    pub(crate) fn set_sent_at(&self, sent_at: u64) {
        self.sent_at.store(sent_at, Ordering::Relaxed);
    }

    pub(crate) fn sent_at(&self) -> u64 {
        self.sent_at.load(Ordering::Relaxed)
    }
}

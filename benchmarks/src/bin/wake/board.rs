//! What sender and consumer share beside the way that is measured.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Where a consumer says what has arrived.
#[derive(Debug)]
pub(crate) struct Board {
    epoch: Instant,
    arrived: AtomicU64,
    latency: AtomicU64,
    sent_at: SentAt,
}

/// When the last note was sent that is timed, or zero: for the way whose notes carry nothing.
///
/// It has a cache line of its own, and the next one that the processor may fetch along with it. In
/// one with what the consumer counts, every note would pay for the neighbourhood.
#[derive(Debug)]
#[repr(align(128))]
struct SentAt(AtomicU64);

impl Board {
    /// Makes a board that lives as long as the process, as consumers do: no note has to pay for the
    /// count of an `Arc`.
    pub(crate) fn leaked() -> &'static Self {
        Box::leak(Box::new(Self {
            epoch: Instant::now(),
            arrived: AtomicU64::new(0),
            latency: AtomicU64::new(0),
            sent_at: SentAt(AtomicU64::new(0)),
        }))
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

    /// Says that the note that is sent next is timed.
    pub(crate) fn set_sent_at(&self, sent_at: u64) {
        self.sent_at.0.store(sent_at, Ordering::Relaxed);
    }

    /// Returns what was set since the last call, or zero.
    pub(crate) fn take_sent_at(&self) -> u64 {
        let sent_at = self.sent_at.0.load(Ordering::Relaxed);
        if sent_at != 0 {
            // A timed note is alone on its way, so nobody sets it meanwhile.
            self.sent_at.0.store(0, Ordering::Relaxed);
        }
        sent_at
    }
}

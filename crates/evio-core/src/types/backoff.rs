//! How long a socket is left alone that nothing can be had from.

use std::time::{Duration, Instant};

/// How long a listener is left alone when descriptors or memory ran out, and a UDP socket that
/// fails time and again. Long enough to cost nothing, short enough not to be noticed.
pub(crate) const BACKOFF: Duration = Duration::from_millis(50);

/// Returns when a backoff that begins now ends.
pub(crate) fn backoff_end(now: Instant) -> Instant {
    now.checked_add(BACKOFF).unwrap_or(now)
}

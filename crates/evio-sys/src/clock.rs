//! The clock of every layer.
//!
//! All of evio reads the time here, so that a simulated kernel can bring its own.

use std::time::Instant;

/// Returns the present moment of the monotonic clock; setting the wall clock does not move it.
///
/// # Examples
///
/// ```
/// let before = evio_sys::clock::now();
/// assert!(evio_sys::clock::now() >= before);
/// ```
#[must_use]
pub fn now() -> Instant {
    #[cfg(feature = "sim")]
    if let Some(now) = crate::sim::now() {
        return now;
    }
    Instant::now()
}

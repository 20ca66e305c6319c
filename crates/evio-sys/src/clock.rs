//! The clocks of every layer.
//!
//! All of evio reads the time here, so that a simulated kernel can bring its own.

use std::time::{Instant, SystemTime};

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

/// Returns the time of day, which may be set, and then jumps. Evio itself has no use for it; a
/// program that is to be tested on a simulated kernel asks here.
///
/// # Examples
///
/// ```
/// use std::time::SystemTime;
///
/// assert!(evio_sys::clock::time_of_day() > SystemTime::UNIX_EPOCH);
/// ```
#[must_use]
pub fn time_of_day() -> SystemTime {
    #[cfg(feature = "sim")]
    if let Some(now) = crate::sim::time_of_day() {
        return now;
    }
    SystemTime::now()
}

//! Seeds for random numbers.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Draws a seed from the keys that std draws for its hashers: another one each time, and not a
/// secret.
///
/// All of evio draws its seeds here, so that a simulated kernel can bring its own.
///
/// # Examples
///
/// ```
/// let seeds = [(); 64].map(|()| evio_sys::random::seed());
/// assert!(seeds.windows(2).any(|pair| pair[0] != pair[1]));
/// ```
#[must_use]
pub fn seed() -> u64 {
    #[cfg(feature = "sim")]
    if let Some(seed) = crate::sim::seed() {
        return seed;
    }
    RandomState::new().build_hasher().finish()
}

//! Bytes that show when one of them is lost, doubled, swapped or sent to somebody else.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns the seed of this run, from `EVIO_SEED` if that is set, and prints it: the test harness
/// shows it when the test fails.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("EVIO_SEED").ok();
    let seed = given.map_or_else(
        || RandomState::new().build_hasher().finish(),
        |text| text.parse().expect("EVIO_SEED is a number"),
    );
    eprintln!("EVIO_SEED={seed}");
    seed
}

/// Returns `len` bytes of the stream that belongs to a seed and a connection.
pub(crate) fn payload(seed: u64, stream: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(seed, stream);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// A splitmix64 generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        // The streams of one seed begin far from each other.
        Self(seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// Returns a number from 1 to `max`.
    pub(crate) fn up_to(&mut self, max: usize) -> usize {
        (self.next() % max as u64) as usize + 1
    }
}

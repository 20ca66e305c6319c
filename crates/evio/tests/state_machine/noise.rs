//! The bytes that every connection sends: places in one long random sequence.

use std::sync::OnceLock;

use crate::util::payload;

/// A prime, so that the loss of a round number of bytes does not go unseen.
const LEN: usize = 4_194_301;

/// The longest piece that can be had at once.
const MAX_PIECE: usize = 4_000_000;

/// Made once for the process: to compare with it is fast in a test build, too, and its parts are
/// static.
pub(crate) fn noise() -> &'static [u8] {
    static NOISE: OnceLock<&[u8]> = OnceLock::new();
    NOISE.get_or_init(|| {
        let mut bytes = payload(0, 0, LEN);
        bytes.extend_from_within(..MAX_PIECE);
        bytes.leak()
    })
}

/// Mixes words into one.
pub(crate) fn hash(words: &[u64]) -> u64 {
    words.iter().fold(0x9E37_79B9_7F4A_7C15, |hash, word| {
        let mut mixed = (hash ^ word).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed ^= mixed >> 29;
        mixed = mixed.wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 32)
    })
}

/// A stream of bytes: that of a seed, a connection, and what else tells it from others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream(usize);

impl Stream {
    pub(crate) fn of(key: &[u64]) -> Self {
        Self((hash(key) % LEN as u64) as usize)
    }

    /// Returns the bytes from a position on, as many as asked for or as can be had at once.
    pub(crate) fn at(self, position: u64, len: usize) -> &'static [u8] {
        let start = (self.0 as u64 + position) % LEN as u64;
        &noise()[start as usize..][..len.min(MAX_PIECE)]
    }
}

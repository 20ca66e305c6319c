//! The bytes that are sent, and against which every byte that comes back is checked.
//!
//! One block of random bytes is made per run. A connection's stream walks round it, from a place of
//! its own: making and checking a byte costs no more than a `memcmp`, and yet a byte that is lost,
//! doubled, swapped or delivered to another connection is met by a different one.

use crate::random::Random;

/// The most bytes that [`Payload::slice`] returns at once.
///
/// It equals the generator's read buffer, so one received piece is checked by one comparison.
pub const MAX_SLICE: usize = 64 * 1024;

/// Length after which a stream repeats.
///
/// A prime close to 64 KiB: no loss of whole messages, whose sizes are round numbers, lands on the
/// same bytes again, and the block (twice this length) stays in a second-level cache.
const PERIOD: usize = 65_521;

/// The block of random bytes of one run.
#[derive(Debug)]
pub struct Payload {
    seed: u64,
    /// Invariant: the bytes after `PERIOD` are those at its beginning, so that any slice of up to
    /// `MAX_SLICE` bytes that starts before `PERIOD` lies in one piece.
    block: Vec<u8>,
}

impl Payload {
    /// Makes the bytes that belong to `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut block = Vec::with_capacity(PERIOD + MAX_SLICE);
        while block.len() < PERIOD {
            block.extend_from_slice(&random.next().to_le_bytes());
        }
        block.truncate(PERIOD);
        // MAX_SLICE is a little more than one period.
        while block.len() < PERIOD + MAX_SLICE {
            let missing = PERIOD + MAX_SLICE - block.len();
            block.extend_from_within(..missing.min(PERIOD));
        }
        Self { seed, block }
    }

    /// Returns where in the block the stream of `connection` begins.
    #[must_use]
    pub fn origin(&self, connection: usize) -> u64 {
        Random::nth(self.seed, connection as u64).below(PERIOD as u64)
    }

    /// Returns the `length` bytes (at most [`MAX_SLICE`]) that stand at `position` of the stream
    /// that begins at `origin`.
    #[must_use]
    pub fn slice(&self, origin: u64, position: u64, length: u64) -> &[u8] {
        let start = ((origin + position) % PERIOD as u64) as usize;
        &self.block[start..start + length.min(MAX_SLICE as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_is_the_same_however_it_is_cut() {
        let payload = Payload::new(7);
        let origin = payload.origin(3);
        let whole: Vec<u8> =
            (0..200_000).map(|position| payload.slice(origin, position, 1)[0]).collect();
        for piece in [1, 64, 1000, 16_384, PERIOD, MAX_SLICE] {
            let mut joined = Vec::new();
            while joined.len() < whole.len() {
                let missing = (whole.len() - joined.len()).min(piece);
                joined.extend_from_slice(payload.slice(
                    origin,
                    joined.len() as u64,
                    missing as u64,
                ));
            }
            assert!(joined == whole, "pieces of {piece} bytes");
        }
    }

    #[test]
    fn slice_is_never_longer_than_the_read_buffer() {
        let payload = Payload::new(7);
        assert_eq!(payload.slice(0, 0, 1 << 20).len(), MAX_SLICE);
        assert_eq!(payload.slice(0, PERIOD as u64 - 1, 1 << 20).len(), MAX_SLICE);
    }

    #[test]
    fn misplaced_messages_are_noticed() {
        let payload = Payload::new(99);
        let message =
            |connection, position| payload.slice(payload.origin(connection), position, 64).to_vec();
        for lost in [1, 64, 1024, 16_384, 65_536] {
            assert_ne!(message(0, 0), message(0, lost), "{lost} bytes lost");
        }
        for other in 1..1000 {
            assert_ne!(message(0, 0), message(other, 0), "sent to connection {other}");
        }
        assert_ne!(message(0, 0), Payload::new(100).slice(0, 0, 64));
    }
}

//! Memory for chunks of output, used again.

/// A chunk grows up to this size, in bytes, before the next one is begun: a turn's output to one
/// peer is usually one chunk, and 64 of them stay within a second-level cache.
pub(super) const CHUNK: usize = 64 << 10;

/// The first allocation of a chunk; most replies fit and never make it grow.
const FIRST_ALLOCATION: usize = 4 << 10;

/// Chunks that a pool keeps for the next output: as many as a turn has events, so that a busy loop
/// allocates nothing, and at most 4 MiB.
pub(super) const POOLED_CHUNKS: usize = 64;

/// The chunks of one loop. Last in, first out, so that what is reused is still in the cache.
#[derive(Debug, Default)]
pub(crate) struct ChunkPool {
    chunks: Vec<Vec<u8>>,
}

impl ChunkPool {
    pub(super) fn take(&mut self) -> Vec<u8> {
        self.chunks.pop().unwrap_or_else(|| Vec::with_capacity(FIRST_ALLOCATION))
    }

    pub(super) fn give(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() <= CHUNK && self.chunks.len() < POOLED_CHUNKS {
            chunk.clear();
            self.chunks.push(chunk);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.chunks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pool_is_bounded_and_reuses_the_latest_chunk() {
        let mut pool = ChunkPool::default();
        for _ in 0..POOLED_CHUNKS + 10 {
            pool.give(Vec::with_capacity(10));
        }
        assert_eq!(pool.len(), POOLED_CHUNKS);
        let mut pool = ChunkPool::default();
        pool.give(Vec::with_capacity(CHUNK + 1));
        assert_eq!(pool.len(), 0, "an oversized chunk is freed");
        pool.give(b"first".to_vec());
        pool.give(b"second, and longer".to_vec());
        let latest = pool.take();
        assert!(latest.is_empty() && latest.capacity() >= 18);
    }
}

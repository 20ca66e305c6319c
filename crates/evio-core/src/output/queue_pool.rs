//! The queues of one loop, used again.

use crate::output::chunk_pool::{ChunkPool, POOLED_CHUNKS};
use crate::output::queue::{GATHERED, Queue};

/// Empty queues, and the memory of their chunks.
#[derive(Debug, Default)]
pub(crate) struct QueuePool {
    pub(super) chunks: ChunkPool,
    #[expect(clippy::vec_box, reason = "a connection holds the box itself")]
    queues: Vec<Box<Queue>>,
}

impl QueuePool {
    pub(super) fn take(&mut self) -> Box<Queue> {
        self.queues.pop().unwrap_or_default()
    }

    pub(super) fn give(&mut self, mut queue: Box<Queue>) {
        queue.clear(&mut self.chunks);
        // A queue that once held many chunks would keep their places for ever.
        if self.queues.len() < POOLED_CHUNKS && queue.places() <= GATHERED {
            self.queues.push(queue);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_comes_back_empty_and_one_of_many_chunks_not_at_all() {
        let mut pool = QueuePool::default();
        let mut queue = pool.take();
        queue.append(b"abc", &mut pool.chunks);
        pool.give(queue);
        assert_eq!((pool.chunks.len(), pool.queues.len()), (1, 1));
        let mut queue = pool.take();
        assert_eq!(queue.len(), 0);
        for _ in 0..2 * GATHERED {
            queue.push(b"x".as_slice().into());
        }
        pool.give(queue);
        assert_eq!(pool.queues.len(), 0);
    }

    #[test]
    fn the_pool_is_bounded_and_a_queue_is_used_again() {
        let mut pool = QueuePool::default();
        for _ in 0..POOLED_CHUNKS + 10 {
            pool.give(Box::default());
        }
        assert_eq!(pool.queues.len(), POOLED_CHUNKS);
        let queue = pool.take();
        assert_eq!(pool.queues.len(), POOLED_CHUNKS - 1);
        drop(queue);
    }
}

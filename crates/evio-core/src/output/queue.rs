//! The output that one connection waits to send, in chunks.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use evio_sys::net::Stream;

use crate::output::chunk_pool::{CHUNK, ChunkPool};

/// Chunks handed to the kernel in one call. More save nothing: 16 of them are up to 1 MiB.
pub(super) const GATHERED: usize = 16;

/// The unsent output of one connection: bytes in the order they were written.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk has been sent.
    sent: usize,
    /// Invariant: the sum of all chunks less `sent`.
    len: usize,
    /// Some of it was written since the last `pre_write`, and must not leave before the next.
    pub(super) is_new: bool,
    /// The socket has taken less than it was offered; the poller reports when it has room.
    pub(super) is_blocked: bool,
}

/// Bytes that are sent from where they are.
#[derive(Debug)]
pub(crate) enum Chunk {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
    Static(&'static [u8]),
}

impl Chunk {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Shared(bytes) => bytes,
            Self::Static(bytes) => bytes,
        }
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<Arc<[u8]>> for Chunk {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Shared(bytes)
    }
}

impl From<&'static [u8]> for Chunk {
    fn from(bytes: &'static [u8]) -> Self {
        Self::Static(bytes)
    }
}

impl Queue {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8], pool: &mut ChunkPool) {
        self.len += bytes.len();
        match self.chunks.back_mut() {
            Some(Chunk::Owned(last)) if last.len() + bytes.len() <= last.capacity().max(CHUNK) => {
                last.extend_from_slice(bytes);
            }
            _ => self.append_chunk(bytes, pool),
        }
    }

    fn append_chunk(&mut self, bytes: &[u8], pool: &mut ChunkPool) {
        let mut chunk = pool.take();
        chunk.extend_from_slice(bytes);
        self.chunks.push_back(Chunk::Owned(chunk));
    }

    /// Appends without a copy.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.len += chunk.bytes().len();
        self.chunks.push_back(chunk);
    }

    /// Sends what the socket takes until `budget` bytes are sent, and returns how many were; the
    /// last call may go beyond the budget.
    ///
    /// `WouldBlock` is not an error here: [`len`](Self::len) says what is left, and `is_blocked`
    /// whether that is for want of room, also where it has taken the whole budget. `before_fin`
    /// says that the output ends with these bytes, as soon as all are sent.
    pub(crate) fn send(
        &mut self,
        stream: &Stream,
        before_fin: bool,
        budget: usize,
        pool: &mut ChunkPool,
    ) -> io::Result<usize> {
        let mut total = 0;
        self.is_blocked = false;
        while self.len > 0 && total < budget {
            let (offered, result) = self.offer(stream, before_fin);
            match result {
                Ok(count) => {
                    self.advance(count, pool);
                    total += count;
                    self.is_blocked = count < offered;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_blocked = true,
                Err(error) => return Err(error),
            }
            if self.is_blocked {
                break;
            }
        }
        Ok(total)
    }

    /// Makes one system call and returns how many bytes it was given beside its result.
    #[inline]
    fn offer(&self, stream: &Stream, before_fin: bool) -> (usize, io::Result<usize>) {
        let first = self.chunks.front().map_or(&[][..], |chunk| &chunk.bytes()[self.sent..]);
        if self.chunks.len() == 1 && !before_fin {
            return (first.len(), stream.send(first));
        }
        let mut slices = [IoSlice::new(&[]); GATHERED];
        let mut offered = 0;
        let rest = self.chunks.iter().skip(1).map(Chunk::bytes);
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(std::iter::once(first).chain(rest)) {
            *slice = IoSlice::new(bytes);
            offered += bytes.len();
            count += 1;
        }
        let slices = &slices[..count];
        let send = if before_fin { Stream::send_before_fin } else { Stream::send_vectored };
        (offered, send(stream, slices))
    }

    /// Drops the first `count` bytes.
    fn advance(&mut self, count: usize, pool: &mut ChunkPool) {
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            let len = first.bytes().len();
            if self.sent < len {
                break;
            }
            self.sent -= len;
            if let Some(Chunk::Owned(chunk)) = self.chunks.pop_front() {
                pool.give(chunk);
            }
        }
    }

    /// Returns how many chunks the queue has memory for.
    pub(super) fn places(&self) -> usize {
        self.chunks.capacity()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self, pool: &mut ChunkPool) {
        (self.is_new, self.is_blocked) = (false, false);
        if self.chunks.is_empty() {
            return;
        }
        self.len = 0;
        self.sent = 0;
        for chunk in self.chunks.drain(..) {
            if let Chunk::Owned(chunk) = chunk {
                pool.give(chunk);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A chunk of each kind in turn, sent through a socket and drained in steps of `step`.
    fn relay(message: &[u8], piece: usize, step: usize) -> Vec<u8> {
        let mut pool = ChunkPool::default();
        let mut queue = Queue::default();
        for (number, bytes) in message.chunks(piece).enumerate() {
            match number % 2 {
                0 => queue.append(bytes, &mut pool),
                _ => queue.push(Chunk::Shared(bytes.into())),
            }
        }
        let mut seen = Vec::new();
        while queue.len() > 0 {
            let first = queue.chunks.front().unwrap().bytes()[queue.sent..].to_vec();
            let count = first.len().min(step);
            seen.extend_from_slice(&first[..count]);
            queue.advance(count, &mut pool);
        }
        assert!(queue.chunks.is_empty());
        seen
    }

    #[test]
    fn every_way_of_cutting_keeps_the_bytes() {
        let message: Vec<u8> = (0..120u8).collect();
        for piece in 1..=message.len() {
            for step in 1..=message.len() {
                assert_eq!(relay(&message, piece, step), message, "piece {piece}, step {step}");
            }
        }
    }

    #[test]
    fn a_slow_reader_gets_every_byte_through_gathered_sends() {
        let (sender, mut receiver) = UnixStream::pair().unwrap();
        sender.set_nonblocking(true).unwrap();
        let sender = Stream::from(sender);
        let message: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
        let mut pool = ChunkPool::default();
        let mut queue = Queue::default();
        for (number, bytes) in message.chunks(9_973).enumerate() {
            match number % 3 {
                0 => queue.append(bytes, &mut pool),
                1 => queue.push(Chunk::Shared(bytes.into())),
                _ => queue.push(Chunk::Owned(bytes.to_vec())),
            }
        }
        assert_eq!(queue.len(), message.len());
        let mut seen = Vec::new();
        let mut buffer = [0; 7_919];
        while seen.len() < message.len() {
            queue.send(&sender, false, usize::MAX, &mut pool).unwrap();
            let count = receiver.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
        assert!(seen == message);
        assert_eq!(queue.len(), 0);
    }

    fn lens(queue: &Queue) -> Vec<usize> {
        queue.chunks.iter().map(|chunk| chunk.bytes().len()).collect()
    }

    #[test]
    fn copies_share_a_chunk_until_it_is_full_and_its_memory_is_used_again() {
        let mut pool = ChunkPool::default();
        let mut queue = Queue::default();
        for _ in 0..CHUNK / 1_024 {
            queue.append(&[1; 1_024], &mut pool);
        }
        assert_eq!(lens(&queue), [CHUNK]);
        queue.append(&[2], &mut pool);
        queue.append(&[3; 100], &mut pool);
        assert_eq!(lens(&queue), [CHUNK, 101]);
        queue.push(Chunk::Static(b"in between"));
        queue.append(&[4], &mut pool);
        assert_eq!((lens(&queue), queue.len()), (vec![CHUNK, 101, 10, 1], CHUNK + 112));
        queue.advance(CHUNK + 50, &mut pool);
        assert_eq!((lens(&queue), pool.len()), (vec![101, 10, 1], 1), "the first is sent");
        queue.clear(&mut pool);
        assert_eq!((queue.len(), pool.len()), (0, 3), "static bytes are nobody's memory");
    }

    #[test]
    fn a_send_ends_with_the_call_that_reaches_the_budget() {
        let (sender, _receiver) = UnixStream::pair().unwrap();
        let sender = Stream::from(sender);
        let mut pool = ChunkPool::default();
        for (budget, sent) in [(0, 0), (1, 16), (16, 16), (17, 32), (40, 40), (100, 40)] {
            for before_fin in [false, true] {
                let mut queue = Queue::default();
                (0..40).for_each(|_| queue.push(Chunk::Static(b"x")));
                let result = queue.send(&sender, before_fin, budget, &mut pool);
                assert_eq!((result.unwrap(), queue.len()), (sent, 40 - sent), "budget {budget}");
            }
        }
    }
}

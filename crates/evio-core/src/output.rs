//! What waits to be sent, and the pool that its memory comes from.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use evio_sys::net::Stream;

/// A chunk grows up to this size before the next one is begun: a turn's output to one peer is
/// usually one chunk, and 64 of them stay within a second-level cache.
const CHUNK: usize = 64 << 10;

/// The first allocation of a chunk; most replies fit and never make it grow.
const FIRST_ALLOCATION: usize = 4 << 10;

/// Chunks that a pool keeps for the next output: as many as a turn has events, so that a busy loop
/// allocates nothing, and at most 4 MiB.
const POOLED_CHUNKS: usize = 64;

/// Chunks handed to the kernel in one call. More save nothing: 16 of them are up to 1 MiB.
const GATHERED: usize = 16;

/// Bytes sent to one peer in a turn before the others have theirs.
pub(crate) const SEND_BUDGET: usize = 1 << 20;

/// The unsent output of one connection: bytes in the order they were written.
#[derive(Debug, Default)]
pub(crate) struct Output {
    chunks: VecDeque<Chunk>,
    /// How much of the first chunk has been sent.
    sent: usize,
    /// Invariant: the sum of all chunks less `sent`.
    len: usize,
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

impl Output {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn append(&mut self, bytes: &[u8], pool: &mut Pool) {
        self.len += bytes.len();
        match self.chunks.back_mut() {
            Some(Chunk::Owned(last)) if last.len() + bytes.len() <= last.capacity().max(CHUNK) => {
                last.extend_from_slice(bytes);
            }
            _ => self.append_chunk(bytes, pool),
        }
    }

    fn append_chunk(&mut self, bytes: &[u8], pool: &mut Pool) {
        let mut chunk = pool.take_chunk();
        chunk.extend_from_slice(bytes);
        self.chunks.push_back(Chunk::Owned(chunk));
    }

    /// Appends without a copy.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        self.len += chunk.bytes().len();
        self.chunks.push_back(chunk);
    }

    /// Sends what the socket takes, up to the budget of a turn, and returns how much that was.
    ///
    /// `WouldBlock` is not an error here: whatever is left, [`len`](Self::len) says. `is_last` says
    /// that the output ends with these bytes, as soon as all are sent.
    pub(crate) fn send(
        &mut self,
        stream: &Stream,
        is_last: bool,
        pool: &mut Pool,
    ) -> io::Result<usize> {
        let mut total = 0;
        while self.len > 0 && total < SEND_BUDGET {
            let (offered, result) = self.offer(stream, is_last);
            match result {
                Ok(count) => {
                    self.advance(count, pool);
                    total += count;
                    if count < offered {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(total)
    }

    /// Makes one system call and returns how many bytes it was given beside its result.
    #[inline]
    fn offer(&self, stream: &Stream, is_last: bool) -> (usize, io::Result<usize>) {
        let first = self.chunks.front().map_or(&[][..], |chunk| &chunk.bytes()[self.sent..]);
        if self.chunks.len() == 1 && !is_last {
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
        (offered, if is_last { stream.send_last(slices) } else { stream.send_vectored(slices) })
    }

    /// Drops the first `count` bytes.
    fn advance(&mut self, count: usize, pool: &mut Pool) {
        self.len -= count;
        self.sent += count;
        while let Some(first) = self.chunks.front() {
            let len = first.bytes().len();
            if self.sent < len {
                break;
            }
            self.sent -= len;
            if let Some(Chunk::Owned(chunk)) = self.chunks.pop_front() {
                pool.give_chunk(chunk);
            }
        }
    }

    /// Forgets everything.
    fn clear(&mut self, pool: &mut Pool) {
        if self.chunks.is_empty() {
            return;
        }
        self.len = 0;
        self.sent = 0;
        for chunk in self.chunks.drain(..) {
            if let Chunk::Owned(chunk) = chunk {
                pool.give_chunk(chunk);
            }
        }
    }
}

/// The memory of the outputs of one loop. Last in, first out, so that what is reused is still in
/// the cache.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    chunks: Vec<Vec<u8>>,
    #[expect(clippy::vec_box, reason = "the connection table holds the box itself")]
    outputs: Vec<Box<Output>>,
}

impl Pool {
    fn take_chunk(&mut self) -> Vec<u8> {
        self.chunks.pop().unwrap_or_else(|| Vec::with_capacity(FIRST_ALLOCATION))
    }

    fn give_chunk(&mut self, mut chunk: Vec<u8>) {
        if chunk.capacity() <= CHUNK && self.chunks.len() < POOLED_CHUNKS {
            chunk.clear();
            self.chunks.push(chunk);
        }
    }

    pub(crate) fn take_output(&mut self) -> Box<Output> {
        self.outputs.pop().unwrap_or_default()
    }

    pub(crate) fn give_output(&mut self, mut output: Box<Output>) {
        output.clear(self);
        // A queue that once held many chunks would keep their places for ever.
        if self.outputs.len() < POOLED_CHUNKS && output.chunks.capacity() <= GATHERED {
            self.outputs.push(output);
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
        let mut pool = Pool::default();
        let mut output = Output::default();
        for (number, bytes) in message.chunks(piece).enumerate() {
            match number % 2 {
                0 => output.append(bytes, &mut pool),
                _ => output.push(Chunk::Shared(bytes.into())),
            }
        }
        let mut seen = Vec::new();
        while output.len() > 0 {
            let first = output.chunks.front().unwrap().bytes()[output.sent..].to_vec();
            let count = first.len().min(step);
            seen.extend_from_slice(&first[..count]);
            output.advance(count, &mut pool);
        }
        assert!(output.chunks.is_empty());
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
        let mut pool = Pool::default();
        let mut output = Output::default();
        for (number, bytes) in message.chunks(9_973).enumerate() {
            match number % 3 {
                0 => output.append(bytes, &mut pool),
                1 => output.push(Chunk::Shared(bytes.into())),
                _ => output.push(Chunk::Owned(bytes.to_vec())),
            }
        }
        assert_eq!(output.len(), message.len());
        let mut seen = Vec::new();
        let mut buffer = [0; 7_919];
        while seen.len() < message.len() {
            output.send(&sender, false, &mut pool).unwrap();
            let count = receiver.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..count]);
        }
        assert!(seen == message);
        assert_eq!(output.len(), 0);
    }

    #[test]
    fn the_pool_is_bounded_and_reuses_the_latest_chunk() {
        let mut pool = Pool::default();
        for _ in 0..POOLED_CHUNKS + 10 {
            pool.give_chunk(Vec::with_capacity(10));
        }
        assert_eq!(pool.chunks.len(), POOLED_CHUNKS);
        pool.chunks.clear();
        pool.give_chunk(Vec::with_capacity(CHUNK + 1));
        assert!(pool.chunks.is_empty(), "an oversized chunk is freed");
        let mut output = pool.take_output();
        output.append(b"abc", &mut pool);
        pool.give_output(output);
        assert_eq!((pool.chunks.len(), pool.outputs.len()), (1, 1));
        assert_eq!(pool.take_output().len(), 0);
    }
}

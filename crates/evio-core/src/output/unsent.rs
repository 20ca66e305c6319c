//! The bytes that one connection has written and the kernel has not taken.

use std::io::{self, IoSlice};
use std::mem;

use evio_sys::net::Stream;

use crate::output::queue::{Chunk, Queue};
use crate::output::queue_pool::QueuePool;
use crate::output::turn_buffer::{Span, TurnBuffer};

/// The unsent output of one connection, in one of two places: the loop's turn buffer, where nearly
/// all output begins and ends, or a queue of its own.
///
/// Invariant: the span is empty when there is a queue, and there is no empty queue.
#[derive(Debug, Default)]
pub(crate) struct Unsent {
    span: Span,
    queue: Option<Box<Queue>>,
}

impl Unsent {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.queue.as_ref().map_or(self.span.len(), |queue| queue.len())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.span.len() == 0 && self.queue.is_none()
    }

    /// Returns whether some of it was written since the last `pre_write`, and has to wait for the
    /// next.
    #[inline]
    pub(crate) fn is_new(&self) -> bool {
        self.queue.as_ref().map_or(self.span.len() > 0, |queue| queue.is_new)
    }

    /// Returns whether the socket has taken less than it was offered: the poller reports when it
    /// has room.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.queue.as_ref().is_some_and(|queue| queue.is_blocked)
    }

    /// Returns whether there is output, all of it from this turn.
    #[inline]
    pub(crate) fn is_in_turn_buffer(&self) -> bool {
        self.span.len() > 0
    }

    /// Returns whether the output outlasts its turn.
    #[inline]
    pub(crate) fn is_queued(&self) -> bool {
        self.queue.is_some()
    }

    /// Allows what was written to leave: `pre_write` has run, or nothing waits for it.
    #[inline]
    pub(crate) fn release(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.is_new = false;
        }
    }

    /// Lets the socket be tried again: it has room, or may have.
    #[inline]
    pub(crate) fn unblock(&mut self) {
        if let Some(queue) = &mut self.queue {
            queue.is_blocked = false;
        }
    }

    /// Keeps the output in the queue until the socket, which is full, has room. It is new: no
    /// `pre_write` has run since it was written.
    pub(super) fn hold(&mut self, turn: &TurnBuffer, pool: &mut QueuePool) {
        if !self.is_empty() {
            let queue = self.queue(turn, pool);
            (queue.is_new, queue.is_blocked) = (true, true);
        }
    }

    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8], turn: &mut TurnBuffer, pool: &mut QueuePool) {
        if self.queue.is_some() || !turn.extend(&mut self.span, bytes) {
            self.append_queued(bytes, turn, pool);
        }
    }

    /// Appends to the queue, whatever there is room for in the turn buffer: for output that is not
    /// sent when the turn ends.
    pub(super) fn append_queued(&mut self, bytes: &[u8], turn: &TurnBuffer, pool: &mut QueuePool) {
        let queue = self.queue(turn, pool);
        queue.is_new = true;
        queue.append(bytes, &mut pool.chunks);
    }

    pub(super) fn push(&mut self, chunk: Chunk, turn: &TurnBuffer, pool: &mut QueuePool) {
        let queue = self.queue(turn, pool);
        queue.is_new = true;
        queue.push(chunk);
    }

    /// Returns the queue, with everything that was written before in it.
    fn queue(&mut self, turn: &TurnBuffer, pool: &mut QueuePool) -> &mut Queue {
        let queue = self.queue.get_or_insert_with(|| pool.take());
        let span = mem::take(&mut self.span);
        if span.len() > 0 {
            queue.append(turn.get(span), &mut pool.chunks);
        }
        queue
    }

    /// Sends what was written in this turn, with nothing before it, and returns how many bytes
    /// the socket has taken. What it has not taken is in the queue.
    #[inline(always)]
    pub(super) fn send_turn(
        &mut self,
        stream: &Stream,
        turn: &TurnBuffer,
        pool: &mut QueuePool,
    ) -> io::Result<usize> {
        let result = stream.send(turn.get(self.span));
        match result {
            Ok(sent) if sent == self.span.len() => {
                self.span = Span::default();
                Ok(sent)
            }
            result => self.sent_part(result, turn, pool),
        }
    }

    #[cold]
    fn sent_part(
        &mut self,
        result: io::Result<usize>,
        turn: &TurnBuffer,
        pool: &mut QueuePool,
    ) -> io::Result<usize> {
        let sent = match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            result => result?,
        };
        self.span = self.span.after(sent);
        if self.span.len() > 0 {
            self.queue(turn, pool).is_blocked = true;
        }
        Ok(sent)
    }

    /// Sends what the socket takes, up to `budget` bytes if it comes from a queue, and returns how
    /// much that was. What is left is in the queue.
    pub(super) fn send(
        &mut self,
        stream: &Stream,
        before_fin: bool,
        budget: usize,
        turn: &TurnBuffer,
        pool: &mut QueuePool,
    ) -> io::Result<usize> {
        let Some(queue) = &mut self.queue else {
            if !before_fin {
                return self.send_turn(stream, turn, pool);
            }
            let result = stream.send_before_fin(&[IoSlice::new(turn.get(self.span))]);
            return self.sent_part(result, turn, pool);
        };
        let sent = queue.send(stream, before_fin, budget, &mut pool.chunks)?;
        if queue.len() == 0 {
            self.clear(pool);
        }
        Ok(sent)
    }

    /// Drops what has not been sent.
    pub(super) fn clear(&mut self, pool: &mut QueuePool) {
        let Self { queue, .. } = mem::take(self);
        if let Some(queue) = queue {
            pool.give(queue);
        }
    }

    /// Checks the invariants.
    #[cfg(any(test, debug_assertions))]
    pub(crate) fn check(&self) {
        assert!(self.queue.as_ref().is_none_or(|queue| queue.len() > 0), "an empty queue is kept");
        assert!(self.queue.is_none() || self.span.len() == 0, "output in two places");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "output in two places")]
    fn output_in_two_places_is_noticed() {
        let (mut unsent, mut other) = (Unsent::default(), Unsent::default());
        let (mut turn, mut pool) = (TurnBuffer::default(), QueuePool::default());
        unsent.append(b"in the turn buffer", &mut turn, &mut pool);
        other.append_queued(b"in the queue", &turn, &mut pool);
        unsent.queue = other.queue;
        unsent.check();
    }
}

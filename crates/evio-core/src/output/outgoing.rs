//! The output of all connections of a loop.

use std::io;

use evio_sys::net::Stream;

use crate::output::queue::Chunk;
use crate::output::queue_pool::QueuePool;
use crate::output::turn_buffer::TurnBuffer;
use crate::output::unsent::Unsent;

/// Up to this length, in bytes, a copy costs less than a chunk of its own does, in memory and in
/// the calls that send many of them.
const SMALL: usize = 4 << 10;

/// The memory of what the connections of a loop write, and whether any of them has written since
/// the last `pre_write`.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    turn: TurnBuffer,
    pool: QueuePool,
    is_waiting: bool,
    /// Bytes that connections whose output has waited, or ends, may still send in this turn.
    queue_budget: usize,
}

/// How output may be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SendOptions {
    /// The end of the output follows: the last bytes may wait for the FIN (`MSG_MORE`).
    pub(crate) before_fin: bool,
    /// The most, in bytes, that one connection sends from its queue.
    pub(crate) budget: usize,
}

impl Outgoing {
    /// Returns whether something was written since the last [`begin_flush`](Self::begin_flush), so
    /// that `pre_write` is due.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    /// Makes `pre_write` due: output that has waited is about to go on.
    pub(crate) fn expect_output(&mut self) {
        self.is_waiting = true;
    }

    /// Appends a copy of `bytes`. What is `deferred` is not sent when this turn ends.
    #[inline]
    pub(crate) fn write(&mut self, unsent: &mut Unsent, bytes: &[u8], deferred: bool) {
        self.is_waiting = true;
        if deferred {
            unsent.append_queued(bytes, &self.turn, &mut self.pool);
        } else {
            unsent.append(bytes, &mut self.turn, &mut self.pool);
        }
    }

    /// Appends a chunk; a copy of it if it is small.
    pub(crate) fn push(&mut self, unsent: &mut Unsent, chunk: Chunk, deferred: bool) {
        if chunk.bytes().len() <= SMALL {
            return self.write(unsent, chunk.bytes(), deferred);
        }
        self.is_waiting = true;
        unsent.push(chunk, &self.turn, &mut self.pool);
    }

    /// Sends what the socket takes, within the budget of the connection and that of the turn, and
    /// returns how many bytes that were.
    #[inline]
    pub(crate) fn send(
        &mut self,
        unsent: &mut Unsent,
        stream: &Stream,
        options: SendOptions,
    ) -> io::Result<usize> {
        let SendOptions { before_fin, budget } = options;
        let budget = budget.min(self.queue_budget);
        let sent = unsent.send(stream, before_fin, budget, &self.turn, &mut self.pool)?;
        self.queue_budget = self.queue_budget.saturating_sub(sent);
        Ok(sent)
    }

    /// Sends what a connection has written in this turn, with nothing before it.
    #[inline(always)]
    pub(crate) fn send_turn(&mut self, unsent: &mut Unsent, stream: &Stream) -> io::Result<usize> {
        unsent.send_turn(stream, &self.turn, &mut self.pool)
    }

    /// Keeps what was written until the poller reports room: the socket is full.
    pub(crate) fn hold(&mut self, unsent: &mut Unsent) {
        unsent.hold(&self.turn, &mut self.pool);
    }

    /// Drops what a connection has not sent.
    pub(crate) fn drop_unsent(&mut self, unsent: &mut Unsent) {
        unsent.clear(&mut self.pool);
    }

    /// Begins to send the output of a turn, up to `budget` bytes of it from queues: what is written
    /// from now on waits for another `pre_write`.
    #[inline]
    pub(crate) fn begin_flush(&mut self, budget: usize) {
        self.is_waiting = false;
        self.queue_budget = budget;
    }

    /// Lets queues send up to `budget` bytes more in this turn, whatever has been sent.
    pub(crate) fn raise_budget(&mut self, budget: usize) {
        self.queue_budget = self.queue_budget.max(budget);
    }

    /// Returns whether queues may send in this turn.
    pub(crate) fn has_budget(&self) -> bool {
        self.queue_budget > 0
    }

    /// Empties the turn buffer: each connection that has written has sent, or queued, all of it.
    #[inline]
    pub(crate) fn end_flush(&mut self) {
        self.turn.clear();
    }
}

#[cfg(test)]
mod tests;

//! Messages on their way to the subscribers of one loop.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

/// The most bytes of messages that wait for one loop: what is published within a second or so,
/// while the loop is busy with something else.
pub(super) const MAX_WAITING: usize = 64 * 1024 * 1024;

/// What a message takes beside its text: its place in the queue, and two allocations with their
/// counts. It bounds how many messages without a text there can be.
const MESSAGE_OVERHEAD: usize = 128;

/// A message that was published.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) channel: Arc<[u8]>,
    pub(super) text: Arc<[u8]>,
}

impl Message {
    pub(super) fn new(channel: &[u8], text: &[u8]) -> Self {
        Self { channel: channel.into(), text: text.into() }
    }

    /// Returns how many bytes the message takes.
    pub(super) fn cost(&self) -> usize {
        Self::cost_of(&self.channel, &self.text)
    }

    /// Returns how many bytes a message would take.
    pub(super) fn cost_of(channel: &[u8], text: &[u8]) -> usize {
        MESSAGE_OVERHEAD + channel.len() + text.len()
    }
}

/// The messages for the subscribers of one loop, in order, and whether the loop knows of them.
///
/// The loop is told by a task, of which there is never more than one. So all that a slow loop makes
/// others keep is here, where it is bounded.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<Queue>);

/// What an [`Outbox`] guards.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: VecDeque<Message>,
    /// Invariant: the cost of all messages here.
    bytes: usize,
    /// Whether a task is on its way to the loop, or runs there.
    is_posted: bool,
}

impl Outbox {
    pub(super) fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock()
    }

    /// Tells whether the loop is to be told of messages; from then on it counts as told.
    pub(super) fn begin_post(&self) -> bool {
        let mut queue = self.0.lock();
        let begins = !queue.is_posted && !queue.messages.is_empty();
        queue.is_posted |= begins;
        begins
    }

    /// Takes back [`begin_post`](Self::begin_post): the loop could not be told.
    pub(super) fn cancel_post(&self) {
        self.0.lock().is_posted = false;
    }

    /// Takes the next message. If there is none, the loop is to be told of the one after that.
    pub(super) fn take(&self) -> Option<Message> {
        let mut queue = self.0.lock();
        let Some(message) = queue.messages.pop_front() else {
            *queue = Queue::default();
            return None;
        };
        queue.bytes -= message.cost();
        Some(message)
    }

    /// Removes all messages, and returns how many there were.
    pub(super) fn clear(&self) -> usize {
        std::mem::take(&mut *self.0.lock()).messages.len()
    }
}

impl Queue {
    /// Tells whether a message that takes so many bytes may wait here, too.
    pub(super) fn has_room(&self, cost: usize) -> bool {
        self.bytes + cost <= MAX_WAITING
    }

    /// Adds a message behind all others.
    pub(super) fn push(&mut self, message: Message) {
        self.bytes += message.cost();
        self.messages.push_back(message);
    }

    /// Returns how many bytes wait.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

//! Values of one type that wait for a loop one after the other.

use std::collections::VecDeque;

use crate::api::group::Sender;
use crate::api::message::Command;
use crate::mail::mailbox::Room;
use crate::mail::send_error::Unsent;

/// The largest value that shares a command, in bytes. A larger one is better moved to memory of its
/// own, which is done before the lock is taken.
pub(super) const MAX_SHARED_LEN: usize = 128;

/// Bytes of values that share a command. It bounds what is moved when their memory grows, which is
/// under the lock, and how far a turn can go beyond its budget.
pub(super) const ROW_BYTES: usize = 1024;

/// As many values share a command at the most, however small they are.
pub(super) const ROW_LEN: usize = 64;

/// Values of one type that were left one after the other, such as those of a thread that sends in
/// a loop. They share their memory: to allocate it in one thread and free it in another, for each
/// value of its own, is most of what sending it costs.
pub(super) struct Row<T> {
    /// Apart from the others, so that a value that is alone needs one allocation.
    first: T,
    others: Vec<T>,
}

impl<T> Row<T> {
    pub(super) fn new(first: T) -> Self {
        Self { first, others: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        1 + self.others.len()
    }

    pub(super) fn has_room(&self) -> bool {
        let with_one_more = self.len() + 1;
        with_one_more <= ROW_LEN && with_one_more * size_of::<T>() <= ROW_BYTES
    }

    /// Sends a value that holds so many bytes beside its own to a loop: with those that wait there,
    /// by `share`, or, if it is large, in memory of its own.
    pub(super) fn send(
        mailbox: &Sender,
        bytes: usize,
        value: T,
        share: impl FnOnce(&mut VecDeque<Command>, T),
        alone: impl FnOnce(Box<Self>) -> Command,
    ) -> Result<(), Unsent<T>> {
        let bytes = bytes.saturating_add(size_of::<T>());
        if size_of::<T>() <= MAX_SHARED_LEN {
            return mailbox.try_push_value(Room::AsForAll, bytes, value, share);
        }
        let row = Box::new(Self::new(value));
        let add = |commands: &mut VecDeque<Command>, row| commands.push_back(alone(row));
        let result = mailbox.try_push_value(Room::AsForAll, bytes, row, add);
        result.map_err(|unsent| unsent.map(|row| row.into_first()))
    }

    pub(super) fn push(&mut self, value: T) {
        self.others.push(value);
    }

    pub(super) fn into_first(self) -> T {
        self.first
    }

    pub(super) fn into_values(self) -> impl Iterator<Item = T> {
        std::iter::once(self.first).chain(self.others)
    }
}

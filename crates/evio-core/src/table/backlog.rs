//! Connections with more input than the poller will report.

use std::collections::VecDeque;

use crate::types::conn_id::ConnKey;

/// Keys that the backlog keeps memory for; a burst of more gives it back.
const KEPT: usize = 4096;

/// Connections whose last read did not empty the socket. TCP connections are polled edge-triggered,
/// so the poller has reported that input and does not do so again. First in, first out.
///
/// Invariant: those with `in_backlog` set are in it, once each.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    keys: VecDeque<ConnKey>,
}

impl Backlog {
    #[inline]
    pub(super) fn push(&mut self, key: ConnKey) {
        self.keys.push_back(key);
    }

    pub(super) fn pop(&mut self) -> Option<ConnKey> {
        let key = self.keys.pop_front();
        if self.keys.is_empty() && self.keys.capacity() > KEPT {
            self.keys = VecDeque::new();
        }
        key
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[cfg(any(test, debug_assertions))]
    pub(super) fn keys(&self) -> impl Iterator<Item = ConnKey> + '_ {
        self.keys.iter().copied()
    }
}

//! Replies that a handler owes, and the endings that wait for them.

use std::sync::Arc;

use crate::table::conns::Table;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::conn_state::ConnStatus;
use crate::types::pause_reason::PauseReason;

impl Table {
    /// Returns what the handles of a connection are told.
    pub(crate) fn status(&self, key: ConnKey) -> Option<&Arc<ConnStatus>> {
        let limits = self.limits(key)?;
        self.get(key).map(|entry| entry.status(limits))
    }

    /// Notes that bytes that a handle has sent were carried out.
    pub(crate) fn remove_mail(&mut self, key: ConnKey, bytes: usize) {
        if let Some(writer) = self.get(key).and_then(|entry| entry.status_writer()) {
            writer.status().remove_mail(bytes);
        }
    }

    /// Notes that a reply is owed. With as many as may be, nothing more is read.
    pub(crate) fn owe_reply(&mut self, key: ConnKey) {
        let Some((entry, limits)) = self.with_limits(key) else { return };
        let owed = &mut entry.extras_mut().owed_replies;
        *owed = owed.saturating_add(1);
        if *owed >= limits.max_owed_replies {
            self.set_paused(key, PauseReason::REPLIES, true);
        }
    }

    /// Notes that a reply has come, or never will, and begins the ending that has waited for it.
    pub(crate) fn note_reply(&mut self, key: ConnKey) {
        let Some((entry, limits)) = self.with_limits(key) else { return };
        let is_active = entry.phase().is_active();
        let is_paused = entry.is_paused_for(PauseReason::REPLIES);
        let extras = entry.extras_mut();
        extras.owed_replies = extras.owed_replies.saturating_sub(1);
        let owed = extras.owed_replies;
        // Another ending may be under way.
        if owed == 0 && is_active {
            if let Some(reason) = extras.deferred_end.take() {
                return self.close_without_replies(key, reason);
            }
        }
        if is_paused && owed <= limits.max_owed_replies / 2 && extras.deferred_end.is_none() {
            self.set_paused(key, PauseReason::REPLIES, false);
        }
    }

    /// Begins an ending that loses nothing, once no reply is owed any more. Nothing more is read
    /// until then.
    pub(crate) fn close_after_replies(&mut self, key: ConnKey, reason: CloseReason) {
        let now = self.clock.tick_now();
        let Some((entry, limits)) = self.with_limits(key) else { return };
        if !entry.phase().is_active() || entry.owed_replies() == 0 {
            return self.close(key, reason);
        }
        entry.extras_mut().deferred_end.get_or_insert(reason);
        if entry.deadlines.close_deadline.is_none() {
            entry.deadlines.close_deadline = now.after(limits.reply_timeout);
        }
        self.set_paused(key, PauseReason::REPLIES, true);
        self.arm(key);
    }

    /// Begins an ending that waits for no reply, or no longer.
    pub(super) fn close_without_replies(&mut self, key: ConnKey, reason: CloseReason) {
        if let Some(entry) = self.get_mut(key) {
            // From here on it is the peer that is waited for.
            entry.deadlines.close_deadline = None;
        }
        self.close(key, reason);
    }
}

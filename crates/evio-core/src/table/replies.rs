//! Replies that a handler owes, and the endings that wait for them.

use std::mem;
use std::sync::Arc;

use crate::table::conns::Table;
use crate::table::entry::Entry;
use crate::table::owes::{DeferredEnd, Owes};
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::conn_state::ConnStatus;
use crate::types::pause_reason::PauseReason;

impl Entry {
    /// Returns how many replies the handler owes.
    pub(super) fn owed_replies(&self) -> u32 {
        self.extras.get().map_or(0, |extras| extras.owed_replies)
    }

    /// Returns what the connection owes its peer.
    pub(super) fn owes(&self) -> Owes {
        let Some(extras) = self.extras.get() else { return Owes::Nothing };
        match &extras.deferred_end {
            Some(end) => Owes::End(end.deadline),
            None if extras.owed_replies > 0 => Owes::Replies,
            None => Owes::Nothing,
        }
    }

    /// Returns whether an ending was asked for that waits for replies.
    pub(crate) fn ends_after_replies(&self) -> bool {
        matches!(self.owes(), Owes::End(_))
    }
}

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

    /// Notes that a connection is to be woken. Returns whether that is news.
    pub(crate) fn begin_wake(&mut self, key: ConnKey) -> bool {
        let Some(entry) = self.get_mut(key).filter(|entry| entry.phase().is_active()) else {
            return false;
        };
        !mem::replace(&mut entry.extras_mut().is_woken, true)
    }

    /// Notes that a connection is being woken.
    pub(crate) fn end_wake(&mut self, key: ConnKey) {
        if let Some(entry) = self.get_mut(key) {
            entry.extras_mut().is_woken = false;
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
    /// Returns whether input goes on that the number of replies had stopped.
    pub(crate) fn note_reply(&mut self, key: ConnKey) -> bool {
        let Some((entry, limits)) = self.with_limits(key) else { return false };
        let is_active = entry.phase().is_active();
        let is_paused = entry.is_paused_for(PauseReason::REPLIES);
        let extras = entry.extras_mut();
        extras.owed_replies = extras.owed_replies.saturating_sub(1);
        let owed = extras.owed_replies;
        if owed == 0 && is_active {
            if let Some(end) = extras.deferred_end.take() {
                self.close(key, end.reason);
                return false;
            }
        }
        let goes_on = is_paused
            && is_active
            && owed <= limits.max_owed_replies / 2
            && extras.deferred_end.is_none();
        if goes_on {
            self.set_paused(key, PauseReason::REPLIES, false);
        }
        if owed == 0 {
            // From here on it is the peer that may be silent.
            self.arm(key);
        }
        goes_on
    }

    /// Begins an ending that loses nothing, once no reply is owed any more. Nothing more is read
    /// until then.
    pub(crate) fn close_after_replies(&mut self, key: ConnKey, reason: CloseReason) {
        let now = self.clock.tick_now();
        let Some((entry, limits)) = self.with_limits(key) else { return };
        // A connection that takes no output has no use for a reply.
        if !entry.takes_output() || entry.owed_replies() == 0 {
            return self.close(key, reason);
        }
        let deadline = now.after(limits.reply_timeout);
        let end = DeferredEnd { reason, deadline };
        entry.extras_mut().deferred_end.get_or_insert(end);
        self.set_paused(key, PauseReason::REPLIES, true);
        self.arm(key);
    }
}

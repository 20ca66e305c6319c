//! Calling the handler about a connection.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::api::conn::Conn;
use crate::api::handler::Handler;
use crate::api::message::ShutdownMode;
use crate::turn::runner::Runner;
use crate::types::action::{Action, CloseReason};
use crate::types::conn_id::ConnKey;

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    /// Makes a callback of a connection, if any are made of it: if it is open or half-closed, and
    /// its end was not asked for.
    pub(super) fn call(
        &mut self,
        key: ConnKey,
        callback: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context) -> Action,
    ) {
        self.call_for(key, CloseReason::Closed, callback);
    }

    /// As `call`; `Action::Close` closes with `reason`.
    pub(super) fn call_for(
        &mut self,
        key: ConnKey,
        reason: CloseReason,
        callback: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context) -> Action,
    ) {
        let entry = self.state.table.get(key);
        if entry.is_some_and(|entry| entry.phase().is_active() && !entry.ends_after_replies()) {
            self.call_with_input(key, 0, reason, |handler, conn, context, _| {
                callback(handler, conn, context)
            });
        }
    }

    /// Tells the handler that a reply will not come, also when the end waits for replies.
    pub(super) fn call_unanswered(&mut self, key: ConnKey) {
        if self.state.table.get(key).is_some_and(|entry| entry.phase().is_active()) {
            self.call_with_input(key, 0, CloseReason::Closed, |handler, conn, context, _| {
                handler.unanswered(conn, context)
            });
        }
    }

    /// Makes a callback with the first `len` bytes of the read buffer, of a connection that is open
    /// or half-closed.
    #[inline(always)]
    pub(super) fn call_with_input(
        &mut self,
        key: ConnKey,
        len: usize,
        reason: CloseReason,
        callback: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context, &[u8]) -> Action,
    ) {
        let context = self.contexts.get_mut(key.index);
        let context = context.expect("an open connection has a context");
        let mut conn = Conn::new(&mut self.state, key);
        let (handler, input) = (&mut self.handler, &self.buffer[..len]);
        let call = || callback(handler, &mut conn, context, input);
        let action = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(action) => action,
            Err(panic) => return self.panicked(key, panic),
        };
        if action != Action::None {
            self.apply(key, action, reason);
        }
    }

    #[cold]
    fn panicked(&mut self, key: ConnKey, panic: Box<dyn Any + Send>) {
        if !self.contains_panics {
            resume_unwind(panic);
        }
        self.state.table.end(key, CloseReason::Panicked, true);
    }

    #[cold]
    fn apply(&mut self, key: ConnKey, action: Action, reason: CloseReason) {
        match action {
            Action::None => {}
            // The peer, or the server, ends what the handler may still owe an answer to.
            Action::Close if matches!(reason, CloseReason::PeerClosed | CloseReason::Shutdown) => {
                self.state.table.close_after_replies(key, reason);
            }
            Action::Close => self.state.table.close(key, reason),
            Action::Detach => self.state.table.detach(key),
            Action::Shutdown => self.state.group.shutdown(ShutdownMode::Immediate),
        }
    }

    /// Ends the server if a callback without a connection has asked for that.
    pub(super) fn apply_flow(&mut self, flow: ControlFlow<()>) {
        if flow.is_break() {
            self.state.group.shutdown(ShutdownMode::Immediate);
        }
    }
}

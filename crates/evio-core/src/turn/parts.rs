//! A loop that does not run yet.

use crate::accept::acceptor::Acceptor;
use crate::api::config::PanicPolicy;
use crate::api::loop_state::LoopState;
use crate::api::message::{Command, Control};
use crate::mail::mailbox::Mailbox;
use crate::turn::shutdown::Shutdown;

/// Everything of a loop but its handler.
pub(super) struct Parts {
    pub(super) state: LoopState,
    pub(super) mailbox: Mailbox<Command, Control>,
    pub(super) acceptor: Acceptor,
    pub(super) shutdown: Shutdown,
    pub(super) panic_policy: PanicPolicy,
}

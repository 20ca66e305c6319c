//! One turn of the loop after the other: poll, dispatch, flush, timers.
//!
//! [`Runner`](runner::Runner) composes the other folders and calls the handler. What no callback
//! can reach is owned here: the listeners, the receiving end of the mailbox, the read buffer, the
//! contexts, the schedule of `tick`, the shutdown.

pub(crate) mod broadcast;
pub(crate) mod budget;
pub(crate) mod calls;
pub(crate) mod commands;
mod dialing;
pub(crate) mod end_group;
pub(crate) mod ending;
pub(crate) mod event_loop;
pub(crate) mod flush;
pub(crate) mod lifecycle;
pub(crate) mod parts;
pub(crate) mod read_buffer;
pub(crate) mod receive;
pub(crate) mod runner;
pub(crate) mod running_loop;
pub(crate) mod shutdown;
#[cfg(test)]
mod tests;
pub(crate) mod ticker;
pub(crate) mod timers;
pub(crate) mod watching;

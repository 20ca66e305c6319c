//! Queues from other threads to a loop, bounded in messages and in bytes.
//!
//! The folder knows neither what a message says nor who carries it out.

pub(crate) mod inbox;
pub(crate) mod mailbox;
pub(crate) mod send_error;

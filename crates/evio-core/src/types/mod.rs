//! Plain values that every folder and every program may name: ids, limits, reasons, tokens.
//!
//! They own nothing and change nothing, and import nothing of this crate but each other.

pub(crate) mod action;
pub(crate) mod backoff;
pub(crate) mod cold_path;
pub(crate) mod conn_id;
pub(crate) mod conn_state;
pub(crate) mod event_target;
pub(crate) mod limits;
pub(crate) mod message_type;
pub(crate) mod origin;
pub(crate) mod pause_reason;
pub(crate) mod setters;
pub(crate) mod thread_bound;
pub(crate) mod watch_id;

//! The side that a program sees: the handler's callbacks and the views that they get.
//!
//! A view (`Conn`, `Loop`, `Udp`, the handles) owns nothing: it is a borrowed loop, or a shared
//! sender, and the name of what it is about. A loop gives handles and a handle posts work for a
//! loop, so these files import each other; no other folder does.

pub(crate) mod config;
pub(crate) mod conn;
pub(crate) mod conn_handle;
pub(crate) mod conn_map;
pub(crate) mod connect_options;
pub(crate) mod detached;
pub(crate) mod dialing;
pub(crate) mod event_loop_access;
pub(crate) mod group;
pub(crate) mod handler;
pub(crate) mod loop_handle;
pub(crate) mod loop_state;
pub(crate) mod message;
pub(crate) mod messages;
pub(crate) mod pending_addresses;
pub(crate) mod rate_limit;
pub(crate) mod reply;
mod row;
pub(crate) mod serving;
pub(crate) mod tasks;
pub(crate) mod udp;
pub(crate) mod watched;

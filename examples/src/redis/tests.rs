//! Whole conversations: bytes in, bytes out.

mod conversation;

mod limits;
mod memory;
mod named_keys;
mod server;
pub(super) mod session;
mod transactions;
mod values;
mod vectors;

pub(super) use conversation::run;

//! Whole conversations: bytes in, bytes out.

mod conversation;
mod memory;
mod server;
mod session;
mod transactions;
mod values;
mod vectors;

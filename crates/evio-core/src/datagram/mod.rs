//! The UDP sockets of one loop, and the datagrams that wait for the end of the turn.
//!
//! The folder knows no handler: it returns what was received.

pub(crate) mod bound_udp;
pub(crate) mod datagrams;
pub(crate) mod outbox;

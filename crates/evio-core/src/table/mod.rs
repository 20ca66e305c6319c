//! The connections of one loop: what each is waiting for, and how far it is on its way.
//!
//! [`Table`](conns::Table) is the only writer of a phase, a limit or a deadline. Its fields and
//! those of an entry are private to this folder, and each change of state lists the connection, so
//! that the end of the turn looks at it.
//!
//! The folder knows sockets, but no poller, no handler, no listener and no other loop.

pub(crate) mod backlog;
#[cfg(any(test, debug_assertions))]
pub(crate) mod check;
pub(crate) mod conns;
pub(crate) mod deadlines;
pub(crate) mod entry;
pub(crate) mod indexes;
pub(crate) mod input_state;
pub(crate) mod list;
mod owes;
pub(crate) mod pages;
pub(crate) mod phase;
pub(crate) mod receiving;
mod replies;
pub(crate) mod sending;
#[cfg(test)]
mod tests;
pub(crate) mod timing;
pub(crate) mod turn_clock;
pub(crate) mod wheel;
pub(crate) mod wheel_time;

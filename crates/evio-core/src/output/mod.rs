//! Written bytes that the kernel has not taken.
//!
//! [`Outgoing`](outgoing::Outgoing) owns the memory of all of them; each connection holds an
//! [`Unsent`](unsent::Unsent), which says which bytes are its own. The folder knows no connection
//! table, no phase and no limit.

pub(crate) mod chunk_pool;
pub(crate) mod outgoing;
pub(crate) mod queue;
pub(crate) mod queue_pool;
pub(crate) mod turn_buffer;
pub(crate) mod unsent;

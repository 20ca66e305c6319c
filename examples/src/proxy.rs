//! The parts of `tcp-proxy`. [`pairs`] passes bytes on, and is the one to read first; most others
//! have no socket: which upstream gets a connection and which is down, what a PROXY header says,
//! and what is counted.
//!
//! The loops share [`shared::Shared`]. A number that only one loop changes is in a row of its own;
//! those that all of them change are touched once per connection. No request takes a lock.

pub mod checks;
pub mod counters;
pub mod handover;
pub mod header;
pub mod health;
pub mod kernel;
pub mod life;
pub mod listening;
pub mod options;
pub mod pair;
pub mod pairs;
pub mod report;
pub mod resolve;
pub mod shared;
pub mod upstreams;

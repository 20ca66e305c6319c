//! What `tcp-proxy` decides without a socket: which upstream gets a connection and which is down,
//! what a PROXY header says, and what is counted.
//!
//! All of it is shared by the loops. Numbers that only one loop changes are in rows of its own;
//! the few that all of them change are touched once per connection. There is no lock.

pub mod counters;
pub mod handover;
pub mod header;
pub mod health;
pub mod options;
pub mod pair;
pub mod pairs;
pub mod report;
pub mod resolve;
pub mod shared;
pub mod upstreams;

//! The load generator: a closed loop that drives several servers in turns.
//!
//! A [`Driver`] opens all connections to all servers first and keeps them open. Then the servers
//! take turns, in another order in each round. During a turn each connection keeps
//! its number of messages in flight; at its end everything in flight is awaited, so that a server
//! has nothing to do while another one is measured. Its CPU time is read before and after.

mod client;
mod connection;
mod driver;

pub use driver::{Driver, Plan, Target};

//! The load generator: it drives several servers in turns.
//!
//! A [`Driver`] opens all connections to all servers first and keeps them open, unless the [`Pace`]
//! is a connection per request. Then the servers take turns, in another order in each round. At the
//! end of a turn everything in flight is awaited, so that a server has nothing to do while another
//! one is measured. Its CPU time is read before and after.

mod churn;
mod client;
mod closed;
mod connection;
mod driver;
mod endpoint;
mod open;
mod plan;
mod socket;

pub use driver::{Driver, Target};
pub use endpoint::Endpoint;
pub use plan::{Pace, Plan};

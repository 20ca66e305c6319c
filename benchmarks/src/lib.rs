//! The instrument that evio's speed is measured with.
//!
//! This crate measures: the load generator ([`load`]) drives several servers in one run, in short
//! turns, and reports requests per second, latency and the server's own CPU time per request, each
//! as the median over the turns and as a ratio to the first server. Starting the servers, showing
//! the figures and keeping them is the work of `cargo xtask bench`. The other instruments are
//! `connection-memory`, which tells what a connection costs a server in resident memory, and
//! `neighbour-load`, which tells what a noisy client takes from the others ([`neighbours`]).
//!
//! The generator is built on a bare epoll, not on evio, so that a bug in evio's loop cannot flatter
//! itself. The baseline servers in `src/bin` are what a user would write with the library in their
//! name. All of it runs on Linux only, because CPU time is read from `/proc`.

#![forbid(unsafe_code)]

pub mod cpu;
pub mod floor;
pub mod hub;
pub mod load;
pub mod memory;
pub mod neighbours;
pub mod payload;
mod random;
pub mod report;
pub mod server;
pub mod stats;

//! Checks that judge a server from outside, and broken servers that they must catch.
//!
//! A test that cannot fail proves nothing. So each check of [`checks`] runs against two programs
//! that speak the same [`protocol`]: `healthy`, which is built on evio, and `twin`, a small server
//! on the poller alone, into which one [`Bug`] is planted. It must pass the first and find fault
//! with the second; and it must pass a twin without a bug, so that it is the bug that was found.
//!
//! A check looks at a server as its users do, from another process: at the bytes that a client
//! gets, at what `/proc` says, and at the reports that the server prints about its callbacks.
//!
//! # Platform notes
//!
//! The checks are for Linux.

mod bug;
pub mod checks;
mod client;
mod program;
pub mod protocol;
mod server;
mod verdict;

pub use bug::Bug;
pub use client::Client;
pub use program::Program;
pub use server::Server;
pub use verdict::Verdict;

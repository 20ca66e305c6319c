//! Servers of several loops, which take turns in one thread in an order that the seed decides.

mod common;
mod ending;
mod mail;
mod placing;
#[path = "../util/mod.rs"]
mod util;

//! Whole sessions: what a client sends, and every byte that it must get back.

mod accepted;
mod chunks;
mod driver;
mod endings;
mod limits;
mod properties;
mod refused;
mod replies;
mod vectors;

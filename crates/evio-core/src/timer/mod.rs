//! The timers that a program sets on a loop.
//!
//! Those of connections are in `table`. The folder knows no handler: it returns what is due.

pub(crate) mod loop_timer;
pub(crate) mod loop_timers;

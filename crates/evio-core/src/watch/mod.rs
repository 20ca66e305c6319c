//! The descriptors that a loop watches for the program.
//!
//! The folder knows no handler: it says whose an event is.

pub(crate) mod watches;

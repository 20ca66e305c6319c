//! The append-only file: what has changed, as the commands that change it again.
//!
//! A command that has changed something is appended while the locks of its keys are held: so those
//! of a key are in the order in which it was changed, whichever loops have done it. All that waits
//! is written and synced together, at the end of a loop's turn and before its replies leave; a loop
//! whose commands another one has synced meanwhile has nothing to do.
//!
//! What is appended has the same effect at any time: the times of keys are absolute, random members
//! are named, and keys that expire are deleted. So nothing expires while the file is read.
//!
//! A file that has grown is written anew by a thread, beside the loops.

mod dump;
mod file;
mod replay;
mod rewrite;

pub use file::AppendOnly;

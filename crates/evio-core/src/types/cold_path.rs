//! A hint for the compiler.

/// Says that what leads here is rare.
///
/// The compiler takes both sides of a branch for equally likely. After a dozen of them it takes the
/// path of every request for a rare one, and neither inlines nor keeps together what is on it.
#[cold]
pub(crate) fn cold_path() {}

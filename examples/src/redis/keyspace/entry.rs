//! A key with what it holds.

use super::key::Key;
use crate::redis::value::Value;

/// The time at which a key that does not expire does so.
pub(in crate::redis) const NEVER: i64 = i64::MAX;

/// A key, what it holds, and until when.
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) value: Value,
    /// In milliseconds since 1970, or [`NEVER`].
    pub(super) expires_at: i64,
}

impl Entry {
    /// Returns the memory that the entry takes beyond its place in a table.
    pub(super) fn memory(&self) -> usize {
        self.key.memory() + self.value.memory()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_cache_line() {
        assert_eq!(size_of::<Entry>(), 64);
    }
}

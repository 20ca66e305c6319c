//! A broadcast that is under way.

use std::sync::Arc;

use crate::table::conns::Table;
use crate::types::conn_id::ConnKey;

/// Bytes that are written to every connection, to some of them in each turn.
#[derive(Debug)]
pub(super) struct Broadcast {
    pub(super) bytes: Arc<[u8]>,
    /// The index of the next connection.
    next: u32,
    /// Connections that came later than this one do not get it.
    last_generation: u32,
}

impl Broadcast {
    pub(super) fn new(bytes: Arc<[u8]>, table: &Table) -> Self {
        Self { bytes, next: 0, last_generation: table.last_generation() }
    }

    /// Returns the next connection, which was there when the broadcast began.
    pub(super) fn next(&mut self, table: &Table) -> Option<ConnKey> {
        loop {
            let key = table.first_from(self.next)?;
            self.next = key.index + 1;
            // Generations wrap around: those between the broadcast's and now are later.
            let later = table.last_generation().wrapping_sub(self.last_generation);
            let age = key.generation.wrapping_sub(self.last_generation);
            if age == 0 || age > later {
                return Some(key);
            }
        }
    }
}

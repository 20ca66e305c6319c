//! The keyspace: where the keys are, who may touch them, and when they go.
//!
//! A [`Store`] is shared by all loops. It has 1,024 hash tables; some bits of a key's hash say
//! which one the key is in. A table of a store with a million keys has a thousand of them, so that
//! none ever takes long to grow, and `SCAN` can return it whole.
//!
//! The tables are spread over locks. A command sees the store through a [`View`], which holds the
//! locks of the keys it works on, and goes on to hold the last one: with one loop there is a single
//! lock, and a batch of commands takes it once. With several loops there are 512.

mod access;
mod entry;
mod key;
mod memory;
mod reclaim;
mod scan;
mod shard;
mod store;
mod times;
mod touch;
mod view;
mod watch;

pub(super) use entry::NEVER;
pub(super) use memory::allocation;
pub use store::{DEFAULT_MAX_MEMORY, Store};
pub use view::View;
pub(super) use watch::Dirty;

/// The number of tables, and so of the places where a `SCAN` can stop; few in tests, which make
/// thousands of stores.
///
/// With 16 times as many, and 100,000 keys, their heads and control bytes are no longer in the
/// cache: a pipeline of 128 `GET`s took 1.5 times as long.
const SLOTS: usize = if cfg!(test) { 64 } else { 1024 };

/// The number of locks when several loops share a store.
///
/// Two loops that run a command each at any moment want the same one once in 512 times, and all of
/// them (for `EXEC` around `KEYS`, say) are taken in a few microseconds.
const LOCKS: usize = if cfg!(test) { 8 } else { 512 };

/// The bits of a hash that choose the table. Within a table, its lowest and its highest bits tell
/// keys apart.
const SLOT_SHIFT: u32 = 32;

/// Returns the table that a key with this hash is in, of all tables.
#[inline]
fn slot_of_hash(hash: u64) -> usize {
    (hash >> SLOT_SHIFT) as usize & (SLOTS - 1)
}

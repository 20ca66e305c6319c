//! The keyspace as a command sees it.

use std::cell::Cell;
use std::fmt;
use std::time::UNIX_EPOCH;

use evio_sys::clock;
use parking_lot::MutexGuard;

use super::LOCKS;
use super::entry::NEVER;
use super::shard::{Shard, Spot};
use super::store::Store;
use crate::redis::change_log::write as write_command;
use crate::redis::value::Value;

/// Values that take more than this are freed on a thread of their own: some ten thousand elements,
/// half a millisecond.
pub(super) const LARGE: usize = 1024 * 1024;

/// No lock is held.
const NONE: usize = usize::MAX;

/// The keyspace for a batch of commands: it locks what they touch, and knows what time it is.
///
/// A command on one key needs nothing but the methods here: they lock, and go on to hold the lock
/// until another one is needed. All locks of a command on several keys are taken beforehand, by
/// `pin`, in ascending order; so commands are atomic, and nobody waits for ever.
pub struct View<'s> {
    pub(super) store: &'s Store,
    /// The lock that is held for the last key, or [`NONE`].
    current: usize,
    /// Nothing if that lock was to be pinned, and was not.
    guard: Option<MutexGuard<'s, Shard>>,
    /// Nothing for most batches, which hold one lock at a time.
    pins: Option<Box<Pins<'s>>>,
    /// The time of the batch in milliseconds since 1970, once somebody has asked.
    now: Option<i64>,
    /// How many changes were made.
    pub(super) changes: u64,
}

/// The locks that are held beside the current one, or instead of it.
struct Pins<'s> {
    /// All locks that are to be held until [`unpin`](View::unpin), in ascending order. The guard of
    /// the current one is not here.
    locks: Vec<(usize, Option<MutexGuard<'s, Shard>>)>,
    /// Where each lock is among those, if it is. Were it searched for, a `GET` of a pipeline of 128
    /// would take 1.4 times as long on two loops: a processor cannot foresee how a search goes.
    places: [u16; LOCKS],
    /// Whether these are held for commands that are about to be run, each of which can do with its
    /// own: so they are given back when another one is needed.
    is_ahead: bool,
    /// Stands in for the shard of a key that a command on several keys has not named. It is empty,
    /// and what the command writes to it is lost.
    stray: Option<Shard>,
    /// Whether a command has looked for such a key.
    has_strayed: Cell<bool>,
}

impl Default for Pins<'_> {
    fn default() -> Self {
        let (locks, has_strayed) = (Vec::new(), Cell::new(false));
        Self { locks, places: [0; LOCKS], is_ahead: false, stray: None, has_strayed }
    }
}

impl Pins<'_> {
    fn place(&self, lock: usize) -> Option<usize> {
        let place = usize::from(*self.places.get(lock)?);
        self.locks.get(place).filter(|(at, _)| *at == lock).map(|_| place)
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("current", &self.current).finish_non_exhaustive()
    }
}

impl<'s> View<'s> {
    pub(super) fn new(store: &'s Store) -> Self {
        Self { store, current: NONE, guard: None, pins: None, now: None, changes: 0 }
    }

    /// Returns the store, for what needs no key.
    pub fn store(&self) -> &'s Store {
        self.store
    }

    /// Returns the time, in milliseconds since 1970: the same for all commands of a batch.
    pub fn now(&mut self) -> i64 {
        *self.now.get_or_insert_with(unix_millis)
    }

    /// Returns how many changes were made; more after a command than before it means that there is
    /// something to log.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Makes it 1970, so that no key expires, until the next [`release`](Self::release).
    pub(in crate::redis) fn stop_time(&mut self) {
        self.now = Some(0);
    }

    /// Gives back all locks, and forgets the time.
    pub fn release(&mut self) {
        self.unpin();
        self.guard = None;
        self.current = NONE;
        self.now = None;
    }

    /// Takes the locks of all `keys`, and holds them until [`unpin`](Self::unpin).
    ///
    /// Returns whether it has taken any: in a transaction they are taken already.
    pub(in crate::redis) fn pin<'k>(&mut self, keys: impl Iterator<Item = &'k [u8]>) -> bool {
        let store = self.store;
        if self.has_all_locks() || store.has_one_lock() {
            return false;
        }
        self.take_locks(keys.map(|key| store.spot(key).lock));
        true
    }

    /// Takes all locks there are, and holds them until [`unpin`](Self::unpin).
    ///
    /// Returns whether it has taken any, as `pin` does.
    pub(in crate::redis) fn pin_all(&mut self) -> bool {
        if self.has_all_locks() || self.store.has_one_lock() {
            return false;
        }
        self.take_locks(0..self.store.locks.len());
        true
    }

    /// Takes locks in place of those that are held, each once and in ascending order.
    fn take_locks(&mut self, locks: impl Iterator<Item = usize>) {
        // One that is held on could be above one that is to be taken.
        self.guard = None;
        self.current = NONE;
        self.unpin();
        // A bit for each, which sorts them without comparing any.
        let mut wanted = [0_u64; LOCKS.div_ceil(64)];
        locks.for_each(|lock| wanted[lock / 64] |= 1 << (lock % 64));
        let count: u32 = wanted.iter().map(|bits| bits.count_ones()).sum();
        let store = self.store;
        let pins = self.pins.get_or_insert_default();
        pins.locks.reserve(count as usize);
        for (word, mut bits) in wanted.into_iter().enumerate() {
            while bits != 0 {
                let lock = 64 * word + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                pins.places[lock] = pins.locks.len() as u16;
                pins.locks.push((lock, Some(store.lock(lock))));
            }
        }
    }

    /// Takes the locks of keys with these hashes, until another one is needed.
    pub(super) fn pin_ahead(&mut self, hashes: &[u64]) {
        let store = self.store;
        self.take_locks(hashes.iter().map(|&hash| store.spot_of_hash(hash).lock));
        self.pins.get_or_insert_default().is_ahead = true;
    }

    /// Gives back the locks that `pin` took, but for the current one.
    pub(in crate::redis) fn unpin(&mut self) {
        if let Some(pins) = &mut self.pins {
            pins.locks.clear();
            pins.is_ahead = false;
        }
    }

    /// Tells whether what is pinned are all locks of a command or a transaction.
    fn has_all_locks(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| !pins.locks.is_empty() && !pins.is_ahead)
    }

    /// Returns what the lock of `spot` guards, locked.
    #[inline(always)]
    pub(super) fn shard(&mut self, spot: Spot) -> &mut Shard {
        if self.current != spot.lock {
            self.switch_to(spot.lock);
        }
        self.locked()
    }

    /// Returns what the current lock guards.
    #[inline(always)]
    fn locked(&mut self) -> &mut Shard {
        match &mut self.guard {
            Some(guard) => guard,
            None => stray(&mut self.pins, self.store),
        }
    }

    /// Tells whether a command has looked for a key whose lock was not taken.
    pub(in crate::redis) fn has_strayed(&self) -> bool {
        self.pins.as_ref().is_some_and(|pins| pins.has_strayed.get())
    }

    /// Tells whether a command has looked for a key whose lock was not taken, and forgets it.
    ///
    /// That is a fault of the command. It must not end the server, and it cannot wait for the lock:
    /// two loops could wait for each other.
    pub(in crate::redis) fn take_strayed(&mut self) -> bool {
        if self.guard.is_none() {
            // Otherwise the next key of that lock would be taken for one that is locked.
            self.current = NONE;
        }
        self.pins.as_mut().is_some_and(|pins| {
            pins.stray = None;
            pins.has_strayed.take()
        })
    }

    #[inline(never)]
    fn switch_to(&mut self, lock: usize) {
        let guard = self.guard.take();
        match self.pins.as_mut().filter(|pins| !pins.locks.is_empty()) {
            None => {
                drop(guard);
                self.guard = Some(self.store.lock(lock));
            }
            Some(pins) => {
                if let Some(place) = pins.place(self.current) {
                    pins.locks[place].1 = guard;
                }
                self.guard = pins.place(lock).and_then(|place| pins.locks[place].1.take());
                if self.guard.is_none() && pins.is_ahead {
                    self.unpin();
                    self.guard = Some(self.store.lock(lock));
                } else if self.guard.is_none() {
                    pins.has_strayed.set(true);
                }
            }
        }
        self.current = lock;
    }

    /// Removes the key if it has expired.
    pub(in crate::redis) fn remove_expired(&mut self, key: &[u8]) {
        let _ = self.locate(key);
    }

    /// Locks the key, and removes it if it has expired.
    pub(super) fn locate(&mut self, key: &[u8]) -> Spot {
        let (spot, _) = self.located(key);
        spot
    }

    /// Locks the key, removes it if it has expired, and returns what the lock guards, too.
    // Inlined, for what it returns is large.
    #[inline(always)]
    pub(super) fn located(&mut self, key: &[u8]) -> (Spot, &mut Shard) {
        let spot = self.store.spot(key);
        if self.shard(spot).expiring > 0 {
            self.expire_if_due(spot, key);
        }
        (spot, self.locked())
    }

    #[inline(never)]
    fn expire_if_due(&mut self, spot: Spot, key: &[u8]) {
        let Some(shard) = &mut self.guard else { return };
        if shard.is_due(spot.table, || *self.now.get_or_insert_with(unix_millis)) {
            let now = self.now();
            if let Some(value) = self.shard(spot).expire_key(spot, key, now) {
                self.expired(key, value);
            }
        }
    }

    /// Removes keys of a table that have expired, up to `max`, and returns how many.
    #[cold]
    pub(super) fn expire(&mut self, spot: Spot, max: usize) -> usize {
        let now = self.now();
        for count in 0..max {
            let Some((key, value)) = self.shard(spot).expire_next(spot.table, now) else {
                return count;
            };
            self.expired(&key, value);
        }
        max
    }

    /// Logs that a key has expired, and drops what it held.
    fn expired(&self, key: &[u8], value: Value) {
        if let Some(log) = self.store.log() {
            let mut delete = Vec::new();
            write_command(&mut delete, 2, [b"DEL".as_slice(), key].into_iter());
            log.append(&delete);
        }
        self.discard(value);
    }

    /// Returns what the lock of `spot` guards, which must be held.
    pub(super) fn held(&self, spot: Spot) -> Option<&Shard> {
        if self.current == spot.lock && self.guard.is_some() {
            return self.guard.as_deref();
        }
        let pins = self.pins.as_ref()?;
        let shard = pins.place(spot.lock).and_then(|place| pins.locks[place].1.as_deref());
        if shard.is_none() {
            pins.has_strayed.set(true);
        }
        shard
    }

    /// Returns whether it is past a time.
    pub(super) fn is_over(&self, time: i64) -> bool {
        time != NEVER && time <= self.now.unwrap_or_else(unix_millis)
    }

    /// Drops a value; elsewhere, if that takes long.
    pub(in crate::redis) fn discard(&self, value: Value) {
        if !matches!(value, Value::String(_)) {
            let memory = value.memory();
            if memory > LARGE {
                self.store.reclaimer.drop_later(value, memory);
            }
        }
    }
}

/// Returns the shard of keys that a command has not named.
#[cold]
fn stray<'v>(pins: &'v mut Option<Box<Pins<'_>>>, store: &Store) -> &'v mut Shard {
    pins.get_or_insert_default().stray.get_or_insert_with(|| store.stray_shard())
}

fn unix_millis() -> i64 {
    let since = clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(NEVER - 1)
}

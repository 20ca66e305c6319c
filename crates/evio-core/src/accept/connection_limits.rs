//! How many connections there may be.

#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many connections there may be, and which loops wait for one to end.
#[derive(Debug)]
pub(crate) struct ConnectionLimits {
    /// For the connections of all addresses that have no number of their own.
    common: ConnectionLimit,
    /// By the index of the address.
    own: Box<[Option<ConnectionLimit>]>,
    /// Loops that wait for a descriptor, which the end of any connection may give back.
    short: Waiting,
}

/// A number of connections, how many there are if it is a limit, and which loops wait.
#[derive(Debug)]
struct ConnectionLimit {
    max_connections: usize,
    admitted: AtomicUsize,
    waiting: Waiting,
}

/// Loops that wait.
#[derive(Debug)]
struct Waiting {
    /// False if none does.
    any: AtomicBool,
    loops: Box<[AtomicBool]>,
}

impl ConnectionLimit {
    fn new(max_connections: usize, loops: usize) -> Self {
        Self { max_connections, admitted: AtomicUsize::new(0), waiting: Waiting::new(loops) }
    }

    fn is_limited(&self) -> bool {
        self.max_connections < usize::MAX
    }
}

impl Waiting {
    fn new(loops: usize) -> Self {
        let loops = (0..loops).map(|_| AtomicBool::new(false)).collect();
        Self { any: AtomicBool::new(false), loops }
    }

    fn add(&self, loop_id: usize) {
        self.loops[loop_id].store(true, Ordering::SeqCst);
        self.any.store(true, Ordering::SeqCst);
    }

    /// Calls `wake` with each loop that waits, once.
    fn take(&self, wake: impl FnMut(usize)) {
        if self.any.load(Ordering::SeqCst) && self.any.swap(false, Ordering::SeqCst) {
            let waits = |&loop_id: &usize| self.loops[loop_id].swap(false, Ordering::SeqCst);
            (0..self.loops.len()).filter(waits).for_each(wake);
        }
    }
}

impl ConnectionLimits {
    /// Makes a limit for all addresses but those that have a number of their own.
    pub(crate) fn new(max_connections: usize, own: &[Option<usize>], loops: usize) -> Self {
        let limit = |max_connections| ConnectionLimit::new(max_connections, loops);
        Self {
            common: limit(max_connections),
            own: own.iter().map(|max_connections| max_connections.map(limit)).collect(),
            short: Waiting::new(loops),
        }
    }

    fn of(&self, address_index: u16) -> &ConnectionLimit {
        let own = self.own.get(usize::from(address_index));
        own.and_then(Option::as_ref).unwrap_or(&self.common)
    }

    /// Counts one more connection by an address, unless there are as many as there may be.
    pub(crate) fn admit(&self, address_index: u16) -> bool {
        let limit = self.of(address_index);
        let one_more = |admitted| (admitted < limit.max_connections).then_some(admitted + 1);
        !limit.is_limited()
            || limit.admitted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).is_ok()
    }

    /// Takes back an [`admit`](Self::admit) that no connection came of, or whose connection has
    /// ended, and returns whether there was no room but this: another loop may have been refused
    /// meanwhile.
    pub(crate) fn withdraw(&self, address_index: u16) -> bool {
        let limit = self.of(address_index);
        limit.is_limited() && limit.admitted.fetch_sub(1, Ordering::SeqCst) == limit.max_connections
    }

    /// Notes that a listener of a loop waits for a connection by its address to end, and returns
    /// whether there is room already. The order matters: the loop in which a connection ends
    /// changes the number first, then looks for those that wait. This changes the number, too, so
    /// one of the two comes after the other and sees what that has done before.
    pub(crate) fn wait(&self, loop_id: usize, address_index: u16) -> bool {
        let limit = self.of(address_index);
        limit.waiting.add(loop_id);
        limit.admitted.fetch_add(0, Ordering::SeqCst) < limit.max_connections
    }

    /// Notes that a listener of a loop waits for any connection to end.
    pub(crate) fn wait_for_descriptor(&self, loop_id: usize) {
        self.short.add(loop_id);
    }

    /// Calls `wake` with the loops that wait for a connection by an address to end, or for any.
    pub(crate) fn take_waiting(&self, address_index: u16, mut wake: impl FnMut(usize)) {
        self.of(address_index).waiting.take(&mut wake);
        self.short.take(wake);
    }

    /// Calls `wake` with the loops that wait for a descriptor.
    pub(crate) fn take_short(&self, wake: impl FnMut(usize)) {
        self.short.take(wake);
    }

    /// Calls `wake` with all loops that wait.
    pub(crate) fn take_all_waiting(&self, mut wake: impl FnMut(usize)) {
        for limit in self.own.iter().flatten().chain([&self.common]) {
            limit.waiting.take(&mut wake);
        }
        self.short.take(wake);
    }
}

#[cfg(test)]
impl ConnectionLimits {
    pub(crate) fn unlimited(loops: usize) -> Self {
        Self::new(usize::MAX, &[], loops)
    }
}

#[cfg(test)]
mod tests;

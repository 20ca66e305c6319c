//! The upstreams, and which of them gets a connection.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use clap::ValueEnum;
use evio::SocketAddr;
use parking_lot::RwLock;

use super::counters::UpstreamCounters;
use super::health::Health;

/// Upstreams at most: a name that stands for ever new addresses must not fill the memory.
pub const MAX_UPSTREAMS: usize = 256;

/// Upstreams that one client is tried with, at most.
pub const MAX_ATTEMPTS: usize = 4;

/// How connections are spread over the upstreams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Balance {
    /// Each upstream in turn
    RoundRobin,
    /// The upstream with the fewest connections
    LeastConnections,
}

/// One address that connections are made to.
#[derive(Debug)]
pub struct Upstream {
    /// What the command line says, which may stand for several addresses, and one of them. Read
    /// once per connection, and changed when the place is used again.
    target: RwLock<(String, SocketAddr)>,
    /// Whether the name still stands for the address.
    is_listed: AtomicBool,
    /// Connections that are open or being made, by all loops.
    open: AtomicUsize,
    health: Health,
    counters: Box<[UpstreamCounters]>,
}

impl Upstream {
    /// Returns what the command line says.
    #[must_use]
    pub fn name(&self) -> String {
        self.target.read().0.clone()
    }

    /// Returns where to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.target.read().1.clone()
    }

    fn is_of(&self, name: &str) -> bool {
        self.target.read().0 == name
    }

    fn is_among(&self, addresses: &[SocketAddr]) -> bool {
        let target = self.target.read();
        addresses.iter().any(|address| is_same(address, &target.1))
    }

    /// Returns whether new connections may be made to it.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.is_listed.load(Relaxed)
    }

    /// Returns its health.
    #[must_use]
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Returns how many connections it has, with those that are being made.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// Counts a connection that is being made, and returns where to: until it has
    /// [ended](Self::end), this stays the same upstream.
    pub fn begin(&self) -> SocketAddr {
        let target = self.target.read();
        self.open.fetch_add(1, Relaxed);
        target.1.clone()
    }

    /// Takes back [`begin`](Self::begin).
    pub fn end(&self) {
        self.open.fetch_sub(1, Relaxed);
    }

    /// Makes it another upstream, if it has no connections. Returns whether it is one now. A check
    /// that is under way is still taken for one of its own: that is one result, and it takes
    /// several in a row to change its health.
    fn replace(&self, name: &str, address: &SocketAddr) -> bool {
        // No connection begins while this is held.
        let mut target = self.target.write();
        if self.open() > 0 {
            return false;
        }
        *target = (name.to_owned(), address.clone());
        drop(target);
        self.health.reset();
        self.counters.iter().for_each(UpstreamCounters::reset);
        self.is_listed.store(true, Relaxed);
        true
    }

    /// Returns the counters of a loop.
    ///
    /// # Panics
    ///
    /// Panics when there is no such loop.
    #[inline]
    #[must_use]
    pub fn counters(&self, loop_id: usize) -> &UpstreamCounters {
        &self.counters[loop_id]
    }

    /// Returns the counters of all loops.
    #[must_use]
    pub fn all_counters(&self) -> &[UpstreamCounters] {
        &self.counters
    }
}

/// The upstreams. While one has connections, its index is its own.
#[derive(Debug)]
pub struct Upstreams {
    places: Box<[OnceLock<Upstream>]>,
    count: AtomicUsize,
    balance: Balance,
    /// Counts the connections, so that each upstream has its turn.
    turn: AtomicUsize,
    loops: usize,
}

impl Upstreams {
    /// Makes an empty set, for so many loops.
    #[must_use]
    pub fn new(balance: Balance, loops: usize) -> Self {
        Self {
            places: (0..MAX_UPSTREAMS).map(|_| OnceLock::new()).collect(),
            count: AtomicUsize::new(0),
            balance,
            turn: AtomicUsize::new(0),
            loops,
        }
    }

    /// Says which addresses a name stands for now: those that are new are added, and those that it
    /// does not stand for any more get no connections, unless there is a place for none of the
    /// others. By one thread at a time. Returns how many there was no place for.
    pub fn set(&self, name: &str, addresses: &[SocketAddr]) -> usize {
        let known = || self.all().map(|(_, one)| one).filter(|one| one.is_of(name));
        let missing = addresses.iter().filter(|address| {
            let address = std::slice::from_ref(*address);
            match known().find(|one| one.is_among(address)) {
                Some(one) => one.is_listed.store(true, Relaxed),
                None => return !self.add(name, &address[0], addresses),
            }
            false
        });
        let missing = missing.count();
        if missing < addresses.len() {
            let outdated = known().filter(|one| !one.is_among(addresses));
            outdated.for_each(|one| one.is_listed.store(false, Relaxed));
        }
        missing
    }

    /// Adds one of the `addresses` of a name, if there is a place: one that was never used, or one
    /// whose upstream has no connections and gets none any more.
    fn add(&self, name: &str, address: &SocketAddr, addresses: &[SocketAddr]) -> bool {
        let count = self.count.load(Relaxed);
        let Some(place) = self.places.get(count) else {
            let is_outdated = |one: &Upstream| one.is_of(name) && !one.is_among(addresses);
            let mut free = self.all().map(|(_, one)| one);
            return free
                .any(|one| (!one.is_listed() || is_outdated(one)) && one.replace(name, address));
        };
        let upstream = Upstream {
            target: RwLock::new((name.to_owned(), address.clone())),
            is_listed: AtomicBool::new(true),
            open: AtomicUsize::new(0),
            health: Health::default(),
            counters: (0..self.loops).map(|_| UpstreamCounters::default()).collect(),
        };
        let is_added = place.set(upstream).is_ok();
        self.count.store(count + 1, Release);
        is_added
    }

    /// Returns all upstreams with their indexes.
    pub fn all(&self) -> impl Iterator<Item = (u16, &Upstream)> {
        let places = &self.places[..self.count.load(Acquire)];
        (0..).zip(places.iter().filter_map(OnceLock::get))
    }

    /// Returns an upstream by its index.
    ///
    /// # Panics
    ///
    /// Panics when there is none.
    #[inline]
    #[must_use]
    pub fn get(&self, index: u16) -> &Upstream {
        self.places[usize::from(index)].get().expect("an index is given for an upstream")
    }

    /// Chooses an upstream that is not among those that were tried. One that is up comes first; if
    /// all are down, one of them gets the connection: it may be the checks that are wrong.
    #[must_use]
    pub fn choose(&self, tried: &[u16]) -> Option<u16> {
        if tried.len() >= MAX_ATTEMPTS {
            return None;
        }
        // A client has one turn: if another attempt took the next, an upstream that is down could
        // have the turn of every client.
        let turn = match tried {
            [] => self.turn.fetch_add(1, Relaxed),
            _ => self.turn.load(Relaxed),
        };
        let left = |upstream: &Upstream, index| upstream.is_listed() && !tried.contains(&index);
        self.choose_among(turn, |index, one| left(one, index) && one.health.is_up())
            .or_else(|| self.choose_among(turn, |index, one| left(one, index)))
    }

    fn choose_among(&self, turn: usize, is_left: impl Fn(u16, &Upstream) -> bool) -> Option<u16> {
        let left = || self.all().filter(|(index, upstream)| is_left(*index, upstream));
        let count = left().count();
        // Those that are left share the turns of the others evenly.
        let first = turn.checked_rem(count)?;
        match self.balance {
            Balance::RoundRobin => left().nth(first),
            // Of those that have as many, the one whose turn it is.
            Balance::LeastConnections => {
                left().skip(first).chain(left().take(first)).min_by_key(|(_, one)| one.open())
            }
        }
        .map(|(index, _)| index)
    }
}

fn is_same(one: &SocketAddr, other: &SocketAddr) -> bool {
    match (one, other) {
        (SocketAddr::Inet(one), SocketAddr::Inet(other)) => one == other,
        (SocketAddr::Unix(one), SocketAddr::Unix(other)) => {
            one.as_pathname() == other.as_pathname()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;

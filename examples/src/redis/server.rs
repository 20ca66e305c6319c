//! What all loops share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::change_log::ChangeLog;
use super::channels::Channels;
use super::clients::Clients;
use super::keyspace::Store;
use super::settings::Settings;
use super::{DEFAULT_MAX_MEMORY, Options};

/// A server: the keyspace, the clients, the channels and the settings.
#[derive(Debug)]
pub struct Server {
    /// The keys and their values.
    pub store: Store,
    /// The connections.
    pub clients: Clients,
    /// Who has subscribed to what.
    pub channels: Channels,
    pub(super) settings: Settings,
    pub(super) options: Options,
    /// For each loop, what it has done.
    counters: Box<[Counters]>,
    pub(super) started: Instant,
    /// Whether keys are removed when they have expired, before anybody asks for them.
    pub(super) expires_actively: AtomicBool,
    /// For each run of the server, so that clients notice a new one.
    pub(super) run_id: String,
}

/// What one loop has done: only that loop writes here, so it needs no atomic addition. Aligned so
/// that no two loops write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    commands: AtomicU64,
    expired: AtomicU64,
}

impl Default for Server {
    fn default() -> Self {
        Self::new(Options { max_memory: DEFAULT_MAX_MEMORY, ..Options::default() })
    }
}

impl Server {
    /// Creates a server without keys and clients.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let loops = options.loops.max(1);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let seed = since.as_nanos() ^ u128::from(std::process::id()) << 64;
        Self {
            store: Store::new(loops, options.max_memory),
            clients: Clients::default(),
            channels: Channels::new(loops),
            settings: Settings::default(),
            counters: (0..loops).map(|_| Counters::default()).collect(),
            started: Instant::now(),
            expires_actively: AtomicBool::new(true),
            run_id: format!("{seed:040x}"),
            options,
        }
    }

    /// Has what changes the keyspace logged from now on.
    #[must_use]
    pub fn with_log(mut self, log: Box<dyn ChangeLog>) -> Self {
        self.store.set_log(log);
        self
    }

    /// Returns how many commands were run, as far as the loops have told.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.counters.iter().map(|counters| counters.commands.load(Ordering::Relaxed)).sum()
    }

    /// Returns how many keys [`expire`](Self::expire) has removed.
    #[must_use]
    pub fn expired(&self) -> u64 {
        self.counters.iter().map(|counters| counters.expired.load(Ordering::Relaxed)).sum()
    }

    /// Counts commands that a loop has run.
    pub(super) fn count_commands(&self, loop_id: usize, commands: u64) {
        if let Some(counters) = self.counters.get(loop_id) {
            let before = counters.commands.load(Ordering::Relaxed);
            counters.commands.store(before + commands, Ordering::Relaxed);
        }
    }

    /// Removes keys that have expired, until that has taken as much time as it may at once. Returns
    /// whether there may be more. Loop 0 calls it, ten times a second as redis does.
    pub fn expire(&self) -> bool {
        if !self.expires_actively.load(Ordering::Relaxed) {
            return false;
        }
        let mut view = self.store.view();
        let mut removed = 0;
        for lock in 0..self.store.locks() {
            loop {
                let (count, more) = view.expire_some(lock, KEYS_AT_ONCE);
                removed += count;
                if !more {
                    break;
                }
                // Nobody waits for a lock longer than this takes.
                view.release();
                if removed > EXPIRED_AT_ONCE {
                    self.count_expired(removed);
                    return true;
                }
            }
        }
        self.count_expired(removed);
        false
    }

    fn count_expired(&self, removed: usize) {
        self.counters[0].expired.fetch_add(removed as u64, Ordering::Relaxed);
    }
}

/// How many keys are removed before the lock is given back.
const KEYS_AT_ONCE: usize = 1000;

/// How many keys are removed before others get their turn: about two milliseconds.
const EXPIRED_AT_ONCE: usize = 20_000;

//! The connections, as clients see each other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use evio::{ConnHandle, SocketAddr};
use parking_lot::Mutex;

use crate::resp::Protocol;

/// All connections.
#[derive(Debug, Default)]
pub struct Clients {
    connected: Mutex<BTreeMap<u64, Arc<Card>>>,
    last_id: AtomicU64,
}

/// What clients can learn about a connection.
#[derive(Debug)]
pub struct Card {
    pub(super) id: u64,
    pub(super) connected: Instant,
    /// The connection, and the address of the peer; none in tests.
    pub(super) place: Option<Place>,
    state: Mutex<State>,
}

/// Where a connection is.
#[derive(Debug)]
pub struct Place {
    /// The connection.
    pub conn: ConnHandle,
    /// The address of the peer.
    pub peer: Option<SocketAddr>,
}

/// What changes during a connection.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) name: Box<[u8]>,
    pub(super) library: Box<[u8]>,
    pub(super) library_version: Box<[u8]>,
    pub(super) protocol: Protocol,
    pub(super) channels: usize,
    pub(super) patterns: usize,
    pub(super) queued: Option<usize>,
    pub(super) no_evict: bool,
    pub(super) no_touch: bool,
}

impl Default for Card {
    fn default() -> Self {
        Self::new(0, None)
    }
}

impl Card {
    fn new(id: u64, place: Option<Place>) -> Self {
        Self { id, connected: Instant::now(), place, state: Mutex::default() }
    }

    pub(super) fn state(&self) -> State {
        self.state.lock().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
    }

    pub(super) fn set_state(
        &self,
        protocol: Protocol,
        channels: usize,
        patterns: usize,
        queued: Option<usize>,
    ) {
        let mut state = self.state.lock();
        (state.protocol, state.channels, state.patterns) = (protocol, channels, patterns);
        state.queued = queued;
    }

    /// Returns the address of the peer, as redis writes it: without a scheme.
    pub(super) fn peer(&self) -> String {
        match self.place.as_ref().and_then(|place| place.peer.as_ref()) {
            Some(SocketAddr::Inet(address)) => address.to_string(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }

    /// Returns what `CLIENT LIST` calls the kind of this client.
    pub(super) fn kind(&self) -> &'static str {
        let state = self.state.lock();
        if state.channels + state.patterns > 0 { "pubsub" } else { "normal" }
    }
}

impl fmt::Display for Card {
    /// Writes the line of `CLIENT LIST`, with the fields of redis that there are here.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let flags = match (state.channels + state.patterns, state.queued) {
            (0, None) => "N",
            (0, Some(_)) => "x",
            _ => "P",
        };
        let queued = state.queued.map_or(-1, |queued| queued as i64);
        let resp = if state.protocol == Protocol::Resp3 { 3 } else { 2 };
        write!(f, "id={} addr={}", self.id, self.peer())?;
        write!(f, " name={} age={}", text(&state.name), self.connected.elapsed().as_secs())?;
        write!(f, " flags={flags} db=0 sub={} psub={}", state.channels, state.patterns)?;
        write!(f, " multi={queued} user=default resp={resp}")?;
        let (library, version) = (text(&state.library), text(&state.library_version));
        write!(f, " lib-name={library} lib-ver={version}")
    }
}

impl Clients {
    /// Adds a connection and gives it a number.
    pub fn connect(&self, place: Option<Place>) -> Arc<Card> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let card = Arc::new(Card::new(id, place));
        self.connected.lock().insert(id, Arc::clone(&card));
        card
    }

    /// Removes a connection.
    pub fn disconnect(&self, card: &Card) {
        self.connected.lock().remove(&card.id);
    }

    /// Returns how many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connected.lock().len()
    }

    /// Tells whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many there have been in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.last_id.load(Ordering::Relaxed)
    }

    /// Returns all of them, the oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Card>> {
        self.connected.lock().values().cloned().collect()
    }

    pub(super) fn find(&self, id: u64) -> Option<Arc<Card>> {
        self.connected.lock().get(&id).cloned()
    }
}

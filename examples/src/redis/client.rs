//! What the server knows about one connection.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use evio::ConnId;

use super::channels::Kind;
use super::clients::Card;
use super::keyspace::{Dirty, View};
use super::transactions::Transaction;
use crate::resp::Protocol;

/// The most bytes of keys that a client may watch, which are stored twice.
const MAX_WATCHED_BYTES: usize = 1024 * 1024;

/// A connection as its commands see it.
pub struct Client {
    /// What other clients can learn.
    card: Arc<Card>,
    protocol: Protocol,
    /// Whether its commands are simply run: nothing below is the case.
    is_plain: bool,
    transaction: Option<Box<Transaction>>,
    watched: Option<Box<Watch>>,
    channels: Names,
    patterns: Names,
    pub(super) replies: Replies,
    /// Whether the command has confirmed subscriptions, which no `CLIENT REPLY` leaves out.
    pub(super) has_confirmed: bool,
    /// Whether it is the log that is read: its transactions were within the limits, and are longer
    /// as they were logged.
    pub(super) is_log: bool,
    /// How far a command has come that takes several turns.
    pub(super) progress: Option<Progress>,
}

/// How far a look through all keys has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The next slot to look at.
    pub(super) slot: usize,
    /// The keys that were found.
    pub(super) found: Vec<Box<[u8]>>,
}

/// Names that a client has given, which are not to be a way to fill the memory.
#[derive(Default)]
pub(super) struct Names {
    names: BTreeSet<Box<[u8]>>,
    bytes: usize,
}

impl Names {
    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }

    /// Returns the length of all names.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn contains(&self, name: &[u8]) -> bool {
        self.names.contains(name)
    }

    /// Adds a name; tells whether it was absent.
    pub(super) fn insert(&mut self, name: &[u8]) -> bool {
        let is_absent = self.names.insert(name.into());
        self.bytes += if is_absent { name.len() } else { 0 };
        is_absent
    }

    /// Removes a name; tells whether it was there.
    pub(super) fn remove(&mut self, name: &[u8]) -> bool {
        let was_there = self.names.remove(name);
        self.bytes -= if was_there { name.len() } else { 0 };
        was_there
    }
}

/// The keys that a client watches.
#[derive(Default)]
struct Watch {
    keys: Names,
    dirty: Dirty,
}

/// Whether a client wants replies, as it has said by `CLIENT REPLY`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Replies {
    #[default]
    On,
    Off,
    /// To the next command, none.
    Skip,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("id", &self.card.id).finish_non_exhaustive()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new(Arc::default())
    }
}

impl Client {
    /// The longest name a client may give its connection.
    ///
    /// Redis has no such limit; here a name must not be a way to fill the memory.
    pub const MAX_NAME_LEN: usize = 256;

    /// Creates the client whose commands are those of the log, at the start.
    pub(super) fn of_the_log() -> Self {
        Self { is_log: true, ..Self::default() }
    }

    /// Creates the client of a connection that other clients see by its card.
    #[must_use]
    pub fn new(card: Arc<Card>) -> Self {
        Self {
            card,
            protocol: Protocol::Resp2,
            is_plain: true,
            is_log: false,
            transaction: None,
            watched: None,
            channels: Names::default(),
            patterns: Names::default(),
            replies: Replies::On,
            has_confirmed: false,
            progress: None,
        }
    }

    /// Returns what other clients see.
    #[must_use]
    pub fn card(&self) -> &Arc<Card> {
        &self.card
    }

    /// Returns the protocol that the client understands.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the name of the connection, if there is one.
    pub(super) fn conn(&self) -> Option<ConnId> {
        self.card.place.as_ref().map(|place| place.conn.id())
    }

    pub(super) fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.update();
    }

    /// Tells whether the client has subscribed to anything, and so is sent what it did not ask for.
    #[must_use]
    pub fn is_subscribed(&self) -> bool {
        self.subscriptions() > 0
    }

    pub(super) fn subscriptions(&self) -> usize {
        self.channels.names.len() + self.patterns.names.len()
    }

    /// Returns the channels, or the patterns, that the client has subscribed to.
    pub(super) fn names(&self, kind: Kind) -> &Names {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
        }
    }

    pub(super) fn names_mut(&mut self, kind: Kind) -> &mut Names {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    #[inline]
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Makes what is derived from the state follow it.
    pub(super) fn update(&mut self) {
        self.is_plain =
            self.transaction.is_none() && !self.is_subscribed() && self.replies == Replies::On;
        let queued = self.transaction.as_ref().map(|transaction| transaction.len());
        let (channels, patterns) = (self.channels.names.len(), self.patterns.names.len());
        self.card.set_state(self.protocol, channels, patterns, queued);
    }
}

/// Transactions.
impl Client {
    /// Tells whether commands are queued until `EXEC`.
    pub(super) fn is_in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    pub(super) fn transaction(&self) -> Option<&Transaction> {
        self.transaction.as_deref()
    }

    pub(super) fn transaction_mut(&mut self) -> Option<&mut Transaction> {
        self.transaction.as_deref_mut()
    }

    pub(super) fn begin(&mut self, transaction: Transaction) {
        self.transaction = Some(Box::new(transaction));
        self.update();
    }

    pub(super) fn take_transaction(&mut self) -> Option<Box<Transaction>> {
        let transaction = self.transaction.take();
        self.update();
        transaction
    }

    /// Watches a key, unless `max` are watched already, or [`MAX_WATCHED_BYTES`] of them.
    pub(super) fn watch(&mut self, store: &mut View<'_>, key: &[u8], max: usize) -> bool {
        let Watch { keys, dirty } = &mut **self.watched.get_or_insert_default();
        if keys.contains(key) {
            return true;
        }
        if keys.names.len() >= max || keys.bytes() + key.len() > MAX_WATCHED_BYTES {
            return false;
        }
        keys.insert(key);
        store.watch(key, dirty);
        true
    }

    /// Watches nothing any more.
    pub(super) fn unwatch(&mut self, store: &mut View<'_>) {
        if let Some(watch) = self.watched.take() {
            watch.keys.iter().for_each(|key| store.unwatch(key, &watch.dirty));
        }
    }

    /// Returns the keys that are watched.
    pub(super) fn watched(&self) -> impl Iterator<Item = &[u8]> {
        self.watched.iter().flat_map(|watch| watch.keys.iter())
    }

    /// Tells whether a watched key was changed. Their locks are to be held.
    pub(super) fn watches_changed(&self, store: &mut View<'_>) -> bool {
        let Some(watch) = &self.watched else { return false };
        // One that has expired since is changed, which is noticed when it is looked for.
        for key in watch.keys.iter() {
            let _ = store.get(key);
        }
        watch.dirty.is_set()
    }
}

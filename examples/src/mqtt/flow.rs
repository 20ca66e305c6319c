//! Who has to wait for whom.
//!
//! A publisher owes the bytes of its messages until all subscribers, of all loops, have room for
//! more. [`Owed`] stands for those of one message: it lies with the message in mailboxes, and with
//! each subscriber that was full when it was sent it. When the last of them drops it, the bytes are
//! paid back. A publisher that owes its share is not read from until half of that is paid back,
//! and the kernel has its peer wait. What all publishers of a loop owe is limited as well, or many
//! of them could fill a subscriber's output.
//!
//! So a subscriber on any loop is sent no more than that beyond its high watermark, and no mailbox
//! holds more. Nothing is refused there, and nobody waits at a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evio::{ConnHandle, MessageSender};

use super::retained::Publication;

/// How much may be on its way to subscribers before publishers have to wait.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most bytes that all publishers owe: those of each loop an equal part of it. The message
    /// that goes beyond is still sent.
    pub all: usize,
    /// The most bytes that one publisher owes. The message that goes beyond is still sent.
    pub share: usize,
    /// How many messages a client may leave unacknowledged.
    pub inflight: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { all: 3 << 20, share: 12 << 10, inflight: 1000 }
    }
}

/// What one loop tells another.
#[derive(Clone, Debug)]
pub enum Message {
    /// A message for subscribers, which its publisher owes.
    Publish(Publication, Arc<Owed>),
    /// The publishers of the loop that gets this may go on.
    Room,
    /// A client has connected with this name, at this time: an older one with that name is to end.
    Connected(Arc<str>, u64),
}

/// Bytes that are owed, how many may be, and who waits when they are.
#[derive(Debug)]
pub(super) struct Account {
    owed: AtomicUsize,
    limit: usize,
    debtor: Debtor,
}

#[derive(Debug)]
pub(super) enum Debtor {
    Publisher(ConnHandle),
    Loop(MessageSender<Message>),
}

impl Account {
    pub(super) fn new(limit: usize, debtor: Debtor) -> Arc<Self> {
        Arc::new(Self { owed: AtomicUsize::new(0), limit, debtor })
    }

    /// Returns whether the debtor has to wait: it is told when that is over.
    pub(super) fn is_full(&self) -> bool {
        self.owed.load(Ordering::SeqCst) >= self.limit
    }

    /// Tells the debtor when that brings it down to half of its limit, and not each time.
    fn pay_back(&self, bytes: usize) {
        let (before, half) = (self.owed.fetch_sub(bytes, Ordering::SeqCst), self.limit / 2);
        if before > half && before - bytes <= half {
            // Who cannot be told is about to end with the server.
            let _ = match &self.debtor {
                Debtor::Publisher(conn) => conn.wake(),
                Debtor::Loop(event_loop) => event_loop.send(Message::Room).map_err(|e| e.error()),
            };
        }
    }
}

/// The bytes of a message, owed by its publisher and by the loop of that, until this is dropped.
/// Nobody owes a will: its publisher has gone, and others must not have to wait for it.
#[derive(Debug)]
pub struct Owed {
    debtors: Option<[Arc<Account>; 2]>,
    bytes: usize,
}

impl Owed {
    pub(super) fn new(publisher: Arc<Account>, its_loop: &Arc<Account>, bytes: usize) -> Arc<Self> {
        let debtors = [publisher, Arc::clone(its_loop)];
        for account in &debtors {
            account.owed.fetch_add(bytes, Ordering::SeqCst);
        }
        Arc::new(Self { debtors: Some(debtors), bytes })
    }

    pub(super) fn by_nobody() -> Arc<Self> {
        Arc::new(Self { debtors: None, bytes: 0 })
    }

    /// Returns whether somebody other than this client owes it.
    pub(super) fn is_by_another(&self, client: &Arc<Account>) -> bool {
        self.debtors.as_ref().is_some_and(|[publisher, _]| !Arc::ptr_eq(publisher, client))
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        self.debtors.iter().flatten().for_each(|account| account.pay_back(self.bytes));
    }
}

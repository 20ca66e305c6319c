//! Who has to wait for whom.
//!
//! A publisher owns the bytes of its messages until all subscribers, of all loops, have room for
//! more. [`Owed`] stands for those of one message: it lies with the message in mailboxes, and with
//! each subscriber that was full when it was sent it. When the last of them drops it, the bytes are
//! paid back. A publisher that owes its [`SHARE`] is not read from until half of that is paid back,
//! and the kernel has its peer wait. What all publishers of a loop owe is limited as well, by its
//! [`Window`]: otherwise many of them could fill a subscriber's output.
//!
//! So a subscriber on any loop is sent no more than all windows beyond its high watermark, and no
//! mailbox holds more than that. Nothing is refused there, and nobody waits at a lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evio::{ConnHandle, MessageSender};

use super::retained::Publication;

/// The most bytes that all publishers owe: the loops have equal parts of it. The message that goes
/// beyond one is still sent.
const ALL_WINDOWS: usize = 3 << 20;

/// The most bytes that one publisher owes. The message that goes beyond is still sent.
const SHARE: usize = 12 << 10;

/// What one loop tells another.
#[derive(Clone, Debug)]
pub enum Message {
    /// A message for subscribers, and who has published it, or has left with that will.
    Publish(Publication, Arc<Owed>),
    /// The window of the loop that gets this has room again.
    Room,
    /// A client has connected with this name, at this time: an older one with that name is to end.
    Connected(Arc<str>, u64),
}

/// Bytes that are owed, and how many may be.
#[derive(Debug)]
struct Account {
    owed: AtomicUsize,
    limit: usize,
}

impl Account {
    fn new(limit: usize) -> Self {
        Self { owed: AtomicUsize::new(0), limit }
    }

    fn is_full(&self) -> bool {
        self.owed.load(Ordering::SeqCst) >= self.limit
    }

    /// Returns whether there is room again: half of the limit, so that few are told.
    fn pay_back(&self, bytes: usize) -> bool {
        let (before, half) = (self.owed.fetch_sub(bytes, Ordering::SeqCst), self.limit / 2);
        before > half && before - bytes <= half
    }
}

/// What the publishers of one loop owe together.
#[derive(Debug)]
pub(super) struct Window {
    account: Account,
    its_loop: MessageSender<Message>,
}

impl Window {
    pub(super) fn new(its_loop: MessageSender<Message>, loops: usize) -> Self {
        Self { account: Account::new(ALL_WINDOWS / loops), its_loop }
    }

    pub(super) fn is_full(&self) -> bool {
        self.account.is_full()
    }
}

/// A client, as its messages know it.
#[derive(Debug)]
pub(super) struct Publisher {
    account: Account,
    conn: ConnHandle,
    window: Arc<Window>,
}

impl Publisher {
    pub(super) fn new(conn: ConnHandle, window: Arc<Window>) -> Self {
        Self { account: Account::new(SHARE), conn, window }
    }

    /// Returns whether it has to wait. It is woken when that is over.
    pub(super) fn is_full(&self) -> bool {
        self.account.is_full()
    }
}

/// The bytes of a message, owed by its publisher until this is dropped.
#[derive(Debug)]
pub struct Owed {
    publisher: Arc<Publisher>,
    bytes: usize,
}

impl Owed {
    pub(super) fn new(publisher: Arc<Publisher>, bytes: usize) -> Arc<Self> {
        for account in [&publisher.account, &publisher.window.account] {
            account.owed.fetch_add(bytes, Ordering::SeqCst);
        }
        Arc::new(Self { publisher, bytes })
    }

    pub(super) fn is_of(&self, publisher: &Arc<Publisher>) -> bool {
        Arc::ptr_eq(&self.publisher, publisher)
    }
}

impl Drop for Owed {
    fn drop(&mut self) {
        let Publisher { account, conn, window } = &*self.publisher;
        // Who cannot be told is about to end with the server.
        if account.pay_back(self.bytes) {
            let _ = conn.wake();
        }
        if window.account.pay_back(self.bytes) {
            let _ = window.its_loop.send(Message::Room);
        }
    }
}

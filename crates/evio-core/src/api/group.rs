//! The state that the loops of one server share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use evio_sys::clock;
use evio_sys::net::SocketAddr;
use parking_lot::{Condvar, Mutex};

use crate::accept::placement::Placement;
use crate::api::message::{Command, Control, ShutdownMode};
use crate::mail::mailbox::MailboxSender;
use crate::types::message_type::MessageType;

/// The sending end of a loop's mailbox.
pub(crate) type Sender = MailboxSender<Command, Control>;

/// The loops of one server, as they see each other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) placement: Placement,
    pub(crate) message_type: MessageType,
    mailboxes: Vec<Arc<Sender>>,
    /// A shutdown was asked for.
    is_ending: AtomicBool,
    asked_shutdowns: Mutex<AskedShutdowns>,
    /// Loops other than the first wait here until `serving` and the first `tick` are over.
    started: Mutex<bool>,
    start: Condvar,
    /// The address index and the bound address of every socket.
    local_addrs: Mutex<Vec<(u16, SocketAddr)>>,
}

/// The first shutdown of each mode that was asked for, and when.
#[derive(Clone, Copy, Debug, Default)]
struct AskedShutdowns {
    graceful: Option<(ShutdownMode, Instant)>,
    immediate: Option<(ShutdownMode, Instant)>,
}

impl Group {
    /// Joins the loops that these mailboxes belong to.
    pub(crate) fn new(mailboxes: Vec<Arc<Sender>>, placement: Placement) -> Arc<Self> {
        Arc::new(Self {
            placement,
            message_type: MessageType::default(),
            mailboxes,
            is_ending: AtomicBool::new(false),
            asked_shutdowns: Mutex::default(),
            started: Mutex::new(false),
            start: Condvar::new(),
            local_addrs: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn loops(&self) -> usize {
        self.mailboxes.len()
    }

    pub(crate) fn mailbox(&self, loop_id: u16) -> &Arc<Sender> {
        &self.mailboxes[usize::from(loop_id)]
    }

    pub(crate) fn mailboxes(&self) -> &[Arc<Sender>] {
        &self.mailboxes
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::SeqCst)
    }

    /// Returns whether a shutdown was asked for that is not graceful.
    pub(crate) fn ends_at_once(&self) -> bool {
        self.is_ending() && self.asked_shutdowns.lock().immediate.is_some()
    }

    /// Ends the server. Each loop is told by its mailbox, the caller's own too: so what was sent
    /// before is carried out before. The time for it begins now, however late a loop comes to it.
    pub(crate) fn shutdown(&self, mode: ShutdownMode) {
        let now = clock::now();
        self.note_asked(mode, now);
        self.is_ending.store(true, Ordering::SeqCst);
        for mailbox in &self.mailboxes {
            // A loop that has ended needs no telling.
            let _ = mailbox.control(Control::Shutdown(mode, now));
        }
        // Those that are still waiting find the message first.
        self.open_gate();
    }

    fn note_asked(&self, mode: ShutdownMode, now: Instant) {
        let AskedShutdowns { graceful, immediate } = &mut *self.asked_shutdowns.lock();
        match mode {
            ShutdownMode::Graceful(_) => graceful.get_or_insert((mode, now)),
            ShutdownMode::Immediate => immediate.get_or_insert((mode, now)),
        };
    }

    /// Returns the shutdowns that were asked for, the first of each mode, and when.
    pub(crate) fn asked_shutdowns(&self) -> impl Iterator<Item = (ShutdownMode, Instant)> + use<> {
        let AskedShutdowns { graceful, immediate } = *self.asked_shutdowns.lock();
        graceful.into_iter().chain(immediate)
    }

    /// Wakes the listeners that wait for a connection to end, on all loops, now that one has: of
    /// the address by which it had come in, if it was accepted.
    pub(crate) fn wake_listeners(&self, address_index: Option<u16>) {
        let limits = &self.placement.limits;
        match address_index {
            Some(address_index) => {
                limits.take_waiting(address_index, |loop_id| self.wake_listeners_of(loop_id));
            }
            None => limits.take_short(|loop_id| self.wake_listeners_of(loop_id)),
        }
    }

    /// Wakes all listeners that wait for a connection to end.
    pub(crate) fn wake_all_listeners(&self) {
        self.placement.limits.take_all_waiting(|loop_id| self.wake_listeners_of(loop_id));
    }

    fn wake_listeners_of(&self, loop_id: usize) {
        // A loop that has ended accepts nothing.
        let _ = self.mailboxes[loop_id].urgent_control(Control::AcceptAgain);
    }

    pub(crate) fn add_local_addr(&self, address_index: u16, address: SocketAddr) {
        self.local_addrs.lock().push((address_index, address));
    }

    /// Returns the bound addresses by address index, each once: sockets of several loops share one.
    pub(crate) fn local_addrs(&self) -> Vec<(u16, SocketAddr)> {
        let mut addresses: Vec<(u16, SocketAddr)> = Vec::new();
        for (index, address) in &*self.local_addrs.lock() {
            // A server has a handful of addresses: looking through them beats hashing them.
            let is_same = |(other, known): &(u16, SocketAddr)| {
                other == index && known.to_string() == address.to_string()
            };
            if !addresses.iter().any(is_same) {
                addresses.push((*index, address.clone()));
            }
        }
        addresses.sort_by_key(|&(index, _)| index);
        addresses
    }

    pub(crate) fn open_gate(&self) {
        *self.started.lock() = true;
        self.start.notify_all();
    }

    pub(crate) fn wait_at_gate(&self) {
        let mut started = self.started.lock();
        self.start.wait_while(&mut started, |started| !*started);
    }
}

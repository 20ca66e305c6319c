//! What the loops of one server share.

use std::sync::Arc;

use evio_sys::net::SocketAddr;
use parking_lot::{Condvar, Mutex};

use crate::config::Config;
use crate::load_balance::Placement;
use crate::mailbox::{Mailbox, MailboxSender, Manner, Message, Order};

/// The loops of one server, as they see each other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) placement: Placement,
    mailboxes: Vec<Arc<MailboxSender>>,
    /// Loops other than the first wait here until `serving` and the first `tick` are over.
    started: Mutex<bool>,
    start: Condvar,
    /// The address index and the bound address of every socket.
    local_addrs: Mutex<Vec<(u16, SocketAddr)>>,
}

impl Group {
    /// Joins the loops that these mailboxes belong to.
    pub(crate) fn new<'a>(
        mailboxes: impl ExactSizeIterator<Item = &'a Mailbox>,
        config: &Config,
    ) -> Arc<Self> {
        Arc::new(Self {
            placement: Placement::new(config, mailboxes.len()),
            mailboxes: mailboxes.map(|mailbox| Arc::clone(mailbox.sender())).collect(),
            started: Mutex::new(false),
            start: Condvar::new(),
            local_addrs: Mutex::new(Vec::new()),
        })
    }

    pub(crate) fn loops(&self) -> usize {
        self.mailboxes.len()
    }

    pub(crate) fn mailbox(&self, loop_id: usize) -> &MailboxSender {
        &self.mailboxes[loop_id]
    }

    pub(crate) fn shutdown(&self, manner: Manner) {
        for mailbox in &self.mailboxes {
            // A loop that has ended needs no telling.
            let _ = mailbox.order(Order::Shutdown(manner));
        }
        // Those that are still waiting find the message first.
        *self.started.lock() = true;
        self.start.notify_all();
    }

    /// Has the listeners of all loops try once more.
    pub(crate) fn accept_again(&self) {
        for mailbox in &self.mailboxes {
            mailbox.accept_again();
        }
    }

    /// Has every loop give up its sockets for the address with this index.
    pub(crate) fn stop_listening(&self, address_index: u16) {
        for mailbox in &self.mailboxes {
            // A loop that has ended listens to nothing.
            let _ = mailbox.post(Message::StopListening(address_index));
        }
    }

    pub(crate) fn add_local_addr(&self, address_index: u16, address: SocketAddr) {
        self.local_addrs.lock().push((address_index, address));
    }

    /// Returns the bound addresses by address index, without the repetitions of sockets that share
    /// one.
    pub(crate) fn local_addrs(&self) -> Vec<(usize, SocketAddr)> {
        let mut addresses: Vec<_> = self.local_addrs.lock().clone();
        addresses.sort_by_key(|&(index, _)| index);
        addresses.dedup_by_key(|(index, address)| (*index, address.to_string()));
        addresses.into_iter().map(|(index, address)| (usize::from(index), address)).collect()
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

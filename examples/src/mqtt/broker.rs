//! The broker, as one loop has it: its callbacks, and how clients come and go.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Display;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, ConnMap, Handler, InputStream, Loop, LoopHandle,
    MessageSender,
};
use log::info;

use super::client::{CONNECT_TIME, Client};
use super::flow::{Account, Bounds, Debtor, Message, Owed};
use super::retained::{Publication, Retained};
use super::topics::Filters;

/// What is the same for all loops.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest packet that a client may send, in bytes behind its fixed header.
    pub max_packet: usize,
    /// How long a client may keep those waiting who publish to it.
    pub patience: Option<Duration>,
    /// How much may be on its way to subscribers.
    pub bounds: Bounds,
    /// Gives everything that the loops must agree upon its place in one order.
    pub stamps: Arc<AtomicU64>,
}

/// One loop's part of the broker: its clients, what they have subscribed to, and a copy of the
/// retained messages. Loops share counters alone; they tell each other what is published.
#[derive(Debug)]
pub struct Broker {
    pub(super) settings: Settings,
    pub(super) clients: ConnMap<Client>,
    /// The clients by the names that they have given themselves.
    pub(super) names: HashMap<Arc<str>, ConnId>,
    pub(super) filters: Filters<ConnId>,
    pub(super) retained: Retained,
    others: Vec<MessageSender<Message>>,
    /// What all publishers of this loop owe.
    pub(super) account: Arc<Account>,
    /// The publishers that wait because that is too much.
    pub(super) waiting: BTreeSet<ConnId>,
    /// How much was done in this callback.
    pub(super) work: usize,
}

impl Broker {
    /// Makes the part of one loop.
    ///
    /// # Panics
    ///
    /// Panics in a server whose handlers take other messages.
    #[must_use]
    pub fn new(here: &LoopHandle, settings: Settings) -> Self {
        let sender = |of_loop: LoopHandle| {
            of_loop.message_sender().expect("each loop has a handler of this type")
        };
        let all = settings.bounds.all / here.loops();
        let others = (0..here.loops()).filter(|loop_id| *loop_id != here.loop_id());
        Self {
            settings,
            clients: ConnMap::new(),
            names: HashMap::new(),
            filters: Filters::default(),
            retained: Retained::default(),
            others: others.filter_map(|loop_id| here.of_loop(loop_id)).map(sender).collect(),
            account: Account::new(all, Debtor::Loop(sender(here.clone()))),
            waiting: BTreeSet::new(),
            work: 0,
        }
    }

    pub(super) fn stamp(&self) -> u64 {
        self.settings.stamps.fetch_add(1, Ordering::Relaxed)
    }

    /// Sends a message to all the other loops.
    pub(super) fn send_all(&self, message: &Message) {
        for other in &self.others {
            // A mailbox has room for all that there can be, so one that refuses it is ending.
            let _ = other.send(message.clone());
        }
    }

    /// Publishes a message of a client of this loop on all loops.
    pub(super) fn publish(
        &mut self,
        event_loop: &mut Loop<'_>,
        message: Publication,
        owed: Arc<Owed>,
    ) {
        self.deliver(event_loop, &message, &owed);
        self.send_all(&Message::Publish(message, owed));
    }

    /// Delivers a message to its subscribers on this loop. They are sent it in any case; if it is
    /// too much for one of them, that one has its publisher wait.
    fn deliver(&mut self, event_loop: &mut Loop<'_>, message: &Publication, owed: &Arc<Owed>) {
        if message.retain {
            self.retained.keep(message);
        }
        let (found, places) = self.filters.find(&message.topic);
        self.work += places + found.len();
        for (id, granted) in found {
            let (client, conn) = (self.clients.get_mut(id), event_loop.conn(id));
            let (Some(client), Some(mut conn)) = (client, conn) else { continue };
            // A message that was not sent because of a new subscription is not a retained one
            // [MQTT-3.3.1-9].
            client.send(&mut conn, message, granted, false, self.settings.patience);
            // A client does not wait for itself: its acknowledgements come behind what it
            // publishes, and while its output is congested, it is not read from anyhow.
            if client.is_full(&conn) && owed.is_by_another(&client.account) {
                client.owed.push(Arc::clone(owed));
            }
        }
    }

    /// Forgets a client, which has those go on who wait for it, and publishes its will (3.1.2.5). A
    /// client that leaves in order has none any more.
    pub(super) fn leave(&mut self, event_loop: &mut Loop<'_>, id: ConnId, reason: &dyn Display) {
        let Some(client) = self.clients.remove(id) else { return };
        for filter in &client.filters {
            self.filters.remove(filter, id);
        }
        if let Some(name) = client.name {
            info!("{id} {name:?} has left: {reason}");
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
        if let Some(will) = client.will {
            let will = Publication { stamp: self.stamp(), ..will };
            self.publish(event_loop, will, Owed::by_nobody());
        }
    }

    /// Ends a client that another one has taken the name of; what was written to it is sent.
    pub(super) fn replace(&mut self, event_loop: &mut Loop<'_>, older: ConnId) {
        self.leave(event_loop, older, &"another client has its name");
        if let Some(mut conn) = event_loop.conn(older) {
            conn.close();
        }
    }
}

impl Handler<Message> for Broker {
    /// What the client has sent, from the first packet on that was not carried out.
    type Context = InputStream;

    fn context(&mut self, conn: &Conn<'_>) -> InputStream {
        let Bounds { share, inflight, .. } = self.settings.bounds;
        let account = Account::new(share, Debtor::Publisher(conn.handle()));
        self.clients.insert(conn, Client::new(account, inflight));
        // The parser refuses what is too large, and nothing is read while packets wait.
        InputStream::with_max_len(usize::MAX)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut InputStream) -> Action {
        conn.set_read_timeout(Some(CONNECT_TIME));
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, stream: &mut InputStream, input: &[u8]) -> Action {
        self.serve(conn, stream, input)
    }

    /// A publisher that has waited goes on.
    fn woken(&mut self, conn: &mut Conn<'_>, stream: &mut InputStream) -> Action {
        conn.resume_reading();
        self.serve(conn, stream, &[])
    }

    /// The client has packets left of which the replies were too much, and publishers to wait for
    /// it.
    fn drained(&mut self, conn: &mut Conn<'_>, stream: &mut InputStream) -> Action {
        if let Some(client) = self.clients.get_mut(conn.id()) {
            client.make_room(conn);
        }
        self.serve(conn, stream, &[])
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, _: &mut InputStream) -> Action {
        // `closed` comes when all output is sent, and nobody has to wait for that.
        let id = conn.id();
        self.leave(&mut conn.event_loop(), id, &CloseReason::PeerClosed);
        Action::Close
    }

    fn timer(&mut self, conn: &mut Conn<'_>, _: &mut InputStream) -> Action {
        // It has had too much to acknowledge for too long; `closed` has the others go on.
        conn.abort();
        Action::None
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, message: Message) -> ControlFlow<()> {
        match message {
            Message::Publish(message, owed) => self.deliver(event_loop, &message, &owed),
            Message::Room => {
                for id in mem::take(&mut self.waiting) {
                    if let Some(mut conn) = event_loop.conn(id) {
                        conn.wake();
                    }
                }
            }
            Message::Connected(name, stamp) => {
                let holder = self.names.get(&name).copied();
                let is_older =
                    |id: &ConnId| self.clients.get(*id).is_some_and(|held| held.stamp < stamp);
                if let Some(older) = holder.filter(is_older) {
                    self.replace(event_loop, older);
                }
            }
        }
        ControlFlow::Continue(())
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        _: InputStream,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        let id = conn.id();
        if let (CloseReason::Shutdown, Some(client)) = (&reason, self.clients.get_mut(id)) {
            // Everybody goes at once; a will may wait for the next start then, or for ever.
            client.will = None;
        }
        self.leave(&mut conn.event_loop(), id, &reason);
        ControlFlow::Continue(())
    }
}

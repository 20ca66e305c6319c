//! The broker, as one loop has it: its callbacks, and how clients come and go.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::mem;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, ConnMap, Handler, Loop, LoopHandle, LoopTimer};
use log::info;

use super::client::{CONNECT_TIME, Client};
use super::flow::{Gate, Link, Message};
use super::packet::Qos;
use super::retained::{Publication, Retained};
use super::topics::Filters;

/// What is the same for all loops.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The longest packet that a client may send, in bytes behind its fixed header.
    pub max_packet: usize,
    /// How long a client may keep those waiting who publish to it.
    pub patience: Option<Duration>,
    /// Gives everything that the loops must agree upon its place in one order.
    pub stamps: Arc<AtomicU64>,
}

/// One loop's part of the broker: its clients, what they have subscribed to, and a copy of the
/// retained messages. Loops share a counter alone; they tell each other what is published.
#[derive(Debug)]
pub struct Broker {
    pub(super) settings: Settings,
    pub(super) clients: ConnMap<Client>,
    /// The clients by the names that they have given themselves.
    pub(super) names: HashMap<Arc<str>, ConnId>,
    pub(super) filters: Filters<ConnId>,
    pub(super) retained: Retained,
    pub(super) links: Vec<Link>,
    /// The subscribers of the message that is being delivered.
    pub(super) found: Vec<(ConnId, Qos)>,
    /// The gates that have opened, and the clients that may go on.
    pub(super) opened: VecDeque<Gate>,
    pub(super) ready: VecDeque<ConnId>,
    /// The clients that go on later, and how much was done in this callback for the others.
    pub(super) later: Vec<ConnId>,
    pub(super) work: usize,
    pub(super) has_timer: bool,
}

impl Broker {
    /// Makes the part of one loop.
    ///
    /// # Panics
    ///
    /// Panics in a server whose handlers take other messages.
    #[must_use]
    pub fn new(here: &LoopHandle, settings: Settings) -> Self {
        let others = (0..here.loops()).filter(|loop_id| *loop_id != here.loop_id());
        let links = others.filter_map(|loop_id| here.of_loop(loop_id)).map(|other| {
            let sender = other.message_sender().expect("each loop has a handler of this type");
            Link::new(sender, here.loops())
        });
        Self {
            settings,
            clients: ConnMap::new(),
            names: HashMap::new(),
            filters: Filters::default(),
            retained: Retained::default(),
            links: links.collect(),
            found: Vec::new(),
            opened: VecDeque::new(),
            ready: VecDeque::new(),
            later: Vec::new(),
            work: 0,
            has_timer: false,
        }
    }

    pub(super) fn stamp(&self) -> u64 {
        self.settings.stamps.fetch_add(1, Ordering::Relaxed)
    }

    /// Forgets a client, has those go on who wait for it, and publishes its will (3.1.2.5). A
    /// client that leaves in order has none any more.
    fn leave(&mut self, event_loop: &mut Loop<'_>, id: ConnId, reason: &dyn Display) {
        let Some(client) = self.clients.remove(id) else { return };
        for filter in &client.filters {
            self.filters.remove(filter, id);
        }
        client.credits.into_iter().for_each(|credit| self.give_back(event_loop, credit));
        for publisher in client.waiting {
            self.release(event_loop, Gate::Subscriber(id), publisher);
        }
        if let Some(name) = client.name {
            info!("{id} {name:?} has left: {reason}");
            if self.names.get(&name) == Some(&id) {
                self.names.remove(&name);
            }
        }
        if let Some(mut will) = client.will {
            will.stamp = self.stamp();
            self.work += self.filters.find(&will.topic, &mut self.found);
            self.deliver(event_loop, &will, id);
        }
    }

    /// Closes a connection; what was written to it is sent.
    pub(super) fn close(&mut self, event_loop: &mut Loop<'_>, id: ConnId, reason: &dyn Display) {
        self.leave(event_loop, id, reason);
        if let Some(mut conn) = event_loop.conn(id) {
            conn.close();
        }
    }

    /// Delivers a message to those who were found for it on this loop. They are sent it in any
    /// case; if it came from another loop and is too much for one of them, its publisher is to
    /// wait. If it came from here, the other loops are sent it.
    pub(super) fn deliver(
        &mut self,
        event_loop: &mut Loop<'_>,
        message: &Publication,
        publisher: ConnId,
    ) {
        if message.retain {
            self.retained.keep(message);
        }
        let is_from_here = publisher.loop_id() == event_loop.loop_id();
        let credit = Arc::new((publisher, message.len()));
        let found = mem::take(&mut self.found);
        self.work += found.len();
        for &(id, granted) in &found {
            let (client, conn) = (self.clients.get_mut(id), event_loop.conn(id));
            let (Some(client), Some(mut conn)) = (client, conn) else { continue };
            // A message that was not sent because of a new subscription is not a retained one
            // [MQTT-3.3.1-9].
            client.send(&mut conn, message, granted, false, self.settings.patience);
            if !is_from_here && client.is_full(&conn) {
                client.credits.push(Arc::clone(&credit));
                self.wait_at(event_loop, Gate::Subscriber(id), publisher);
            }
        }
        self.found = found;
        self.give_back(event_loop, credit);
        let links = self.links.iter_mut().filter(|_| is_from_here);
        let full = links.map(|link| usize::from(link.publish(publisher, message))).sum();
        (0..full).for_each(|_| self.hold(event_loop, publisher));
    }
}

impl Handler<Message> for Broker {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        self.clients.insert(conn, Client::new());
    }

    fn opened(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        conn.set_read_timeout(Some(CONNECT_TIME));
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        self.work = 0;
        self.serve(conn, input);
        self.go_on(&mut conn.event_loop());
        Action::None
    }

    fn drained(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        // The client has packets left of which the replies were too much, and publishers to wait
        // for it.
        self.opened.push_back(Gate::Subscriber(conn.id()));
        self.data(conn, &mut (), &[])
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        // `closed` comes when all output is sent, and nobody has to wait for that.
        let id = conn.id();
        self.leave(&mut conn.event_loop(), id, &CloseReason::PeerClosed);
        self.go_on(&mut conn.event_loop());
        Action::Close
    }

    fn timer(&mut self, conn: &mut Conn<'_>, (): &mut ()) -> Action {
        // It has had too much to acknowledge for too long; `closed` has the others go on.
        conn.abort();
        Action::None
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, message: Message) -> ControlFlow<()> {
        self.work = 0;
        match message {
            Message::Publish(publisher, message) => {
                self.work += self.filters.find(&message.topic, &mut self.found);
                self.deliver(event_loop, &message, publisher);
            }
            Message::Hold(publisher) => self.hold(event_loop, publisher),
            Message::Release(subscriber, publisher) => {
                self.release(event_loop, Gate::Subscriber(subscriber), publisher);
                self.go_on(event_loop);
                self.send(subscriber.loop_id(), Message::Next(subscriber));
            }
            Message::Next(subscriber) => self.opened.push_back(Gate::Subscriber(subscriber)),
            Message::Credit(loop_id, credits) => {
                for (publisher, bytes) in credits {
                    if self.link(loop_id).is_some_and(|link| link.put_back(publisher, bytes)) {
                        self.release(event_loop, Gate::Subscriber(publisher), publisher);
                    }
                }
            }
            Message::Connected(name, stamp) => {
                let holder = self.names.get(&name).copied();
                let is_older =
                    |id: &ConnId| self.clients.get(*id).is_some_and(|held| held.stamp < stamp);
                if let Some(older) = holder.filter(is_older) {
                    self.close(event_loop, older, &"another client has its name");
                }
            }
        }
        self.go_on(event_loop);
        ControlFlow::Continue(())
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, _: LoopTimer) -> ControlFlow<()> {
        self.work = 0;
        self.retry(event_loop);
        ControlFlow::Continue(())
    }

    fn closed(&mut self, conn: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        if let (CloseReason::Shutdown, Some(client)) = (&reason, self.clients.get_mut(conn.id())) {
            // Everybody goes at once; a will may wait for the next start then, or for ever.
            client.will = None;
        }
        let id = conn.id();
        self.leave(&mut conn.event_loop(), id, &reason);
        self.go_on(&mut conn.event_loop());
        ControlFlow::Continue(())
    }
}

//! Who has subscribed to what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evio::{ConnId, Loop, LoopHandle, SendError};
use log::warn;
use parking_lot::RwLock;

use super::batch::BATCH_WORK;
use super::glob::{self, Pattern};
use super::outbox::{Message, Outbox};
use crate::resp::{Protocol, Reply};

/// What it takes to write a message to one subscriber, in units of work.
const COPY_WORK: usize = 10;

/// How many bytes of messages a loop writes to a subscriber before the socket takes them: far fewer
/// than may wait for one, so that a loop which was busy does not cut off those who do read.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// What clients have subscribed to; for each loop apart, so that a message is looked up, and
/// written to its subscribers, on the loop that they are on.
#[derive(Clone, Debug)]
pub struct Channels {
    loops: Arc<[OfLoop]>,
}

/// What concerns one loop.
#[derive(Debug, Default)]
struct OfLoop {
    subscriptions: RwLock<Subscriptions>,
    outbox: Outbox,
}

/// The subscriptions of the connections of one loop.
#[derive(Debug, Default)]
struct Subscriptions {
    channels: BTreeMap<Box<[u8]>, Subscribed>,
    patterns: BTreeMap<Box<[u8]>, Subscribed>,
}

/// A channel or a pattern that somebody has subscribed to.
#[derive(Debug)]
struct Subscribed {
    /// None of a channel.
    pattern: Option<Box<Pattern>>,
    clients: Subscribers,
}

/// The connections that have subscribed, and what they understand.
type Subscribers = BTreeMap<ConnId, Protocol>;

/// To whom a message is to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Receivers {
    /// How many times it is sent.
    pub(super) count: usize,
    /// How many bytes of patterns and of the name of the channel were compared to find out.
    pub(super) steps: usize,
}

/// Too much waits for a loop that has subscribers of the channel. They were looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full(pub(super) Receivers);

/// What is subscribed to: one channel, or all whose name matches a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Channel,
    Pattern,
}

impl Subscriptions {
    fn of_kind(&self, kind: Kind) -> &BTreeMap<Box<[u8]>, Subscribed> {
        match kind {
            Kind::Channel => &self.channels,
            Kind::Pattern => &self.patterns,
        }
    }

    fn of_kind_mut(&mut self, kind: Kind) -> &mut BTreeMap<Box<[u8]>, Subscribed> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    fn patterns_of(
        &self,
        channel: &[u8],
        steps: &mut usize,
    ) -> impl Iterator<Item = (&[u8], &Subscribers)> {
        let mut matches = |subscribed: &Subscribed| {
            // To come to it takes as long as to compare some bytes.
            *steps += glob::STEPS_PER_WORK;
            subscribed.pattern.as_ref().is_some_and(|pattern| pattern.matches(channel, steps))
        };
        self.patterns.iter().filter_map(move |(pattern, subscribed)| {
            matches(subscribed).then_some((&**pattern, &subscribed.clients))
        })
    }

    fn clients_of(&self, channel: &[u8]) -> Option<&Subscribers> {
        self.channels.get(channel).map(|subscribed| &subscribed.clients)
    }

    fn receivers(&self, channel: &[u8]) -> Receivers {
        let (mut count, mut steps) = (self.clients_of(channel).map_or(0, BTreeMap::len), 0);
        count +=
            self.patterns_of(channel, &mut steps).map(|(_, clients)| clients.len()).sum::<usize>();
        Receivers { count, steps }
    }

    /// Writes a message to all that have subscribed, and returns how much work that was.
    fn send(&self, event_loop: &mut Loop<'_>, message: &Message) -> usize {
        let Message { channel, text } = message;
        let (mut copies, mut steps) = (0, 0);
        if let Some(clients) = self.clients_of(channel) {
            copies += clients.len();
            send_to(event_loop, clients, &[b"message", channel, text]);
        }
        for (pattern, clients) in self.patterns_of(channel, &mut steps) {
            copies += clients.len();
            send_to(event_loop, clients, &[b"pmessage", pattern, channel, text]);
        }
        COPY_WORK * copies + glob::work(steps)
    }
}

/// Writes a message to connections of this loop. The bytes are made once for each protocol.
///
/// One that does not read what it is sent is closed when that exceeds its output limit.
fn send_to(event_loop: &mut Loop<'_>, subscribers: &Subscribers, parts: &[&[u8]]) {
    let mut made: [Option<Arc<[u8]>>; 2] = [None, None];
    for (&id, &protocol) in subscribers {
        let Some(mut conn) = event_loop.conn(id) else { continue };
        let bytes = made[protocol as usize].get_or_insert_with(|| push(protocol, parts).into());
        conn.write_shared(Arc::clone(bytes));
    }
}

fn push(protocol: Protocol, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reply = Reply::with_max_len(&mut bytes, protocol, usize::MAX);
    reply.push(parts.len());
    parts.iter().for_each(|part| reply.bulk(part));
    bytes
}

impl Channels {
    pub(super) fn new(loops: usize) -> Self {
        Self { loops: (0..loops).map(|_| OfLoop::default()).collect() }
    }

    /// Adds a connection to those that are sent what is published. It may get messages that were
    /// published before and still wait for its loop.
    pub(super) fn subscribe(&self, kind: Kind, name: &[u8], conn: ConnId, protocol: Protocol) {
        let mut here = self.loops[conn.loop_id()].subscriptions.write();
        let all = here.of_kind_mut(kind);
        if let Some(subscribed) = all.get_mut(name) {
            subscribed.clients.insert(conn, protocol);
            return;
        }
        let pattern = (kind == Kind::Pattern).then(|| Box::new(Pattern::new(name)));
        all.insert(name.into(), Subscribed { pattern, clients: [(conn, protocol)].into() });
    }

    /// Takes back [`subscribe`](Self::subscribe).
    pub(super) fn unsubscribe(&self, kind: Kind, name: &[u8], conn: ConnId) {
        let mut here = self.loops[conn.loop_id()].subscriptions.write();
        let all = here.of_kind_mut(kind);
        if let Some(subscribed) = all.get_mut(name) {
            subscribed.clients.remove(&conn);
            if subscribed.clients.is_empty() {
                all.remove(name);
            }
        }
    }

    /// Returns how many connections have subscribed to a channel by its name.
    pub(super) fn subscribers(&self, channel: &[u8]) -> usize {
        let count = |here: &Subscriptions| here.clients_of(channel).map_or(0, BTreeMap::len);
        self.loops.iter().map(|of_loop| count(&of_loop.subscriptions.read())).sum()
    }

    /// Returns the names of all channels, or all patterns, that somebody has subscribed to.
    pub(super) fn names(&self, kind: Kind) -> BTreeSet<Box<[u8]>> {
        let mut names = BTreeSet::new();
        for of_loop in &*self.loops {
            names.extend(of_loop.subscriptions.read().of_kind(kind).keys().cloned());
        }
        names
    }

    /// Returns how many channels, or patterns, somebody has subscribed to.
    pub(super) fn count(&self, kind: Kind) -> usize {
        let all: Vec<_> = self.loops.iter().map(|of_loop| of_loop.subscriptions.read()).collect();
        let is_new = |place: usize, name: &[u8]| {
            !all[..place].iter().any(|before| before.of_kind(kind).contains_key(name))
        };
        let new = |(place, here): (usize, &Subscriptions)| {
            here.of_kind(kind).keys().filter(|name| is_new(place, name)).count()
        };
        all.iter().enumerate().map(|(place, here)| new((place, here))).sum()
    }

    /// Puts a message into the outboxes of all loops with subscribers, or into none of them if one
    /// has no room. Returns to how many it is to be sent, which [`flush`](Self::flush) begins.
    pub(super) fn publish(&self, channel: &[u8], text: &[u8]) -> Result<Receivers, Full> {
        let mut receivers = Receivers::default();
        let is_wanted = |of_loop: &&OfLoop| {
            let here = of_loop.subscriptions.read().receivers(channel);
            receivers.count += here.count;
            receivers.steps += here.steps;
            here.count > 0
        };
        let wanted: Vec<_> = self.loops.iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            return Ok(receivers);
        }
        // In the order of the loops, as all do, so that nobody waits for ever.
        let mut queues: Vec<_> = wanted.iter().map(|of_loop| of_loop.outbox.lock()).collect();
        if !queues.iter().all(|queue| queue.has_room(Message::cost_of(channel, text))) {
            return Err(Full(receivers));
        }
        let message = Message::new(channel, text);
        queues.iter_mut().for_each(|queue| queue.push(message.clone()));
        Ok(receivers)
    }

    /// Tells the loops that have messages waiting and do not know of them. A mailbox that is full
    /// refuses that, so it is to be called again, now and then.
    pub fn flush(&self, from: &LoopHandle) {
        for (loop_id, of_loop) in self.loops.iter().enumerate() {
            let Some(target) = from.of_loop(loop_id) else { continue };
            if of_loop.outbox.begin_post() {
                self.post(&target);
            }
        }
    }

    /// Has a loop send what waits for its subscribers.
    fn post(&self, target: &LoopHandle) {
        let (channels, loop_id) = (self.clone(), target.loop_id());
        let posted = target.post(move |event_loop| channels.deliver(event_loop));
        let posted = posted.map_err(SendError::from);
        let outbox = &self.loops[loop_id].outbox;
        match posted {
            Ok(()) => {}
            Err(SendError::Full) => outbox.cancel_post(),
            Err(error) => {
                let lost = outbox.clear();
                warn!("{lost} messages for the subscribers of loop {loop_id} are lost: {error}");
            }
        }
    }

    /// Sends what waits for the subscribers of this loop; the rest of much in a later turn.
    fn deliver(&self, event_loop: &mut Loop<'_>) {
        let OfLoop { subscriptions, outbox } = &self.loops[event_loop.loop_id()];
        let (mut work, mut bytes) = (0, 0);
        while work < BATCH_WORK && bytes < BYTES_AT_ONCE {
            let Some(message) = outbox.take() else { return };
            bytes += message.cost();
            work += COPY_WORK + subscriptions.read().send(event_loop, &message);
        }
        self.post(&event_loop.handle());
    }
}

#[cfg(test)]
mod tests;

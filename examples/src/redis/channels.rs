//! Who has subscribed to what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evio::{ConnId, Loop, LoopHandle, SendError};
use log::warn;
use parking_lot::RwLock;

use super::glob::matches;
use super::outbox::{Message, Outbox};
use crate::resp::{Protocol, Reply};

/// How many messages, and copies of them for subscribers, a loop writes before its connections get
/// their turn: about two milliseconds.
const COPIES_AT_ONCE: usize = 10_000;

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
    channels: BTreeMap<Box<[u8]>, Subscribers>,
    patterns: BTreeMap<Box<[u8]>, Subscribers>,
}

/// The connections that have subscribed, and what they understand.
type Subscribers = BTreeMap<ConnId, Protocol>;

/// Too much waits for a loop that has subscribers of the channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Full;

/// What is subscribed to: one channel, or all whose name matches a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Channel,
    Pattern,
}

impl Subscriptions {
    fn subscribers(&mut self, kind: Kind) -> &mut BTreeMap<Box<[u8]>, Subscribers> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
        }
    }

    fn patterns_of<'a>(
        &'a self,
        channel: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a Subscribers)> {
        let all = self.patterns.iter().map(|(pattern, subscribers)| (&**pattern, subscribers));
        all.filter(|(pattern, _)| matches(pattern, channel))
    }

    /// Returns how many times a message would be sent.
    fn receivers(&self, channel: &[u8]) -> usize {
        let direct = self.channels.get(channel).map_or(0, BTreeMap::len);
        direct + self.patterns_of(channel).map(|(_, clients)| clients.len()).sum::<usize>()
    }

    /// Writes a message to all that have subscribed, and returns how many that are.
    fn send(&self, event_loop: &mut Loop<'_>, message: &Message) -> usize {
        let Message { channel, text } = message;
        let mut copies = 0;
        if let Some(subscribers) = self.channels.get(&**channel) {
            copies += subscribers.len();
            send_to(event_loop, subscribers, &[b"message", channel, text]);
        }
        for (pattern, subscribers) in self.patterns_of(channel) {
            copies += subscribers.len();
            send_to(event_loop, subscribers, &[b"pmessage", pattern, channel, text]);
        }
        copies
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

    /// Has a connection sent what is published from now on.
    pub(super) fn subscribe(&self, kind: Kind, name: &[u8], conn: ConnId, protocol: Protocol) {
        let mut here = self.loops[conn.loop_id()].subscriptions.write();
        let subscribers = here.subscribers(kind);
        match subscribers.get_mut(name) {
            Some(clients) => drop(clients.insert(conn, protocol)),
            None => drop(subscribers.insert(name.into(), [(conn, protocol)].into())),
        }
    }

    /// Takes back [`subscribe`](Self::subscribe).
    pub(super) fn unsubscribe(&self, kind: Kind, name: &[u8], conn: ConnId) {
        let mut here = self.loops[conn.loop_id()].subscriptions.write();
        let subscribers = here.subscribers(kind);
        if let Some(clients) = subscribers.get_mut(name) {
            clients.remove(&conn);
            if clients.is_empty() {
                subscribers.remove(name);
            }
        }
    }

    /// Returns how many connections have subscribed to a channel by its name.
    pub(super) fn subscribers(&self, channel: &[u8]) -> usize {
        let count = |here: &Subscriptions| here.channels.get(channel).map_or(0, BTreeMap::len);
        self.loops.iter().map(|of_loop| count(&of_loop.subscriptions.read())).sum()
    }

    /// Returns the names of all channels, or all patterns, that somebody has subscribed to.
    pub(super) fn names(&self, kind: Kind) -> BTreeSet<Box<[u8]>> {
        let mut names = BTreeSet::new();
        for of_loop in &*self.loops {
            names.extend(of_loop.subscriptions.write().subscribers(kind).keys().cloned());
        }
        names
    }

    /// Puts a message into the outboxes of all loops with subscribers, or into none of them if one
    /// has no room. Returns how many times it is to be sent, which [`flush`](Self::flush) begins.
    pub(super) fn publish(&self, channel: &[u8], text: &[u8]) -> Result<usize, Full> {
        let mut receivers = 0;
        let is_wanted = |of_loop: &&OfLoop| {
            let here = of_loop.subscriptions.read().receivers(channel);
            receivers += here;
            here > 0
        };
        let wanted: Vec<_> = self.loops.iter().filter(is_wanted).collect();
        if wanted.is_empty() {
            return Ok(0);
        }
        let message = Message::new(channel, text);
        // In the order of the loops, as all do, so that nobody waits for ever.
        let mut queues: Vec<_> = wanted.iter().map(|of_loop| of_loop.outbox.lock()).collect();
        if !queues.iter().all(|queue| queue.has_room(&message)) {
            return Err(Full);
        }
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
        let (mut copies, mut bytes) = (0, 0);
        while copies < COPIES_AT_ONCE && bytes < BYTES_AT_ONCE {
            let Some(message) = outbox.take() else { return };
            bytes += message.cost();
            copies += 1 + subscriptions.read().send(event_loop, &message);
        }
        self.post(&event_loop.handle());
    }
}

#[cfg(test)]
mod tests;

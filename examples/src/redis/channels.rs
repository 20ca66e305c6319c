//! Who has subscribed to what.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use evio::{ConnId, Loop, LoopHandle};
use log::warn;
use parking_lot::RwLock;

use super::glob::matches;
use crate::resp::{Protocol, Reply};

/// What clients have subscribed to; for each loop apart, so that a message is looked up, and
/// written to its subscribers, on the loop that they are on.
#[derive(Clone, Debug)]
pub struct Channels {
    loops: Arc<[RwLock<OfLoop>]>,
}

/// The subscriptions of the connections of one loop.
#[derive(Debug, Default)]
struct OfLoop {
    channels: BTreeMap<Box<[u8]>, Subscribers>,
    patterns: BTreeMap<Box<[u8]>, Subscribers>,
}

/// The connections that have subscribed, and what they understand.
type Subscribers = BTreeMap<ConnId, Protocol>;

/// A message that was published.
#[derive(Clone, Debug)]
pub struct Message {
    channel: Arc<[u8]>,
    text: Arc<[u8]>,
}

/// What is subscribed to: one channel, or all whose name matches a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Channel,
    Pattern,
}

impl OfLoop {
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

    fn send(&self, event_loop: &mut Loop<'_>, message: &Message) {
        let Message { channel, text } = message;
        if let Some(subscribers) = self.channels.get(&**channel) {
            send_to(event_loop, subscribers, &[b"message", channel, text]);
        }
        for (pattern, subscribers) in self.patterns_of(channel) {
            send_to(event_loop, subscribers, &[b"pmessage", pattern, channel, text]);
        }
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

impl Message {
    pub(super) fn new(channel: &[u8], text: &[u8]) -> Self {
        Self { channel: channel.into(), text: text.into() }
    }
}

impl Channels {
    pub(super) fn new(loops: usize) -> Self {
        Self { loops: (0..loops).map(|_| RwLock::default()).collect() }
    }

    /// Has a connection sent what is published from now on.
    pub(super) fn subscribe(&self, kind: Kind, name: &[u8], conn: ConnId, protocol: Protocol) {
        let mut here = self.loops[conn.loop_id()].write();
        let subscribers = here.subscribers(kind);
        match subscribers.get_mut(name) {
            Some(clients) => drop(clients.insert(conn, protocol)),
            None => drop(subscribers.insert(name.into(), [(conn, protocol)].into())),
        }
    }

    /// Takes back [`subscribe`](Self::subscribe).
    pub(super) fn unsubscribe(&self, kind: Kind, name: &[u8], conn: ConnId) {
        let mut here = self.loops[conn.loop_id()].write();
        let subscribers = here.subscribers(kind);
        if let Some(clients) = subscribers.get_mut(name) {
            clients.remove(&conn);
            if clients.is_empty() {
                subscribers.remove(name);
            }
        }
    }

    /// Returns how many times a message would be sent.
    pub(super) fn receivers(&self, channel: &[u8]) -> usize {
        self.loops.iter().map(|of_loop| of_loop.read().receivers(channel)).sum()
    }

    /// Returns how many connections have subscribed to a channel by its name.
    pub(super) fn subscribers(&self, channel: &[u8]) -> usize {
        let count = |of_loop: &OfLoop| of_loop.channels.get(channel).map_or(0, BTreeMap::len);
        self.loops.iter().map(|of_loop| count(&of_loop.read())).sum()
    }

    /// Returns the names of all channels, or all patterns, that somebody has subscribed to.
    pub(super) fn names(&self, kind: Kind) -> BTreeSet<Box<[u8]>> {
        let mut names = BTreeSet::new();
        for of_loop in &*self.loops {
            names.extend(of_loop.write().subscribers(kind).keys().cloned());
        }
        names
    }

    /// Sends messages to all that have subscribed: one task for each loop that has some, which
    /// comes after those that this loop has posted before, so that messages stay in order.
    pub fn publish(&self, from: &LoopHandle, messages: Vec<Message>) {
        let messages: Arc<[Message]> = messages.into();
        for (loop_id, of_loop) in self.loops.iter().enumerate() {
            let is_wanted = {
                let here = of_loop.read();
                messages.iter().any(|message| here.receivers(&message.channel) > 0)
            };
            let Some(target) = from.of_loop(loop_id).filter(|_| is_wanted) else { continue };
            let (channels, messages) = (self.clone(), Arc::clone(&messages));
            let task = move |event_loop: &mut Loop<'_>| {
                let here = channels.loops[loop_id].read();
                messages.iter().for_each(|message| here.send(event_loop, message));
            };
            if let Err(error) = target.post(task) {
                warn!("messages for the subscribers of loop {loop_id} are lost: {error}");
            }
        }
    }
}

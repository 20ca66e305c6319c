//! The last message of each topic that was published to be kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::packet::{Publish, Qos};

/// The most topics of which a message is kept.
const MAX_RETAINED: usize = 10_000;

/// The most bytes of them all. Who subscribes to everything is sent all of it at once, so it is
/// less than may wait for a client.
const MAX_RETAINED_BYTES: usize = 4 << 20;

/// What one message takes beside its text: its place where it is kept or waits.
const OVERHEAD: usize = 128;

/// The most topics of which is known that their message was taken back.
const MAX_REMOVED: usize = 1000;

/// A message on its way through the loops, which share its bytes.
#[derive(Clone, Debug)]
pub struct Publication {
    /// What it is about.
    pub topic: Arc<str>,
    /// What it says.
    pub payload: Arc<[u8]>,
    /// How it is to be delivered at best.
    pub qos: Qos,
    /// Whether it is kept for those who subscribe later.
    pub retain: bool,
    /// Its place among all messages of the broker.
    pub stamp: u64,
}

impl Publication {
    /// Copies a message out of the input.
    #[must_use]
    pub fn new(publish: &Publish<'_>, stamp: u64) -> Self {
        let Publish { topic, payload, qos, retain, .. } = *publish;
        Self { topic: topic.into(), payload: payload.into(), qos, retain, stamp }
    }

    /// Returns how many bytes it takes where it is kept, or waits.
    #[must_use]
    pub fn len(&self) -> usize {
        self.topic.len() + self.payload.len() + OVERHEAD
    }

    /// Returns whether it says nothing, which takes back the retained message of its topic.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }
}

/// One loop's copy of the retained messages.
///
/// Messages of one topic can come to two loops in different orders. The one with the highest stamp
/// stays, so the copies become equal. For that, one that was taken back leaves an empty one behind,
/// or an older message that comes late would be there for ever, on that loop alone.
#[derive(Debug, Default)]
pub(super) struct Retained {
    messages: BTreeMap<Arc<str>, Publication>,
    /// The empty ones, the oldest first.
    removed: VecDeque<(Arc<str>, u64)>,
    bytes: usize,
}

impl Retained {
    /// Keeps a message in the place of an older one [MQTT-3.3.1-5]; one that is empty only removes
    /// that [MQTT-3.3.1-10], [MQTT-3.3.1-11]. When there is no room for a message, none of its
    /// topic is kept.
    pub(super) fn keep(&mut self, message: &Publication) {
        let Publication { topic, stamp, .. } = message;
        if self.messages.get(topic).is_some_and(|kept| kept.stamp > *stamp) {
            return;
        }
        self.remove(topic);
        let bytes = self.bytes + message.len();
        if self.messages.len() < MAX_RETAINED && bytes <= MAX_RETAINED_BYTES {
            self.bytes = bytes;
            self.messages.insert(Arc::clone(topic), message.clone());
        }
        if message.is_empty() {
            self.removed.push_back((Arc::clone(topic), *stamp));
        }
        if self.removed.len() > MAX_REMOVED {
            let (topic, stamp) = self.removed.pop_front().expect("there are many");
            if self.messages.get(&topic).is_some_and(|kept| kept.stamp == stamp) {
                self.remove(&topic);
            }
        }
    }

    fn remove(&mut self, topic: &str) {
        if let Some(message) = self.messages.remove(topic) {
            self.bytes -= message.len();
        }
    }

    /// Returns the messages.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Publication> {
        self.messages.values().filter(|message| !message.is_empty())
    }
}

#[cfg(test)]
mod tests;

//! Topics, filters, and who has subscribed to which.

use std::collections::{BTreeMap, HashMap};

use super::packet::Qos;

/// The longest topic or filter, in bytes, and the most levels of a filter: a level is a node of the
/// tree, and all of those may have to be looked at for each retained message.
pub const MAX_TOPIC_LEN: usize = 1024;
const MAX_LEVELS: usize = 8;

/// Returns whether messages can have this topic [MQTT-4.7.3-1], [MQTT-3.3.2-2].
#[must_use]
pub fn is_topic(topic: &str) -> bool {
    (1..=MAX_TOPIC_LEN).contains(&topic.len()) && !topic.contains(['+', '#'])
}

/// Returns whether a filter can be subscribed to: a wildcard is a whole level [MQTT-4.7.1-3], and
/// "#" is the last one [MQTT-4.7.1-2].
#[must_use]
pub fn is_filter(filter: &str) -> bool {
    let mut levels = filter.split('/').rev();
    let is_single = |level: &str| level == "+" || !level.contains(['+', '#']);
    (1..=MAX_TOPIC_LEN).contains(&filter.len())
        && levels.next().is_some_and(|last| last == "#" || is_single(last))
        && levels.all(is_single)
        && filter.split('/').count() <= MAX_LEVELS
}

/// Who has subscribed to what: a tree whose paths are the levels of the filters, wildcards
/// included. To find those of a topic takes as many steps as there are filters that match its
/// beginning.
#[derive(Debug)]
pub struct Filters<S> {
    next: HashMap<Box<str>, Self>,
    subscribers: BTreeMap<S, Qos>,
}

impl<S> Default for Filters<S> {
    fn default() -> Self {
        Self { next: HashMap::new(), subscribers: BTreeMap::new() }
    }
}

impl<S: Ord + Copy> Filters<S> {
    /// Adds a subscription, or changes its QoS [MQTT-3.8.4-3].
    pub fn insert(&mut self, filter: &str, subscriber: S, qos: Qos) {
        let levels = filter.split('/');
        let node = levels.fold(self, |node, level| node.next.entry(level.into()).or_default());
        node.subscribers.insert(subscriber, qos);
    }

    /// Removes a subscription, and what nobody needs any more on the way to it.
    pub fn remove(&mut self, filter: &str, subscriber: S) {
        let (level, rest) = first_level(filter);
        let Some(next) = self.next.get_mut(level) else { return };
        match rest {
            Some(rest) => next.remove(rest, subscriber),
            None => drop(next.subscribers.remove(&subscriber)),
        }
        if next.is_empty() {
            self.next.remove(level);
        }
    }

    /// Returns whether nobody has subscribed to anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.next.is_empty() && self.subscribers.is_empty()
    }

    /// Returns those who get the messages of a topic, each once and with the best QoS of all its
    /// filters that match [MQTT-3.3.5-1], and in how many places it has looked.
    #[must_use]
    pub fn find(&self, topic: &str) -> (Vec<(S, Qos)>, usize) {
        let mut found = Vec::new();
        let places = self.collect(Some(topic), topic.starts_with('$'), &mut found);
        found.sort_unstable_by(|a, b| b.cmp(a));
        found.dedup_by_key(|(subscriber, _)| *subscriber);
        (found, places)
    }

    /// Looks for what is left of a topic, `None` behind its end: "a/#" matches "a", too (4.7.1.2).
    /// Wildcards at the beginning do not match topics of the server's own [MQTT-4.7.2-1].
    fn collect(&self, topic: Option<&str>, is_special: bool, found: &mut Vec<(S, Qos)>) -> usize {
        let wildcard = |level| self.next.get(level).filter(|_| !is_special);
        let mut add = |node: &Self| found.extend(node.subscribers.iter().map(|(s, q)| (*s, *q)));
        wildcard("#").into_iter().for_each(&mut add);
        let Some(topic) = topic else {
            add(self);
            return 1;
        };
        let (level, rest) = first_level(topic);
        let next = wildcard("+").into_iter().chain(self.next.get(level));
        1 + next.map(|next| next.collect(rest, false, found)).sum::<usize>()
    }
}

/// Returns the first level, and what is behind its "/".
fn first_level(path: &str) -> (&str, Option<&str>) {
    path.split_once('/').map_or((path, None), |(level, rest)| (level, Some(rest)))
}

#[cfg(test)]
mod tests;

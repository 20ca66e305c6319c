//! One client, as its loop knows it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use evio::Conn;

use super::encode;
use super::flow::{Account, Owed};
use super::packet::Qos;
use super::retained::Publication;

/// How long a client may take to send its CONNECT, the reasonable time that 3.1.4 speaks of.
pub(super) const CONNECT_TIME: Duration = Duration::from_secs(10);

/// The state of a connection. It lies in a map of the loop and not in the context of the
/// connection, since others come to it: those who publish to this client, and one that takes its
/// name.
#[derive(Debug)]
pub(super) struct Client {
    /// `None` until it has sent its CONNECT.
    pub(super) name: Option<Arc<str>>,
    /// When it connected, among all clients of the broker.
    pub(super) stamp: u64,
    /// How long it may be silent.
    pub(super) keep_alive: Option<Duration>,
    pub(super) will: Option<Publication>,
    pub(super) filters: HashSet<Box<str>>,
    pub(super) inflight: Inflight,
    /// What it owes for its messages.
    pub(super) account: Arc<Account>,
    /// What others owe until this client has room for more.
    pub(super) owed: Vec<Arc<Owed>>,
}

impl Client {
    pub(super) fn new(account: Arc<Account>, max_inflight: usize) -> Self {
        Self {
            name: None,
            stamp: 0,
            keep_alive: Some(CONNECT_TIME),
            will: None,
            filters: HashSet::new(),
            inflight: Inflight::new(max_inflight),
            account,
            owed: Vec::new(),
        }
    }

    /// Returns whether those who publish to this client have to wait: its output is congested, or
    /// it has not acknowledged enough.
    pub(super) fn is_full(&self, conn: &Conn<'_>) -> bool {
        conn.is_congested() || self.inflight.is_full
    }

    /// Has the others go on if there is room.
    pub(super) fn make_room(&mut self, conn: &Conn<'_>) {
        if !self.is_full(conn) {
            self.owed = Vec::new();
        }
    }

    /// Begins the time in which it must send something (3.1.2.10). It stands still while nothing is
    /// read from the client: its PINGREQ would wait in vain.
    pub(super) fn keep_alive(&self, conn: &mut Conn<'_>) {
        let is_read = !conn.is_congested() && !conn.is_paused();
        conn.set_read_timeout(self.keep_alive.filter(|_| is_read));
    }

    /// Writes a message to it. It has `patience` to acknowledge some when there are too many.
    pub(super) fn send(
        &mut self,
        conn: &mut Conn<'_>,
        message: &Publication,
        granted: Qos,
        is_retained: bool,
        patience: Option<Duration>,
    ) {
        let mut packet_id = None;
        if message.qos.min(granted) == Qos::AtLeastOnce {
            let was_full = self.inflight.is_full;
            packet_id = self.inflight.add();
            if packet_id.is_none() {
                return conn.abort();
            }
            if self.inflight.is_full && !was_full {
                conn.set_timer(patience);
            }
        }
        let mut head = Vec::with_capacity(16 + message.topic.len());
        let len = message.payload.len();
        encode::publish_head(&message.topic, len, packet_id, is_retained, &mut head);
        conn.write(&head);
        conn.write_shared(Arc::clone(&message.payload));
        if conn.is_congested() {
            self.keep_alive(conn);
        }
    }
}

/// The messages that a client has not acknowledged. They are not sent again, which would be due
/// only in a session that outlives its connection [MQTT-4.4.0-1]; so their ids are all there is of
/// them.
#[derive(Debug)]
pub(super) struct Inflight {
    /// The oldest first.
    ids: VecDeque<u16>,
    last: u16,
    limit: usize,
    /// From the limit on, until half of it is left.
    pub(super) is_full: bool,
}

impl Inflight {
    fn new(limit: usize) -> Self {
        Self { ids: VecDeque::new(), last: 0, limit, is_full: false }
    }

    /// Returns an id for one more message, which is not in use [MQTT-2.3.1-4]: ids go round, so the
    /// oldest is the first one to meet again. `None` if that one is still not acknowledged.
    pub(super) fn add(&mut self) -> Option<u16> {
        let id = self.last.checked_add(1).unwrap_or(1);
        if self.ids.front() == Some(&id) {
            return None;
        }
        self.ids.push_back(id);
        self.last = id;
        self.is_full |= self.ids.len() >= self.limit;
        Some(id)
    }

    /// Removes a message, and returns whether there is room again for the first time.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        // Clients acknowledge in order [MQTT-4.6.0-2], so it is the first. There can be many more
        // than are looked at.
        if let Some(at) = self.ids.iter().take(self.limit).position(|inflight| *inflight == id) {
            self.ids.remove(at);
        }
        let is_over = self.is_full && self.ids.len() <= self.limit / 2;
        self.is_full &= !is_over;
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1000;

    #[test]
    fn ids_go_round_and_none_is_used_twice() {
        let mut inflight = Inflight::new(LIMIT);
        let ids: Vec<u16> = std::iter::from_fn(|| inflight.add()).collect();
        assert!(ids.iter().copied().eq(1..=u16::MAX));
        assert!(inflight.is_full);
        // Not in order, which a client ought not to do.
        assert!(!inflight.acknowledge(2) && inflight.add().is_none());
        assert!(!inflight.acknowledge(1));
        assert_eq!([inflight.add(), inflight.add(), inflight.add()], [Some(1), Some(2), None]);
    }

    #[test]
    fn there_is_room_again_when_half_is_acknowledged() {
        let mut inflight = Inflight::new(LIMIT);
        for count in 1..=LIMIT {
            assert!(inflight.add().is_some());
            assert_eq!(inflight.is_full, count == LIMIT);
        }
        let half = LIMIT as u16 / 2;
        assert!((1..half).all(|id| !inflight.acknowledge(id)));
        assert!(!inflight.acknowledge(u16::MAX), "nobody has sent that one");
        assert!(inflight.acknowledge(half) && !inflight.is_full);
        assert!(!inflight.acknowledge(half + 1), "that is told once");
    }
}

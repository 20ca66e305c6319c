//! Hosts that nobody reaches for a while, and segments that get lost.
//!
//! TCP sends what was lost again, so all that the two ends see of it is time: what one of them has
//! sent arrives late, but in order, or the end that waits for an acknowledgement gives up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::{Phase, mask};
use super::state::{Id, State};
use super::wire::Packet;

/// How long the first retransmission waits (`TCP_RTO_MIN` of Linux); each further one waits twice
/// as long, up to two minutes (`TCP_RTO_MAX`).
const RETRANSMISSION: Duration = Duration::from_millis(200);
const LONGEST_RETRANSMISSION: Duration = Duration::from_secs(120);
/// When a sender without a timeout of its own gives up (`tcp_retries2` of tcp(7), 15 times).
const GIVE_UP: Duration = Duration::from_millis(924_600);

#[derive(Debug, Default)]
pub(super) struct Network {
    /// Hosts that packets neither reach nor leave.
    cut_off: BTreeSet<IpAddr>,
    /// What is sent again and again, by who has sent it first.
    held: BTreeMap<Id, Held>,
}

#[derive(Debug)]
struct Held {
    since: Duration,
    packets: VecDeque<Packet>,
}

impl State {
    /// Lets packets from and to a host get lost, or arrive again.
    pub(super) fn set_cut_off(&mut self, host: IpAddr, is_cut_off: bool) {
        self.settle();
        if is_cut_off {
            self.network.cut_off.insert(host);
            return;
        }
        self.network.cut_off.remove(&host);
        let senders: Vec<Id> = self.network.held.keys().copied().collect();
        for sender in senders {
            let at = self.next_retransmission(sender);
            self.schedule(at, Packet::Again(sender));
        }
    }

    /// Returns when a sender that was not heard tries again.
    fn next_retransmission(&self, sender: Id) -> Duration {
        let mut at = self.network.held.get(&sender).map_or(self.now, |held| held.since);
        let mut wait = RETRANSMISSION;
        while at < self.now {
            at += wait;
            wait = (wait * 2).min(LONGEST_RETRANSMISSION);
        }
        at
    }

    /// Draws how much later a packet arrives because it was lost.
    pub(super) fn lose_by_chance(&mut self) -> Duration {
        let mut late = Duration::ZERO;
        let mut wait = RETRANSMISSION;
        while late < LONGEST_RETRANSMISSION && self.random.chance(self.options.faults.loss) {
            self.counts.losses += 1;
            late += wait;
            wait *= 2;
        }
        late
    }

    /// Keeps back a packet that cannot arrive, and returns one that can.
    pub(super) fn pass(&mut self, packet: Packet) -> Option<Packet> {
        let Some(sender) = self.sender_of(&packet) else { return Some(packet) };
        let is_behind = self.network.held.contains_key(&sender);
        if !is_behind && !self.is_cut_off(sender) {
            return Some(packet);
        }
        self.counts.losses += 1;
        if let Packet::Syn(client, attempt) = packet {
            self.retry_syn(client, attempt);
            return None;
        }
        let now = self.now;
        let held = self.network.held.entry(sender);
        let held = held.or_insert_with(|| Held { since: now, packets: VecDeque::new() });
        held.packets.push_back(packet);
        if !is_behind {
            let patience = self.endpoint(sender).and_then(|endpoint| endpoint.user_timeout);
            self.schedule(now + patience.unwrap_or(GIVE_UP), Packet::GiveUp(sender, now));
        }
        None
    }

    /// Returns which end has sent a packet; `None` for what is none.
    fn sender_of(&mut self, packet: &Packet) -> Option<Id> {
        let peer_of = |state: &mut Self, id: Id| state.endpoint(id)?.peer;
        match *packet {
            Packet::Syn(from, _) | Packet::Data(from, _) | Packet::Fin(from) => Some(from),
            Packet::SynAck(to) | Packet::FinAck(to) | Packet::Rst(to) => peer_of(self, to),
            _ => None,
        }
    }

    fn is_cut_off(&mut self, id: Id) -> bool {
        if self.network.cut_off.is_empty() {
            return false;
        }
        let Some(endpoint) = self.endpoint(id) else { return false };
        let hosts = [endpoint.local.ip(), endpoint.remote.ip()];
        hosts.iter().any(|host| self.network.cut_off.contains(host))
    }

    /// Delivers what was kept back, if it can arrive now.
    pub(super) fn send_again(&mut self, sender: Id) {
        if self.is_cut_off(sender) {
            return;
        }
        let held = self.network.held.remove(&sender);
        for packet in held.into_iter().flat_map(|held| held.packets) {
            self.deliver(packet);
        }
    }

    /// Ends a connection whose output nobody has acknowledged for too long.
    pub(super) fn give_up(&mut self, sender: Id, since: Duration) {
        let is_the_same = self.network.held.get(&sender).is_some_and(|held| held.since == since);
        if !is_the_same {
            return;
        }
        let held = self.network.held.remove(&sender);
        for packet in held.into_iter().flat_map(|held| held.packets) {
            if let (Packet::Data(_, len), Some(endpoint)) = (packet, self.endpoint(sender)) {
                endpoint.in_flight.drain(..len);
            }
        }
        self.fail(sender, Errno::ETIMEDOUT);
    }

    /// Ends a connection for one end, with an error of the network.
    pub(super) fn fail(&mut self, id: Id, error: Errno) {
        let Some(endpoint) = self.endpoint(id) else { return };
        if endpoint.phase == Phase::Closed {
            return;
        }
        let client = endpoint.client();
        endpoint.error = Some(error);
        endpoint.finish();
        self.records.note_cut(client);
        self.wake(id, mask::STATE);
        self.wake(id, mask::ERR);
        self.free_if_over(id);
    }
}

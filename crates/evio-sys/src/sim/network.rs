//! Hosts that nobody reaches for a while, and segments that get lost.
//!
//! TCP sends what was lost again, so all that the two ends see of it is time: what one of them has
//! sent arrives late, but in order, or the end that waits for an acknowledgement gives up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::{Phase, mask};
use super::hosts::ips_of;
use super::state::{Id, State};
use super::wire::Packet;

/// How long the first retransmission waits (`TCP_RTO_MIN` of Linux); each further one waits twice
/// as long, up to two minutes (`TCP_RTO_MAX`).
const RETRANSMISSION: Duration = Duration::from_millis(200);
const LONGEST_RETRANSMISSION: Duration = Duration::from_secs(120);
/// When a sender without a timeout of its own gives up (`tcp_retries2` of tcp(7), 15 times).
const GIVE_UP: Duration = Duration::from_millis(924_600);
/// How long connecting takes when nobody answers (`tcp_syn_retries` of tcp(7), 6 times).
const SYN_TIMEOUT: Duration = Duration::from_secs(127);

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
    /// Since when there is output among it.
    unacknowledged: Option<Duration>,
    packets: VecDeque<Packet>,
}

impl State {
    /// Lets packets from and to a host get lost, or arrive again.
    pub(super) fn set_cut_off(&mut self, host: IpAddr, is_cut_off: bool) {
        self.settle();
        let ips = match host {
            IpAddr::V4(host) => ips_of(host),
            IpAddr::V6(_) => [host, host],
        };
        if is_cut_off {
            self.network.cut_off.extend(ips);
            return;
        }
        self.network.cut_off.retain(|ip| !ips.contains(ip));
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
        let Some((end, sender)) = self.path_of(&packet) else { return Some(packet) };
        let is_behind = self.network.held.contains_key(&sender);
        // A reset does not wait for what is sent again.
        let waits = is_behind && !matches!(packet, Packet::Rst(_));
        if !waits && !self.is_cut_off(end) {
            return Some(packet);
        }
        self.counts.losses += 1;
        match packet {
            Packet::Syn(client, attempt) => self.retry_syn(client, attempt),
            // Nobody repeats a reset, nor what was sent before it: the peer learns of it when it
            // sends something itself.
            Packet::Rst(_) => self.forget_held(sender),
            Packet::SynAck(client, _) => {
                self.schedule(self.now + SYN_TIMEOUT, Packet::TimedOut(client));
                self.hold(sender, packet);
            }
            Packet::Data(..) | Packet::Fin(_) => {
                self.hold(sender, packet);
                match self.endpoint(sender).is_some_and(|end| end.phase != Phase::Closed) {
                    true => self.begin_to_give_up(sender),
                    // Who has given up sends nothing again.
                    false => self.forget_held(sender),
                }
            }
            packet => self.hold(sender, packet),
        }
        None
    }

    fn hold(&mut self, sender: Id, packet: Packet) {
        let new = || Held { since: self.now, unacknowledged: None, packets: VecDeque::new() };
        self.network.held.entry(sender).or_insert_with(new).packets.push_back(packet);
    }

    /// Output that is not acknowledged is given up after a time, which begins with the first.
    fn begin_to_give_up(&mut self, sender: Id) {
        let now = self.now;
        let patience = self.endpoint(sender).and_then(|endpoint| endpoint.user_timeout);
        let Some(held) = self.network.held.get_mut(&sender) else { return };
        if held.unacknowledged.is_none() {
            held.unacknowledged = Some(now);
            self.schedule(now + patience.unwrap_or(GIVE_UP), Packet::GiveUp(sender, now));
        }
    }

    /// Forgets what a sender would have sent again.
    fn forget_held(&mut self, sender: Id) {
        let held = self.network.held.remove(&sender);
        for packet in held.into_iter().flat_map(|held| held.packets) {
            if let (Packet::Data(_, len), Some(endpoint)) = (packet, self.endpoint(sender)) {
                endpoint.in_flight.drain(..len);
            }
        }
        self.free_if_over(sender);
    }

    /// Returns an end of the connection of a packet that may still be there, and who has sent it;
    /// `None` for what is no packet.
    fn path_of(&mut self, packet: &Packet) -> Option<(Id, Id)> {
        match *packet {
            Packet::Syn(from, _) | Packet::Data(from, _) | Packet::Fin(from) => Some((from, from)),
            Packet::SynAck(_, from) => Some((from, from)),
            Packet::FinAck(to) | Packet::Rst(to) => {
                Some((to, self.endpoint(to)?.peer.unwrap_or(to)))
            }
            _ => None,
        }
    }

    /// Returns whether a packet between these hosts gets lost.
    pub(super) fn is_any_cut_off(&self, hosts: impl IntoIterator<Item = IpAddr>) -> bool {
        hosts.into_iter().any(|host| self.network.cut_off.contains(&host))
    }

    fn is_cut_off(&mut self, id: Id) -> bool {
        if self.network.cut_off.is_empty() {
            return false;
        }
        let Some(endpoint) = self.endpoint(id) else { return false };
        let hosts = [endpoint.local.ip(), endpoint.remote.ip()];
        self.is_any_cut_off(hosts)
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
        let held = self.network.held.get(&sender);
        if held.is_some_and(|held| held.unacknowledged == Some(since)) {
            self.fail(sender, Errno::ETIMEDOUT);
            self.forget_held(sender);
            // What is still on its way is behind what was lost, and nobody can read it.
            if let Some(endpoint) = self.endpoint(sender) {
                endpoint.peer = None;
            }
        }
    }

    /// Ends a connection for one end, with an error of the network.
    pub(super) fn fail(&mut self, id: Id, error: Errno) {
        let Some(endpoint) = self.endpoint(id) else { return };
        if endpoint.phase == Phase::Closed {
            return;
        }
        let connection = endpoint.connection;
        self.records.note_cut(connection);
        self.end_with(id, error);
    }

    /// Ends a connection for one end.
    pub(super) fn end_with(&mut self, id: Id, error: Errno) {
        // The loop that has it is told.
        self.note_failure(id);
        let Some(endpoint) = self.endpoint(id) else { return };
        endpoint.error = Some(error);
        endpoint.finish();
        self.wake(id, mask::STATE);
        self.wake(id, mask::ERR);
        self.free_if_over(id);
    }
}

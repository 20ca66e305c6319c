//! What is on its way, and its arrival.

use std::cmp::Ordering;
use std::fmt;
use std::mem;
use std::task::Waker;
use std::time::Duration;

use super::endpoint::{Fin, Phase, RCV_SHUTDOWN, mask, take_front};
use super::lookup::LookUp;
use super::polling::shown;
use super::state::{Id, Node, Owner, State};
use super::udp::Datagram;

/// Something that happens at a time.
#[derive(Debug)]
pub(super) struct Arrival {
    at: Duration,
    /// Those of one time arrive in the order in which they were sent.
    number: u64,
    packet: Packet,
}

#[derive(Debug)]
pub(super) enum Packet {
    /// The first segment of a connection; how often it was sent before.
    Syn(Id, u32),
    /// The answer to it, for the client, by the server's end.
    SynAck(Id, Id),
    /// So many of the bytes in flight from this end.
    Data(Id, usize),
    /// The end of the output of this end.
    Fin(Id),
    /// The peer of this end has received its FIN.
    FinAck(Id),
    /// The acknowledgement that this end owes has waited long enough.
    AckTimer(Id),
    /// A reset for this end.
    Rst(Id),
    /// A reset for this end and its peer.
    Cut(Id),
    /// The network ends a connection that may have nothing under way, by one of its ends.
    LateCut(Id),
    /// Nobody has answered the client.
    TimedOut(Id),
    /// This end sends again what was lost.
    Again(Id),
    /// This end gives up, if what it has sent has been lost since then.
    GiveUp(Id, Duration),
    /// The peer of this end may have read nothing for too long.
    WindowTimer(Id),
    /// A socket that was said to be blocked is ready.
    Wake(Id, u32),
    Datagram(Box<Datagram>),
    LookUp(Box<LookUp>),
    /// Wakes a script, and whose that is.
    Timer(Waker, Owner),
}

/// As the trace has it: nothing that another run of the same seed would have otherwise.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syn(client, 0) => write!(f, "SYN #{client}"),
            Self::Syn(client, attempt) => write!(f, "SYN #{client}, sent again ({attempt})"),
            Self::SynAck(client, server) => write!(f, "SYN-ACK #{server} for #{client}"),
            Self::Data(from, len) => write!(f, "data #{from}: {len}"),
            Self::Fin(from) => write!(f, "FIN #{from}"),
            Self::FinAck(to) => write!(f, "ACK of the FIN for #{to}"),
            Self::AckTimer(of) => write!(f, "timer of the ACK #{of}"),
            Self::Rst(to) => write!(f, "RST for #{to}"),
            Self::Cut(from) => write!(f, "cut #{from}"),
            Self::LateCut(client) => write!(f, "late cut #{client}"),
            Self::TimedOut(client) => write!(f, "timeout #{client}"),
            Self::Again(sender) => write!(f, "what was lost #{sender}"),
            Self::GiveUp(sender, _) => write!(f, "user timeout #{sender}"),
            Self::WindowTimer(sender) => write!(f, "timer of the closed window #{sender}"),
            Self::Wake(id, events) => write!(f, "late event #{id}: {}", shown(*events)),
            Self::Datagram(datagram) => {
                let Datagram { sender, from, to, bytes } = &**datagram;
                write!(f, "datagram #{sender}: {} from {from} to {to}", bytes.len())
            }
            Self::LookUp(look_up) => write!(f, "addresses of {}", look_up.name()),
            Self::Timer(_, owner) => write!(f, "timer of {owner}"),
        }
    }
}

impl PartialEq for Arrival {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Arrival {}

impl PartialOrd for Arrival {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The earliest is the greatest, for it is to be on top of the heap.
impl Ord for Arrival {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl State {
    /// Schedules a packet for a time, or for now if that has passed: the clock never goes back.
    pub(super) fn schedule(&mut self, at: Duration, packet: Packet) {
        let at = at.max(self.now);
        self.arrivals_made += 1;
        self.arrivals.push(Arrival { at, number: self.arrivals_made, packet });
    }

    pub(super) fn schedule_timer(&mut self, at: Duration, waker: Waker) {
        let owner = self.owner();
        self.schedule(at, Packet::Timer(waker, owner));
    }

    /// Sends a packet from one end of a connection, behind those that it has sent before.
    pub(super) fn send_packet(&mut self, from: Id, packet: Packet) {
        let now = self.now;
        // Every segment acknowledges.
        if self.endpoint(from).is_some_and(|endpoint| endpoint.owes_ack) {
            self.send_owed_ack(from);
        }
        let late = self.lose_by_chance();
        let Some(endpoint) = self.endpoint(from) else { return };
        let at = endpoint.last_arrival.max(now + endpoint.latency) + late;
        endpoint.last_arrival = at;
        self.schedule(at, packet);
    }

    pub(super) fn next_arrival(&self) -> Option<Duration> {
        self.arrivals.peek().map(|arrival| arrival.at)
    }

    pub(super) fn next_packet(&self) -> Option<Duration> {
        let is_timer = |arrival: &&Arrival| matches!(arrival.packet, Packet::Timer(..));
        let packets = self.arrivals.iter().filter(|arrival| !is_timer(arrival));
        packets.map(|arrival| arrival.at).min()
    }

    /// Delivers what has arrived by now, each at its own time, from which the answers count.
    pub(super) fn settle(&mut self) {
        let now = self.now;
        while self.next_arrival().is_some_and(|at| at <= now) {
            if let Some(arrival) = self.arrivals.pop() {
                self.now = arrival.at;
                self.deliver(arrival.packet);
            }
        }
        self.now = now;
    }

    pub(super) fn deliver(&mut self, packet: Packet) {
        let Some(packet) = self.pass(packet) else { return };
        if self.log.is_on() {
            self.log.add(self.now, &format!("    arrives {packet}"));
        }
        match packet {
            Packet::Syn(client, attempt) => self.receive_syn(client, attempt),
            Packet::SynAck(client, server) => self.receive_syn_ack(client, server),
            Packet::Data(from, len) => self.receive_data(from, len),
            Packet::Fin(from) => self.receive_fin(from),
            Packet::FinAck(to) => self.receive_fin_ack(to),
            Packet::AckTimer(id) => self.send_owed_ack(id),
            Packet::Rst(to) => self.receive_rst(to),
            Packet::Cut(from) => {
                let peer = self.endpoint(from).and_then(|endpoint| endpoint.peer);
                for end in [Some(from), peer].into_iter().flatten() {
                    self.receive_rst(end);
                }
            }
            Packet::LateCut(client) => self.cut_late(client),
            Packet::TimedOut(client) => self.time_out(client),
            Packet::Again(sender) => self.send_again(sender),
            Packet::WindowTimer(sender) => self.look_at_window(sender),
            Packet::GiveUp(sender, since) => self.give_up(sender, since),
            Packet::Wake(id, key) => {
                if let Some(node) = self.node_mut(id) {
                    node.owed_wakes -= 1;
                }
                self.wake(id, key);
            }
            Packet::LookUp(look_up) => self.end_look_up(*look_up),
            Packet::Datagram(datagram) => self.receive_datagram(*datagram),
            Packet::Timer(waker, _) => waker.wake(),
        }
    }

    fn receive_data(&mut self, from: Id, len: usize) {
        let mut bytes = mem::take(&mut self.scratch);
        bytes.clear();
        let Some(sender) = self.endpoint(from) else { return };
        take_front(&mut sender.in_flight, len, |part| bytes.extend_from_slice(part));
        let peer = sender.peer;
        self.note_progress(from);
        if let Some(to) = peer {
            self.receive_bytes(from, to, &bytes);
        }
        self.scratch = bytes;
        self.free_if_over(from);
    }

    fn receive_bytes(&mut self, from: Id, to: Id, bytes: &[u8]) {
        let Some(receiver) = self.endpoint(to).filter(|end| end.phase != Phase::Closed) else {
            return self.refuse(from);
        };
        // RFC 1122, 4.2.2.13: who has closed and cannot read must reset what is sent on.
        let has_closed = receiver.fin != Fin::No && receiver.shutdown & RCV_SHUTDOWN != 0;
        if receiver.is_orphan || has_closed && !receiver.fin_received {
            self.send_packet(to, Packet::Rst(from));
            return self.receive_rst(to);
        }
        receiver.input.extend(bytes);
        self.wake(to, mask::IN | mask::PRI);
        self.note_room(from);
    }

    /// Answers what was sent to an end that is gone (RFC 9293, 3.5.2, group 1).
    pub(super) fn refuse(&mut self, sender: Id) {
        if let Some(latency) = self.endpoint(sender).map(|endpoint| endpoint.latency) {
            self.schedule(self.now + latency, Packet::Rst(sender));
        }
    }

    /// Tells a sender of room: a kqueue each time (`sowwakeup` of FreeBSD), an epoll if it was told
    /// that there is none (`sk_stream_write_space` of Linux).
    fn note_room(&mut self, id: Id) {
        if self.node(id).is_some_and(Node::is_filtered) {
            self.wake(id, mask::OUT);
        }
        let Some(endpoint) = self.endpoint(id) else { return };
        endpoint.was_refused = false;
        if endpoint.no_space && endpoint.is_writable() {
            endpoint.no_space = false;
            self.wake(id, mask::OUT);
        }
    }
}

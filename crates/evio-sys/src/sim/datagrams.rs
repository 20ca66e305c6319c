//! Datagrams on their way, and which they are, for those who check what was received.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::mask;
use super::state::{Id, State};
use super::udp::{Datagram, OVERHEAD};
use super::wire::Packet;

/// The longest time that a datagram is held up by chance.
const MAX_DELAY: usize = 20_000_000;

/// How often each datagram was put on its way and not yet been given to a handler or a script: by
/// sender, receiver and bytes.
#[derive(Debug, Default)]
pub(super) struct Datagrams(BTreeMap<(SocketAddr, SocketAddr, Vec<u8>), u64>);

/// A datagram that was not sent, or less often than it was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrayDatagram {
    from: SocketAddr,
    to: SocketAddr,
    len: usize,
}

impl fmt::Display for StrayDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, len } = self;
        write!(f, "a datagram of {len} bytes from {from} to {to} was not sent, or not so often")
    }
}

impl std::error::Error for StrayDatagram {}

impl Datagrams {
    pub(super) fn note_sent(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        *self.0.entry((from, to, bytes.to_vec())).or_default() += 1;
    }

    pub(super) fn check(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        bytes: &[u8],
    ) -> Result<(), StrayDatagram> {
        match self.0.get_mut(&(from, to, bytes.to_vec())) {
            Some(count) if *count > 0 => {
                *count -= 1;
                Ok(())
            }
            _ => Err(StrayDatagram { from, to, len: bytes.len() }),
        }
    }
}

impl State {
    /// Puts a datagram on its way: it may be lost, come twice, or be overtaken.
    pub(super) fn post(&mut self, datagram: Datagram) -> Result<(), Errno> {
        let faults = self.options.faults;
        let sender = datagram.sender;
        if self.random.chance(faults.loss) || self.is_unreachable(&datagram) {
            self.counts.losses += 1;
            self.wake(sender, mask::OUT);
            return Ok(());
        }
        if self.random.chance(faults.duplicate) {
            self.counts.duplicates += 1;
            self.post_one(datagram.clone())?;
        }
        self.post_one(datagram)
    }

    /// Returns whether a host of a datagram is cut off, by an address or by a socket: those of
    /// peers are bound to any address.
    fn is_unreachable(&mut self, datagram: &Datagram) -> bool {
        let ends = [Some(datagram.sender), self.udp_receiver(datagram)].into_iter().flatten();
        let hosts: Vec<IpAddr> = ends.filter_map(|id| self.host_of(id)).map(IpAddr::from).collect();
        let ips = [datagram.from.ip(), datagram.to.ip()];
        self.is_any_cut_off(hosts.into_iter().chain(ips))
    }

    fn post_one(&mut self, datagram: Datagram) -> Result<(), Errno> {
        let now = self.now;
        let delays = self.random.chance(self.options.faults.delay);
        let end = self.own_udp(datagram.sender)?;
        let mut at = end.last_arrival.max(now + end.latency);
        end.last_arrival = at;
        if delays {
            self.counts.delays += 1;
            at += Duration::from_nanos(self.random.below(MAX_DELAY) as u64);
        }
        self.datagrams.note_sent(datagram.from, datagram.to, &datagram.bytes);
        self.schedule(at, Packet::Datagram(Box::new(datagram)));
        Ok(())
    }

    /// Receives a datagram at the socket that it is for, unless there is none or its buffer is
    /// full. It has left the sender's buffer, which is told even if there was room all the time
    /// (`sock_def_write_space` of Linux).
    pub(super) fn receive_datagram(&mut self, datagram: Datagram) {
        let sender = datagram.sender;
        self.wake(sender, mask::OUT);
        let Some(receiver) = self.udp_receiver(&datagram) else {
            return self.refuse_datagram(sender);
        };
        let Some(end) = self.udp_end(receiver) else { return };
        if end.held > end.recv_buffer {
            self.counts.drops += 1;
            return;
        }
        end.held += datagram.bytes.len() + OVERHEAD;
        end.input.push_back(datagram);
        self.wake(receiver, mask::IN | mask::PRI);
    }

    /// The socket of the address itself comes before that of all addresses. Of those that share an
    /// address, one is chosen by the peer's.
    fn udp_receiver(&mut self, datagram: &Datagram) -> Option<Id> {
        let (from, to) = (datagram.from, datagram.to);
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let dual = SocketAddr::from((Ipv6Addr::UNSPECIFIED, to.port()));
        for address in [to, SocketAddr::new(any, to.port()), dual] {
            let ids = self.bound_to(address, to.ip());
            if ids.is_empty() {
                continue;
            }
            let chosen = ids[usize::from(from.port()) % ids.len()];
            if !to.is_ipv4() || self.udp_end(chosen).is_some_and(|end| end.place.takes_v4) {
                return Some(chosen);
            }
        }
        None
    }

    /// Returns the sockets that are bound to `address` on a host that has the address `ip`. That of
    /// the loopback is one of the program's machine first, and of all others.
    fn bound_to(&self, address: SocketAddr, ip: IpAddr) -> Vec<Id> {
        let all = self.udp.get(&address).map_or(&[][..], Vec::as_slice);
        if !address.ip().is_unspecified() {
            return all.to_vec();
        }
        let host = self.host_at(ip);
        let is_there = |&id: &Id| self.host_of(id) == Some(host);
        let there: Vec<Id> = all.iter().copied().filter(is_there).collect();
        if there.is_empty() && ip.is_loopback() { all.to_vec() } else { there }
    }

    /// Nobody is there. A socket that is not connected is not told of it on Linux, but may be
    /// elsewhere: the program is to bear it, and a peer is spared.
    fn refuse_datagram(&mut self, sender: Id) {
        self.counts.drops += 1;
        if !self.is_program(sender) || !self.random.chance(self.options.faults.refuse) {
            return;
        }
        if let Some(end) = self.udp_end(sender) {
            end.error = Some(Errno::ECONNREFUSED);
            self.counts.refusals += 1;
            self.wake(sender, mask::ERR);
        }
    }
}

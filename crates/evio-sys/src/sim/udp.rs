//! UDP, as `net/ipv4/udp.c` of Linux has it.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use nix::errno::Errno;

use super::endpoint::mask;
use super::hosts::source_for;
use super::name::Place;
use super::state::{Id, Kind, State};
use crate::net::Received;

/// What fits behind the headers in the 16 bits of a length, and in IPv4 with its own header.
const LONGEST: usize = 65_535 - 8;
const LONGEST_V4: usize = LONGEST - 20;
/// What the kernel needs to keep a datagram beside its bytes: about that of Linux.
pub(super) const OVERHEAD: usize = 768;

#[derive(Debug)]
pub(super) struct UdpEnd {
    pub(super) local: SocketAddr,
    pub(super) place: Place,
    /// Others may bind the address (`SO_REUSEPORT`).
    is_shared: bool,
    /// `SO_ERROR`.
    pub(super) error: Option<Errno>,
    pub(super) input: VecDeque<Datagram>,
    /// What the input takes (`sk_rmem_alloc`).
    pub(super) held: usize,
    pub(super) recv_buffer: usize,
    pub(super) latency: Duration,
    /// When the last datagram of this socket arrives: no other one overtakes it, but by chance.
    pub(super) last_arrival: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) sender: Id,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl UdpEnd {
    pub(super) fn events(&self) -> u32 {
        let flag = |is_set: bool, flag: u32| if is_set { flag } else { 0 };
        mask::OUT | flag(!self.input.is_empty(), mask::IN) | flag(self.error.is_some(), mask::ERR)
    }
}

/// The sockets that are bound to an address, in the order of their binding.
pub(super) type Bound = BTreeMap<SocketAddr, Vec<Id>>;

impl State {
    pub(super) fn bind_udp(
        &mut self,
        mut local: SocketAddr,
        only_v6: bool,
        is_shared: bool,
    ) -> Result<Id, Errno> {
        self.check_descriptors()?;
        if local.port() == 0 {
            let port = self.next_port();
            local.set_port(port);
        }
        let place = Place::of(local, only_v6);
        let same_port = self.udp.iter().filter(|(other, _)| other.port() == local.port());
        let others: Vec<Id> = same_port.flat_map(|(_, ids)| ids.iter().copied()).collect();
        let owner = self.owner();
        for other in others {
            let is_here = self.host_of(other) == Some(owner.host());
            let in_use = self.udp_end(other).is_some_and(|other| {
                // An address is one of all hosts, and a wildcard stands for those of one host.
                let is_wildcard = other.place.is_wildcard() || place.is_wildcard();
                (is_here || !is_wildcard)
                    && other.place.overlaps(place)
                    && !(other.is_shared && is_shared)
            });
            if in_use {
                return Err(Errno::EADDRINUSE);
            }
        }
        let longest = self.options.latency.as_nanos() as usize;
        let end = UdpEnd {
            local,
            place,
            is_shared,
            error: None,
            input: VecDeque::new(),
            held: 0,
            recv_buffer: self.options.recv_buffer,
            latency: Duration::from_nanos(self.random.below(longest + 1) as u64),
            last_arrival: Duration::ZERO,
        };
        let id = self.add(Kind::Udp(Box::new(end)), owner);
        self.udp.entry(local).or_default().push(id);
        self.note("bind", id, u64::from(local.port()));
        Ok(id)
    }

    pub(super) fn udp_end(&mut self, id: Id) -> Option<&mut UdpEnd> {
        match &mut self.node_mut(id)?.kind {
            Kind::Udp(end) => Some(end),
            _ => None,
        }
    }

    pub(super) fn own_udp(&mut self, id: Id) -> Result<&mut UdpEnd, Errno> {
        self.udp_end(id).ok_or(Errno::EBADF)
    }

    pub(super) fn udp_local(&mut self, id: Id) -> Result<SocketAddr, Errno> {
        Ok(self.own_udp(id)?.local)
    }

    pub(super) fn share_udp(&mut self, id: Id) -> Result<(), Errno> {
        self.own_udp(id)?.is_shared = true;
        Ok(())
    }

    pub(super) fn close_udp(&mut self, id: Id) {
        self.udp.retain(|_, ids| {
            ids.retain(|&bound| bound != id);
            !ids.is_empty()
        });
        self.nodes[id] = None;
    }

    /// Sends a datagram, from `source` if it is given.
    pub(super) fn send_datagram(
        &mut self,
        id: Id,
        bytes: &[u8],
        source: Option<IpAddr>,
        to: SocketAddr,
    ) -> Result<usize, Errno> {
        self.begin_call(id);
        let result = self.try_send_datagram(id, bytes, source, to);
        self.note_datagram("send to", id, result);
        result
    }

    fn try_send_datagram(
        &mut self,
        id: Id,
        bytes: &[u8],
        source: Option<IpAddr>,
        to: SocketAddr,
    ) -> Result<usize, Errno> {
        let is_peer = !self.is_program(id);
        let end = self.own_udp(id)?;
        let is_for = if to.is_ipv4() { end.place.takes_v4 } else { end.local.is_ipv6() };
        if !is_for {
            return Err(Errno::EAFNOSUPPORT);
        }
        if to.port() == 0 {
            return Err(Errno::EINVAL);
        }
        if bytes.len() > if to.is_ipv4() { LONGEST_V4 } else { LONGEST } {
            return Err(Errno::EMSGSIZE);
        }
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        let local = end.local;
        if !is_peer {
            self.fail_by_chance(&[Errno::ENOBUFS, Errno::EPERM, Errno::ENETUNREACH])?;
        }
        if self.blocks_by_chance(id, mask::OUT) {
            return Err(Errno::EAGAIN);
        }
        let source = source.unwrap_or(local.ip());
        let to = SocketAddr::new(destination(to.ip(), source), to.port());
        let host = self.host_of(id).ok_or(Errno::EBADF)?;
        let source = if source.is_unspecified() { source_for(to.ip(), host) } else { source };
        let from = SocketAddr::new(source, local.port());
        self.post(Datagram { sender: id, from, to, bytes: bytes.to_vec() })?;
        Ok(bytes.len())
    }

    /// Receives a datagram; what has no room in `buffer` is cut off.
    pub(super) fn recv_datagram(&mut self, id: Id, buffer: &mut [u8]) -> Result<Received, Errno> {
        self.begin_call(id);
        let result = match self.blocks_by_chance(id, mask::IN) {
            true => Err(Errno::EAGAIN),
            false => self.try_recv_datagram(id, buffer),
        };
        let len = result.as_ref().map(|got| got.len).map_err(|&error| error);
        self.note_datagram("recv from", id, len);
        result
    }

    /// An error is done with as a datagram is.
    fn note_datagram(&mut self, call: &str, id: Id, result: Result<usize, Errno>) {
        self.note_result(call, id, result);
        self.done += u64::from(result != Err(Errno::EAGAIN) && self.is_program(id));
    }

    fn try_recv_datagram(&mut self, id: Id, buffer: &mut [u8]) -> Result<Received, Errno> {
        if self.is_program(id) {
            self.fail_by_chance(&[Errno::ENOMEM, Errno::EHOSTUNREACH])?;
        }
        let end = self.own_udp(id)?;
        if let Some(error) = end.error.take() {
            return Err(error);
        }
        let Datagram { from, to, bytes, .. } = end.input.pop_front().ok_or(Errno::EAGAIN)?;
        end.held -= bytes.len() + OVERHEAD;
        let len = bytes.len().min(buffer.len());
        buffer[..len].copy_from_slice(&bytes[..len]);
        let local = end.local.ip().is_unspecified().then_some(to.ip());
        Ok(Received { len, peer: from, local })
    }
}

/// Returns the address that a datagram to `ip` goes to: no address stands for that which it comes
/// from, or for this machine.
fn destination(ip: IpAddr, source: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) if source.is_ipv4() && !source.is_unspecified() => source,
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

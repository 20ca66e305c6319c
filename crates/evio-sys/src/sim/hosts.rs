//! The hosts, and their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::state::{Id, Owner, State};

/// Where the program under test connects from.
pub(super) const PROGRAM_HOST: Ipv4Addr = Ipv4Addr::new(10, 64, 0, 1);
/// Where peers are, unless something else is said.
pub(super) const FIRST_PEER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

/// The hosts of peers, by both addresses of each.
pub(super) type PeerHosts = BTreeMap<IpAddr, Ipv4Addr>;

/// Returns the addresses of a host: its own, and that of IPv6, which is made from it.
pub(super) fn ips_of(host: Ipv4Addr) -> [IpAddr; 2] {
    let [a, b, c, d] = host.octets().map(u16::from);
    let v6 = Ipv6Addr::new(0xFD00, 0, 0, 0, 0, 0, a << 8 | b, c << 8 | d);
    [host.into(), v6.into()]
}

/// Returns the address of a host that what it sends to `ip` comes from, if nothing else is said.
pub(super) fn source_for(ip: IpAddr, host: Ipv4Addr) -> IpAddr {
    let [v4, v6] = ips_of(host);
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V4(_) => v4,
        IpAddr::V6(ip) if ip.is_loopback() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => v6,
    }
}

impl Owner {
    pub(super) fn host(self) -> Ipv4Addr {
        match self {
            Self::Program => PROGRAM_HOST,
            Self::Peer(host) => host,
        }
    }
}

impl State {
    pub(super) fn host_of(&self, id: Id) -> Option<Ipv4Addr> {
        self.node(id).map(|node| node.owner.host())
    }

    /// Makes for a peer, or for the program, what is made from here on.
    pub(super) fn act_as_peer(&mut self, is_peer: bool) {
        self.is_peer = is_peer;
        if is_peer {
            self.set_peer_host(self.peer_host);
        }
    }

    pub(super) fn set_peer_host(&mut self, host: Ipv4Addr) {
        self.peer_host = host;
        self.peer_hosts.extend(ips_of(host).map(|ip| (ip, host)));
    }

    /// Returns the host that has an address: the program's machine has each that no peer has.
    pub(super) fn host_at(&self, ip: IpAddr) -> Ipv4Addr {
        self.peer_hosts.get(&ip).copied().unwrap_or(PROGRAM_HOST)
    }
}

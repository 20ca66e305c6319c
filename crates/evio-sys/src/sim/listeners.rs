//! Who listens where, and who of several gets a client (`SO_REUSEPORT`, `socket(7)`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;

use super::name::Name;
use super::random::Random;
use super::state::Id;

/// The listeners by their names.
#[derive(Debug)]
pub(super) struct Listeners {
    by_name: BTreeMap<Name, Sharers>,
    /// Makes the spreading one of the seed.
    salt: u64,
}

/// Those who listen on one address.
#[derive(Debug, Default)]
struct Sharers {
    /// Never empty.
    listeners: Vec<Id>,
    /// Others may listen on the address, too.
    is_shared: bool,
}

impl Listeners {
    pub(super) fn new(salt: u64) -> Self {
        Self { by_name: BTreeMap::new(), salt }
    }

    /// Fails if somebody listens on the address already who does not share it, or this one does
    /// not.
    pub(super) fn check(&self, name: &Name, shares: bool) -> Result<(), Errno> {
        match self.by_name.get(name) {
            Some(sharers) if !(shares && sharers.is_shared) => Err(Errno::EADDRINUSE),
            _ => Ok(()),
        }
    }

    /// Returns who listens there, or one of them.
    pub(super) fn get(&self, name: &Name) -> Option<Id> {
        self.by_name.get(name)?.listeners.first().copied()
    }

    pub(super) fn add(&mut self, name: Name, id: Id, shares: bool) {
        let sharers = self.by_name.entry(name).or_default();
        sharers.listeners.push(id);
        sharers.is_shared = shares;
    }

    /// Lets others listen on the address of a listener from now on.
    pub(super) fn share(&mut self, name: &Name) {
        if let Some(sharers) = self.by_name.get_mut(name) {
            sharers.is_shared = true;
        }
    }

    pub(super) fn remove(&mut self, name: &Name, id: Id) {
        let Some(sharers) = self.by_name.get_mut(name) else { return };
        if let Some(place) = sharers.listeners.iter().position(|&listener| listener == id) {
            // The last one takes its place (`reuseport_detach_sock` of Linux).
            sharers.listeners.swap_remove(place);
        }
        if sharers.listeners.is_empty() {
            self.by_name.remove(name);
        }
    }

    /// Returns the listener of a client. That of the address itself comes before that of all
    /// addresses; among those that share an address, a hash of the client's decides, as in Linux:
    /// a first segment that is sent again comes to the same one.
    pub(super) fn of_client(&self, client: SocketAddr, address: SocketAddr) -> Option<Id> {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let dual = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        let addresses = [address, SocketAddr::new(any, address.port()), dual];
        let sharers =
            addresses.iter().find_map(|&address| self.by_name.get(&Name::Inet(address)))?;
        match sharers.listeners.as_slice() {
            [only] => Some(*only),
            several => Some(several[self.hash(client).below(several.len())]),
        }
    }

    fn hash(&self, client: SocketAddr) -> Random {
        let ip = match client.ip() {
            IpAddr::V4(ip) => u64::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits() as u64,
        };
        Random::new(self.salt ^ ip << 16 ^ u64::from(client.port()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        ([10, 0, 0, 1], port).into()
    }

    fn name() -> Name {
        Name::Inet(address(80))
    }

    #[test]
    fn sharers_get_as_many_clients_each_and_a_client_the_same_one() {
        let mut listeners = Listeners::new(7);
        (0..4).for_each(|id| listeners.add(name(), id, true));
        let mut counts = [0; 4];
        for port in 0..4_000 {
            let chosen = listeners.of_client(address(port), address(80)).unwrap();
            assert_eq!(listeners.of_client(address(port), address(80)), Some(chosen));
            counts[chosen] += 1;
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
        listeners.remove(&name(), 1);
        let left = (0..100).map(|port| listeners.of_client(address(port), address(80)).unwrap());
        assert!(left.into_iter().all(|chosen| chosen != 1));
    }

    #[test]
    fn an_address_is_shared_by_those_who_say_so() {
        let mut listeners = Listeners::new(7);
        listeners.add(name(), 0, false);
        assert_eq!(listeners.check(&name(), true), Err(Errno::EADDRINUSE));
        listeners.share(&name());
        assert_eq!(listeners.check(&name(), true), Ok(()));
        assert_eq!(listeners.check(&name(), false), Err(Errno::EADDRINUSE));
        listeners.remove(&name(), 0);
        assert_eq!(listeners.check(&name(), false), Ok(()));
        assert_eq!(listeners.of_client(address(1), address(80)), None);
    }
}

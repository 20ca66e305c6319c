//! Who listens where, and who of several gets a client (`SO_REUSEPORT`, `socket(7)`).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::errno::Errno;

use super::name::{Name, Place};
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
    listeners: Vec<Sharer>,
    /// Others may listen on the address, too.
    is_shared: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sharer {
    id: Id,
    /// Of a TCP listener.
    place: Option<Place>,
}

impl Listeners {
    pub(super) fn new(salt: u64) -> Self {
        Self { by_name: BTreeMap::new(), salt }
    }

    /// Fails if somebody listens on the address already, or on a wildcard that includes it or that
    /// it includes (`inet_csk_get_port` of Linux), unless both share it.
    pub(super) fn check(&self, name: &Name, only_v6: bool, shares: bool) -> Result<(), Errno> {
        let gets_in_the_way = |(other, sharers): (&Name, &Sharers)| {
            let is_taken = match (place_of(name, only_v6), name.port() == other.port()) {
                (Some(place), true) => sharers.overlap(place),
                (Some(_), false) => false,
                (None, _) => name == other,
            };
            is_taken && !(shares && sharers.is_shared)
        };
        if self.by_name.iter().any(gets_in_the_way) { Err(Errno::EADDRINUSE) } else { Ok(()) }
    }

    /// Returns who listens there, or one of them.
    pub(super) fn get(&self, name: &Name) -> Option<Id> {
        self.by_name.get(name)?.listeners.first().map(|sharer| sharer.id)
    }

    pub(super) fn add(&mut self, name: Name, id: Id, only_v6: bool, shares: bool) {
        let place = place_of(&name, only_v6);
        let sharers = self.by_name.entry(name).or_default();
        sharers.listeners.push(Sharer { id, place });
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
        if let Some(place) = sharers.listeners.iter().position(|sharer| sharer.id == id) {
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
        let takers = addresses.iter().find_map(|&other| {
            let takers = self.by_name.get(&Name::Inet(other))?.takers(address.ip());
            (!takers.is_empty()).then_some(takers)
        });
        match takers?.as_slice() {
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

impl Sharers {
    fn overlap(&self, place: Place) -> bool {
        self.listeners.iter().any(|sharer| sharer.place.is_some_and(|own| own.overlaps(place)))
    }

    /// Returns those who take what comes for an address.
    fn takers(&self, ip: IpAddr) -> Vec<Id> {
        let takes = |sharer: &&Sharer| sharer.place.is_some_and(|place| place.includes(ip));
        self.listeners.iter().filter(takes).map(|sharer| sharer.id).collect()
    }
}

fn place_of(name: &Name, only_v6: bool) -> Option<Place> {
    match name {
        Name::Inet(address) => Some(Place::of(*address, only_v6)),
        Name::Path(_) => None,
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
        (0..4).for_each(|id| listeners.add(name(), id, false, true));
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
        listeners.add(name(), 0, false, false);
        assert_eq!(listeners.check(&name(), false, true), Err(Errno::EADDRINUSE));
        listeners.share(&name());
        assert_eq!(listeners.check(&name(), false, true), Ok(()));
        assert_eq!(listeners.check(&name(), false, false), Err(Errno::EADDRINUSE));
        listeners.remove(&name(), 0);
        assert_eq!(listeners.check(&name(), false, false), Ok(()));
        assert_eq!(listeners.of_client(address(1), address(80)), None);
    }
}

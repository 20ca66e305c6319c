//! The names that a simulation knows.

use crate::simulation::Simulation;

impl Simulation {
    /// Lets a host of this name have these addresses, in this order, for who looks it up: as
    /// [`Resolver`](evio::Resolver) and [`Server::bind`] do.
    ///
    /// # Panics
    ///
    /// Panics when one of them is no IP address.
    pub fn host<'a>(&mut self, name: &str, ips: impl IntoIterator<Item = &'a str>) {
        let parse = |ip: &str| ip.parse().unwrap_or_else(|_| panic!("{ip:?} is no IP address"));
        let ips: Vec<_> = ips.into_iter().map(parse).collect();
        self.kernel().set_host(name, &ips);
    }
}

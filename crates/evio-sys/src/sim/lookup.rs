//! Names of hosts, and how long it takes to look them up.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::mem;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::state::State;
use super::wire::Packet;
use super::{Kernel, Shared, current};

type Found = io::Result<Vec<SocketAddr>>;

/// The addresses of each host, by its name in small letters.
pub(super) type Hosts = BTreeMap<String, Vec<IpAddr>>;

/// A look-up that is under way, and who is told what it has found.
pub(super) struct LookUp {
    name: String,
    done: Box<dyn FnOnce(Found) + Send>,
}

impl fmt::Debug for LookUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LookUp").field(&self.name).finish()
    }
}

impl LookUp {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// What a look-up has found, to be told when the kernel is not locked.
#[derive(Debug)]
pub(super) struct Answer(LookUp, Found);

impl State {
    fn begin_look_up(&mut self, look_up: LookUp) {
        let longest = self.options.look_up.as_millis() as usize;
        let time = Duration::from_millis(self.random.below(longest + 1) as u64);
        self.schedule(self.now + time, Packet::LookUp(Box::new(look_up)));
    }

    pub(super) fn end_look_up(&mut self, look_up: LookUp) {
        let found = if self.random.chance(self.options.faults.look_up) {
            self.counts.failed_look_ups += 1;
            Err(io::Error::other("temporary failure in name resolution"))
        } else {
            self.find(&look_up.name)
        };
        self.answers.push(Answer(look_up, found));
    }

    /// Finds the addresses of a host and a port.
    fn find(&self, name: &str) -> Found {
        let (host, port) = name.rsplit_once(':').ok_or(io::ErrorKind::InvalidInput)?;
        let port = port.parse().map_err(|_| io::ErrorKind::InvalidInput)?;
        self.find_host(host, port)
    }

    fn find_host(&self, host: &str, port: u16) -> Found {
        let known = self.hosts.get(&host.to_lowercase());
        let ips = known.cloned().or_else(|| Some(vec![host.parse().ok()?]));
        let ips = ips.ok_or_else(|| io::Error::other("name or service not known"))?;
        Ok(ips.into_iter().map(|ip| (ip, port).into()).collect())
    }
}

impl Shared {
    pub(super) fn deadline(&self, timeout: Duration) -> Duration {
        self.lock().now.saturating_add(timeout)
    }

    /// Tells what the look-ups that have ended have found.
    pub(super) fn answer(&self) {
        let answers = mem::take(&mut self.lock().answers);
        for Answer(look_up, found) in answers {
            (look_up.done)(found);
        }
    }
}

impl Kernel {
    /// Lets a host of this name have these addresses, in this order; none if it has no address.
    pub fn set_host(&self, name: &str, ips: &[IpAddr]) {
        self.0.lock().hosts.insert(name.to_lowercase(), ips.to_vec());
    }
}

/// Looks a host up at once, on a thread that is simulated.
pub(crate) fn look_up(host: &str, port: u16) -> Option<Found> {
    current().map(|shared| shared.lock().find_host(host, port))
}

/// Looks a name up, which takes a time that is drawn, on a thread that is simulated.
pub(crate) fn look_up_later(name: &str, done: impl FnOnce(Found) + Send + 'static) {
    if let Some(shared) = current() {
        shared.lock().begin_look_up(LookUp { name: name.to_owned(), done: Box::new(done) });
    }
}

//! From names to addresses, at the start and later on.

use std::error::Error;
use std::os::unix::net::SocketAddr as UnixAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use evio::{Address, Endpoint, Host, SocketAddr, UnixPath};
use log::warn;

use super::upstreams::{MAX_UPSTREAMS, Upstreams};

/// An upstream as it was typed.
#[derive(Clone, Debug)]
pub struct Target {
    name: String,
    address: Address,
}

impl Target {
    /// Returns what was typed, without the scheme.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns all addresses that it stands for now. This asks the resolver of the system and may
    /// take long.
    ///
    /// # Errors
    ///
    /// Fails when the name stands for none.
    pub fn resolve(&self) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
        match self.address.endpoint() {
            Endpoint::Unix(UnixPath::Path(path)) => Ok(vec![UnixAddr::from_pathname(path)?.into()]),
            _ => Ok(self.address.resolve()?.into_iter().map(Into::into).collect()),
        }
    }

    /// Returns whether the addresses may change.
    fn is_name(&self) -> bool {
        matches!(self.address.endpoint(), Endpoint::Inet { host: Host::Name(_), .. })
    }
}

/// Reads the address of an upstream: `HOST:PORT` or `unix://PATH`.
///
/// # Errors
///
/// Fails when it is no address to connect to.
pub fn parse_target(text: &str) -> Result<Target, Box<dyn Error + Send + Sync>> {
    let address: Address = text.parse()?;
    if address.reuse_port() || address.mode().is_some() {
        return Err("options are for addresses to listen on; leave them out".into());
    }
    match address.endpoint() {
        Endpoint::Unix(UnixPath::Path(_)) => {}
        Endpoint::Inet { host: Host::Any, .. } => {
            return Err("name the host of the server, such as 127.0.0.1:5000".into());
        }
        Endpoint::Inet { port: 0, .. } => return Err("no server has port 0".into()),
        Endpoint::Inet { .. } if !address.scheme().is_datagram() => {}
        _ => return Err("write HOST:PORT, for TCP, or unix://PATH".into()),
    }
    let name = text.split_once("://").map_or(text, |(_, name)| name);
    Ok(Target { name: name.to_owned(), address })
}

/// Asks for the addresses of all targets.
///
/// # Errors
///
/// Fails when a name stands for no address, and when there are more than [`MAX_UPSTREAMS`].
pub fn resolve_all(targets: &[Target], upstreams: &Upstreams) -> Result<(), Box<dyn Error>> {
    for target in targets {
        let addresses = target.resolve().map_err(|error| format!("{}: {error}", target.name))?;
        if upstreams.set(&target.name, &addresses) > 0 {
            return Err(format!("more than {MAX_UPSTREAMS} addresses of upstreams").into());
        }
    }
    Ok(())
}

/// Asks for the addresses of names again and again, on a thread of its own: a loop cannot wait for
/// that. While a name cannot be resolved, it keeps its addresses.
///
/// # Errors
///
/// Fails when the system refuses a thread.
pub fn keep_resolving(
    targets: &[Target],
    upstreams: Arc<Upstreams>,
    interval: Option<Duration>,
) -> std::io::Result<()> {
    let names: Vec<Target> = targets.iter().filter(|target| target.is_name()).cloned().collect();
    let Some(interval) = interval.filter(|_| !names.is_empty()) else { return Ok(()) };
    let resolve = move |target: &Target| match target.resolve() {
        Ok(addresses) => {
            let missing = upstreams.set(&target.name, &addresses);
            warn_of(&target.name, missing, addresses.len());
        }
        Err(error) => warn!("{}: {error}", target.name),
    };
    let again = move || {
        loop {
            thread::sleep(interval);
            names.iter().for_each(&resolve);
        }
    };
    thread::Builder::new().name("resolver".into()).spawn(again)?;
    Ok(())
}

/// Says what becomes of a name that there is no place for all addresses of.
fn warn_of(name: &str, missing: usize, count: usize) {
    let used = if missing < count { "the others are used" } else { "the old ones are used" };
    if missing > 0 {
        warn!(
            "{name}: no place for {missing} of {count} addresses, since there are {MAX_UPSTREAMS} \
             that are listed or have connections; {used} until there is"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_somewhere_to_connect_to() {
        for text in ["127.0.0.1:5000", "tcp://[::1]:1", "localhost:80", "unix:///tmp/x"] {
            assert!(parse_target(text).is_ok(), "{text}");
        }
        for text in ["", "127.0.0.1", "127.0.0.1:0", "*:80", "udp://127.0.0.1:53", "unix://@x"] {
            assert!(parse_target(text).is_err(), "{text}");
        }
        assert!(parse_target("127.0.0.1:80?reuseport=true").is_err());
        assert_eq!(parse_target("tcp://localhost:80").unwrap().name(), "localhost:80");
    }
}

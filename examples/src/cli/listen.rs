//! Where a server listens, and on how many loops.

use std::error::Error;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum, value_parser};
use evio::{Address, Endpoint, Host, Keepalive, ListenOptions, LoadBalance, ReadySocket, Server};
use listenfd::ListenFd;

/// More loops than this are a mistake: few machines have as many processors, and each is a thread.
const MAX_LOOPS: i64 = 1024;

/// When clients are asked whether they are still there, as redis does: one that has vanished is
/// gone after ten minutes, also where there is no idle timeout.
const KEEPALIVE: Keepalive =
    Keepalive { idle: Duration::from_secs(300), interval: Duration::from_secs(100), count: 3 };

/// Where to listen, and on how many loops.
#[derive(Args, Debug)]
pub struct Listen {
    /// Host name or IP address to listen on; "*" is every address of this machine
    #[arg(long, default_value = "127.0.0.1", value_parser = parse_host)]
    pub host: String,
    /// Also listen on this Unix socket
    #[arg(long, value_name = "PATH")]
    pub unix_socket: Option<PathBuf>,
    /// How many loops share the work.
    #[command(flatten)]
    pub loops: LoopCount,
    /// How connections are spread over the loops
    #[arg(long, value_enum, value_name = "POLICY", default_value_t = Balance::RoundRobin)]
    pub balance: Balance,
    /// Share the port with other processes (SO_REUSEPORT); the kernel then spreads the connections
    #[arg(long)]
    pub reuseport: bool,
}

/// How many loops share the work.
#[derive(Args, Clone, Copy, Debug)]
pub struct LoopCount {
    /// Number of event loops, each on a thread of its own; 0 is one for each processor
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = value_parser!(u16).range(..=MAX_LOOPS))]
    loops: u16,
}

impl LoopCount {
    /// Returns the number of loops that was asked for. Here 0 stands for all processors, while
    /// `evio::Loops::from(0)` is one loop.
    #[must_use]
    pub fn get(self) -> evio::Loops {
        match self.loops {
            0 => evio::Loops::Available,
            count => evio::Loops::Exactly(usize::from(count)),
        }
    }

    /// Makes a server ready for so many loops: those that share a processor take turns there
    /// instead of interrupting each other.
    #[must_use]
    pub fn prepare(self, server: Server) -> Server {
        server.batch_loops(self.get().count() > evio::Loops::Available.count())
    }
}

/// The load balancing policies, as they are written on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Balance {
    /// Each loop in turn
    RoundRobin,
    /// Every loop is equally likely
    Random,
    /// The loop with the fewest connections
    LeastConnections,
}

impl From<Balance> for LoadBalance {
    fn from(balance: Balance) -> Self {
        match balance {
            Balance::Random => Self::Random,
            Balance::RoundRobin => Self::RoundRobin,
            Balance::LeastConnections => Self::LeastConnections,
        }
    }
}

impl Listen {
    /// Binds the addresses; [`start`](super::start) does the rest. TCP asks a peer that has been
    /// silent for five minutes whether it is still there, so one that has vanished is not kept for
    /// ever.
    ///
    /// # Errors
    ///
    /// Fails when an address cannot be bound.
    pub fn bind(&self, scheme: &str, port: u16) -> Result<Server, Box<dyn Error>> {
        let inet = inet_address(scheme, &self.host, port, self.reuseport);
        let unix = self.unix_socket.as_deref().map(unix_address);
        // Connections inherit it from their listener, so it costs them no system call.
        let options = ListenOptions::default().keepalive(KEEPALIVE);
        let server = Server::bind_with(&options, [inet].into_iter().chain(unix))?;
        Ok(self.loops.prepare(server).load_balance(self.balance.into()))
    }

    /// As `bind`, with the sockets that systemd has bound; see `sd_listen_fds(3)`.
    ///
    /// # Errors
    ///
    /// Fails when there are none, and when one is of no kind that a server can use.
    pub fn inherit(&self) -> Result<Server, Box<dyn Error>> {
        let mut inherited = ListenFd::from_env();
        let mut sockets = (0..inherited.len()).map(|index| take_socket(&mut inherited, index));
        let first = sockets.next().ok_or("LISTEN_FDS names no sockets for this process")?;
        let mut server = Server::from_socket(first?)?;
        for socket in sockets {
            server = server.with_socket(socket?)?;
        }
        Ok(self.loops.prepare(server).load_balance(self.balance.into()))
    }

    /// Returns the number of loops.
    #[must_use]
    pub fn loops(&self) -> evio::Loops {
        self.loops.get()
    }
}

fn take_socket(inherited: &mut ListenFd, index: usize) -> Result<ReadySocket, Box<dyn Error>> {
    if let Ok(Some(listener)) = inherited.take_tcp_listener(index) {
        return Ok(listener.try_into()?);
    }
    if let Ok(Some(listener)) = inherited.take_unix_listener(index) {
        return Ok(listener.try_into()?);
    }
    if let Ok(Some(socket)) = inherited.take_udp_socket(index) {
        return Ok(socket.try_into()?);
    }
    Err(format!("number {index} of LISTEN_FDS is no TCP, UDP or Unix socket to listen on").into())
}

/// Checks a host by itself: the error of a whole address would tell of what was not typed.
fn parse_host(text: &str) -> Result<String, String> {
    let is_host = inet_address("tcp", text, 0, false).parse::<Address>().is_ok();
    if is_host && !text.is_empty() {
        return Ok(text.to_owned());
    }
    let has_more = text.contains(['/', '?']);
    match text.parse::<Address>().as_ref().map(Address::endpoint) {
        Ok(Endpoint::Inet { host, port }) if !has_more => {
            let host = if *host == Host::Any { "\"*\"".into() } else { host.to_string() };
            Err(format!("write the port apart: --host {host} --port {port}"))
        }
        _ => Err("write only a host name, an IP address or \"*\"".into()),
    }
}

fn inet_address(scheme: &str, host: &str, port: u16, reuseport: bool) -> String {
    // A bare IPv6 address is what people type; the address syntax wants brackets.
    let ip = host.split('%').next().unwrap_or(host);
    let host = if ip.parse::<Ipv6Addr>().is_ok() { format!("[{host}]") } else { host.to_owned() };
    let options = if reuseport { "?reuseport=true" } else { "" };
    format!("{scheme}://{host}:{port}{options}")
}

fn unix_address(path: &Path) -> String {
    let path = path.display().to_string();
    // The last "?" begins the options, so a path that has one needs another.
    let end = if path.contains('?') { "?" } else { "" };
    format!("unix://{path}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_addresses() {
        let cases = [
            (inet_address("tcp", "127.0.0.1", 80, false), "tcp://127.0.0.1:80"),
            (inet_address("udp", "::1", 0, false), "udp://[::1]:0"),
            (inet_address("tcp", "fe80::1%1", 80, false), "tcp://[fe80::1%1]:80"),
            (inet_address("tcp", "*", 80, true), "tcp://*:80?reuseport=true"),
            (unix_address(Path::new("/tmp/a b")), "unix:///tmp/a b"),
            (unix_address(Path::new("what?")), "unix://what??"),
        ];
        for (address, expected) in cases {
            assert_eq!(address, expected);
            assert!(address.parse::<evio::Address>().is_ok(), "{address}");
        }
    }
}

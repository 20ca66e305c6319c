//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, value_parser};
use evio::Address;

use super::header::Version;
use super::health::Thresholds;
use super::resolve::{Target, parse_target};
use super::upstreams::Balance;
use crate::cli::{ClientLimits, LoopCount, Timeout, parse_time};

/// What the lines of [`report`](super::report::report) say, in its order.
const STATS_HELP: &str = "\
Show counters to whoever connects to this Unix socket, such as nc -U

upstream   for each address of each --upstream, a line that begins so, with its name
address    where to connect to
state      up, down, or unlisted: the name does not stand for the address any more
open       connections that are open or being made
connected  connections that came about
failed     connections that did not, or that were reset before a byte was passed on
sent       bytes of clients that were passed on to it
received   bytes of it that were passed on to clients

clients    the last line begins so
open       those that are connected, or whose upstream still is
accepted   those that were accepted so far
gone       those that had reset their connection before an upstream was asked
refused    those that sent no PROXY header, or a wrong one
unserved   those that no upstream could be reached for
retries    times that another upstream was asked, since one could not be reached
idle       those that passed nothing on, nor were sent anything, for the idle timeout";

/// Passes on what its clients send to other servers, and the answers back. Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(name = "tcp-proxy", version)]
pub struct Options {
    /// Address to listen on: HOST:PORT, where port 0 is any free one, or unix://PATH
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7000")]
    #[arg(value_parser = parse_listen)]
    pub listen: Address,
    /// Address of a server to pass on to: HOST:PORT or unix://PATH; a name stands for all its
    /// addresses, and the option may be given several times
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:5000")]
    #[arg(value_parser = parse_target)]
    pub upstream: Vec<Target>,
    /// How connections are spread over the upstreams
    #[arg(long, value_enum, value_name = "POLICY", default_value_t = Balance::RoundRobin)]
    pub balance: Balance,
    /// How long an upstream may take to accept a connection; then the next one is tried
    #[arg(long, value_name = "TIME", default_value = "5s")]
    #[arg(value_parser = parse_time)]
    pub connect_timeout: Duration,
    /// How often each of several upstreams is connected to, to find out whether it is up, and more
    /// often at first when it has gone down; off takes all of them for up
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub check_interval: Timeout,
    /// Connections in a row, of checks or clients, that have to fail before an upstream is down
    #[arg(long, value_name = "N", default_value_t = 3)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    pub fall: u32,
    /// Connections in a row that have to succeed before it is up again
    #[arg(long, value_name = "N", default_value_t = 2)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    pub rise: u32,
    /// How often names are resolved again
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub resolve_interval: Timeout,
    /// Silence after which TCP asks each peer whether it is still there
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub keepalive: Timeout,
    /// Clients are proxies too, and say first who their clients are (PROXY protocol)
    #[arg(long)]
    pub accept_proxy: bool,
    /// Tell the upstreams who the clients are (PROXY protocol)
    #[arg(long, value_enum, value_name = "VERSION")]
    pub send_proxy: Option<Version>,
    /// Show counters to whoever connects to this Unix socket, such as nc -U
    #[arg(long, value_name = "PATH", long_help = STATS_HELP)]
    pub stats: Option<PathBuf>,
    /// Take the listeners of the proxy that runs with the same path, which then drains and ends
    #[arg(long, value_name = "PATH")]
    pub handover: Option<PathBuf>,
    /// How many loops share the work.
    #[command(flatten)]
    pub loops: LoopCount,
    /// How many clients there may be, and for how long.
    #[command(flatten)]
    pub clients: ClientLimits,
}

fn parse_listen(text: &str) -> Result<Address, String> {
    let address: Address = text.parse().map_err(|error| format!("{error}"))?;
    let is_stream = !address.scheme().is_datagram();
    is_stream.then_some(address).ok_or_else(|| "only TCP and Unix sockets are passed on".to_owned())
}

impl Options {
    /// Returns how many results in a row change the health of an upstream; none if its health is
    /// not checked, since nothing would bring it up again.
    #[must_use]
    pub fn thresholds(&self) -> Option<Thresholds> {
        let thresholds = Thresholds { fall: self.fall, rise: self.rise };
        self.check_interval.0.map(|_| thresholds)
    }
}

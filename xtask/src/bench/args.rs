//! The options of `cargo xtask bench`, and what each suite needs and heeds.

mod check;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;

use super::outside::{self, Contender, Tool};
use super::peers::{self, Peer};
use super::{go, http, neighbours, programs, proxy, redis, syscalls};

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure [default: everything, or echo with --self-check]
    #[arg(value_enum, value_name = "SUITE")]
    suites: Vec<Suite>,
    /// Take less time, for a first impression
    #[arg(long)]
    pub(super) quick: bool,
    /// Seconds of load on each server in each case [default: 3, or 0.7 with --quick]
    ///
    /// The cases of `scale` take half of them, and `memory` has no load. `http` and `redis` take
    /// turns of 1 and of 0.3 seconds, five of them at least, or three with --quick.
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    duration: Option<f64>,
    /// Make this many connections, in `echo` (one case only), `udp`, `connect`, `idle` (busy
    /// ones), `memory` (at most its own 9000), `latency`, `scale` and `proxy` [default: mostly 50]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) connections: Option<u32>,
    /// Measure one case only of `echo` and `proxy`, with this many bytes per message [default: 64]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=MAX_SIZE))]
    pub(super) size: Option<u64>,
    /// Keep this many messages in flight per connection, in `echo` (one case only) and `proxy`
    /// [default: 1]
    #[arg(long, value_name = "MESSAGES")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=MAX_PIPELINE))]
    pub(super) pipeline: Option<u32>,
    /// Measure this many loops in `scale`, beside one [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..))]
    pub(super) loops: Option<u16>,
    /// Reach the servers of `redis` over Unix sockets
    #[arg(long)]
    pub(super) unix: bool,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Keep the figures in benchmarks/results, draw the charts and rewrite benchmarks/RESULTS.md
    /// and the README's section; a longer --duration evens out what other tenants of the machine do
    #[arg(long)]
    #[arg(conflicts_with_all = ["quick", "connections", "size", "pipeline"])]
    #[arg(conflicts_with_all = ["unix", "against", "self_check", "loops", "no_build", "compare"])]
    pub(super) save: bool,
    /// Say what moved since the run that wrote OLD; with two files nothing is measured. Suites go
    /// before it
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 1..=2)]
    pub(super) compare: Vec<PathBuf>,
    /// Compare with these only, in `echo`, `connect`, `idle`, `memory` and `latency`; the floors
    /// and evio are always there. Suites go before it
    #[arg(long, value_name = "PEER", num_args = 1.., value_parser = peers::names())]
    against: Vec<String>,
    /// Enter the floor of echo twice, and fail when its two figures are more than 2 % apart
    #[arg(long)]
    pub(super) self_check: bool,
    /// Measure the programs that were built last
    #[arg(long)]
    pub(super) no_build: bool,
}

/// A set of cases that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Suite {
    /// Servers that send back what they receive
    Echo,
    /// The same with datagrams
    Udp,
    /// A connection for each request
    Connect,
    /// Thousands of silent connections beside busy ones
    Idle,
    /// Resident memory per connection
    Memory,
    /// Waiting times when requests come on a schedule
    Latency,
    /// Several loops
    Scale,
    /// Notes to a loop from other threads
    Wake,
    /// HTTP servers
    Http,
    /// Redis servers
    Redis,
    /// TCP proxies in front of an echo server
    Proxy,
    /// Paced clients beside noisy ones
    Neighbours,
}

impl Suite {
    /// Names the options that it heeds, of those that some suite does not.
    fn heeds(self) -> &'static [&'static str] {
        match self {
            Self::Echo => &["--duration", "--connections", "--size", "--pipeline", "--against"],
            Self::Udp => &["--duration", "--connections"],
            Self::Connect | Self::Idle | Self::Latency => {
                &["--duration", "--connections", "--against"]
            }
            Self::Memory => &["--connections", "--against"],
            Self::Scale => &["--duration", "--connections", "--loops"],
            Self::Wake | Self::Http | Self::Neighbours => &["--duration"],
            Self::Redis => &["--duration", "--unix"],
            Self::Proxy => &["--duration", "--connections", "--size", "--pipeline"],
        }
    }

    /// Returns the servers that it measures, or needs behind those.
    pub(super) fn peers(self, args: &Args) -> Vec<Peer> {
        match self {
            Self::Echo => peers::echo(&args.against, args.self_check),
            Self::Udp => peers::UDP.to_vec(),
            Self::Connect | Self::Latency => peers::select(&args.against, false),
            Self::Idle => peers::lasting(&args.against),
            Self::Memory => peers::single(&args.against),
            Self::Scale => vec![peers::EVIO, peers::FLOOR],
            Self::Proxy => vec![peers::FLOOR],
            Self::Neighbours => vec![peers::EVIO],
            Self::Wake | Self::Http | Self::Redis => Vec::new(),
        }
    }

    /// Returns the servers that it measures beside those.
    fn contenders(self) -> Vec<Contender> {
        match self {
            Self::Http => http::CONTENDERS.to_vec(),
            Self::Redis => redis::CONTENDERS.to_vec(),
            Self::Proxy => proxy::CONTENDERS.to_vec(),
            Self::Neighbours => neighbours::contenders(),
            _ => Vec::new(),
        }
    }

    /// Names the programs that it needs beside those that all suites do.
    fn programs(self, args: &Args) -> Vec<&'static str> {
        let meter = match self {
            Self::Memory => Some(programs::MEMORY_METER),
            Self::Wake => Some(programs::WAKE_METER),
            Self::Neighbours => Some(programs::NEIGHBOUR_LOAD),
            _ => None,
        };
        let peers = self.peers(args).into_iter().map(|peer| peer.program);
        peers.chain(outside::built(&self.contenders())).chain(meter).collect()
    }

    /// Returns the tools without which something of it is left out.
    fn tools(self, args: &Args) -> Vec<Tool> {
        let own = match self {
            Self::Echo if !args.self_check => Some(syscalls::STRACE),
            Self::Http => Some(http::WRK),
            Self::Redis => Some(redis::REDIS_BENCHMARK),
            _ => None,
        };
        let go = self.peers(args).contains(&peers::GO).then_some(go::GO);
        outside::tools(&self.contenders()).chain(own).chain(go).collect()
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to_possible_value().expect("no suite is skipped").get_name())
    }
}

/// Bytes of the longest message that the load generator takes, and how many in flight.
const MAX_SIZE: u64 = 64 * 1024 * 1024;
const MAX_PIPELINE: i64 = 65_536;

/// Seconds of load on each server in each case.
const DURATION: f64 = 3.0;

/// The same with `--quick`.
const QUICK_DURATION: f64 = 0.7;

impl Args {
    /// Returns the suites that are to be run.
    pub(super) fn suites(&self) -> Vec<Suite> {
        match (self.suites.is_empty(), self.self_check) {
            (true, true) => vec![Suite::Echo],
            (true, false) => Suite::value_variants().to_vec(),
            (false, _) => {
                let mut suites = Vec::new();
                for &suite in &self.suites {
                    if !suites.contains(&suite) {
                        suites.push(suite);
                    }
                }
                suites
            }
        }
    }

    /// Tells whether `suite` was asked for by name.
    pub(super) fn names(&self, suite: Suite) -> bool {
        self.suites.contains(&suite)
    }

    /// Names the programs that the suites need, each once.
    pub(super) fn programs(&self) -> BTreeSet<&'static str> {
        self.suites().into_iter().flat_map(|suite| suite.programs(self)).collect()
    }

    /// Returns the tools that the suites need.
    pub(super) fn tools(&self) -> Vec<Tool> {
        self.suites().into_iter().flat_map(|suite| suite.tools(self)).collect()
    }

    /// Returns the seconds of load on each server in each case.
    pub(super) fn duration(&self) -> f64 {
        self.duration.unwrap_or(if self.quick { QUICK_DURATION } else { DURATION })
    }
}

/// Reads a number of seconds.
fn parse_duration(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(seconds),
        Ok(_) => Err("not between 0.1 and 600 seconds".to_owned()),
        Err(error) => Err(format!("{error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches, error::ErrorKind};

    pub(super) fn parse(arguments: &[&str]) -> Result<Args, ErrorKind> {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("bench"));
        command
            .try_get_matches_from(["bench"].iter().chain(arguments))
            .and_then(|matches| Args::from_arg_matches(&matches))
            .map_err(|error| error.kind())
    }

    #[test]
    fn everything_has_a_default() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.suites(), Suite::value_variants());
        assert_eq!((args.quick, args.self_check, args.loops), (false, false, None));
        assert_eq!(parse(&["--self-check"]).unwrap().suites(), [Suite::Echo]);
        assert_eq!((args.duration, args.connections, args.size, args.pipeline), Default::default());
        assert!(args.against.is_empty());
    }

    #[test]
    fn what_is_not_measured_is_not_built() {
        let programs = |arguments: &[&str]| -> Vec<&str> {
            parse(arguments).unwrap().programs().into_iter().collect()
        };
        assert_eq!(
            programs(&["echo", "memory", "--against", "mio"]),
            ["connection-memory", "echo-server", "floor-deferred", "floor-echo", "mio-echo"]
        );
        assert_eq!(programs(&["udp"]), ["echo-server", "floor-udp", "tokio-udp"]);
        assert_eq!(programs(&["wake"]), ["wake"]);
        assert_eq!(programs(&["http"]), ["floor-http", "http-server", "hyper-http"]);
        assert_eq!(programs(&["redis"]), ["floor-redis", "redis-server"]);
        assert_eq!(programs(&["proxy"]), ["floor-echo", "tcp-proxy"]);
        let hubs = ["echo-server", "evio-hub", "http-server", "hyper-http", "neighbour-load"];
        let proxies = ["redis-server", "tcp-proxy", "tokio-hub", "tokio-proxy"];
        assert_eq!(programs(&["neighbours"]), [&hubs[..], &proxies].concat());
        assert!(programs(&[]).contains(&"go-echo"));
    }

    #[test]
    fn all_options_together() {
        let arguments = "echo scale redis --quick --duration 0.5 --connections 7 --size 9 \
            --pipeline 3 --loops 4 --json out.json --compare old.json --unix --against mio tokio";
        let args = parse(&arguments.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert_eq!(args.check(), Ok(()));
        assert_eq!(args.suites(), [Suite::Echo, Suite::Scale, Suite::Redis]);
        assert!(args.quick && args.unix && args.names(Suite::Redis) && !args.names(Suite::Udp));
        assert_eq!(args.compare, [PathBuf::from("old.json")]);
        assert_eq!((args.duration(), args.loops), (0.5, Some(4)));
        assert_eq!((args.connections, args.size, args.pipeline), (Some(7), Some(9), Some(3)));
        assert_eq!(args.json, Some(PathBuf::from("out.json")));
        assert_eq!(args.against, ["mio", "tokio"]);
    }

    #[test]
    fn tools_of_a_suite() {
        let tools = |arguments: &[&str]| -> Vec<&str> {
            parse(arguments).unwrap().tools().into_iter().map(|tool| tool.program).collect()
        };
        assert_eq!(tools(&["http"]), ["nginx", "haproxy", "wrk"]);
        assert_eq!(tools(&["redis"]), ["redis-server", "redis-benchmark"]);
        assert_eq!(tools(&["echo", "--against", "mio"]), ["strace"]);
        assert_eq!(tools(&["connect"]), ["go"]);
        assert_eq!(tools(&["neighbours"]), ["nginx", "haproxy", "redis-server", "haproxy"]);
        assert_eq!(tools(&["udp", "scale", "wake"]), [""; 0]);
    }

    #[test]
    fn senseless_options_are_refused() {
        let cases: &[(&[&str], ErrorKind)] = &[
            (&["juggling"], ErrorKind::InvalidValue),
            (&["--against", "nobody"], ErrorKind::InvalidValue),
            (&["--duration", "0"], ErrorKind::ValueValidation),
            (&["--duration", "NaN"], ErrorKind::ValueValidation),
            (&["--duration", "long"], ErrorKind::ValueValidation),
            (&["--connections", "-1"], ErrorKind::UnknownArgument),
            (&["--connections", "0"], ErrorKind::ValueValidation),
            (&["--size", "0"], ErrorKind::ValueValidation),
            (&["--pipeline", "0"], ErrorKind::ValueValidation),
            (&["--size", "67108865"], ErrorKind::ValueValidation),
            (&["--pipeline", "65537"], ErrorKind::ValueValidation),
            (&["--loops", "1"], ErrorKind::ValueValidation),
            (&["--compare"], ErrorKind::InvalidValue),
            // What is kept is whole suites.
            (&["--save", "--quick"], ErrorKind::ArgumentConflict),
            (&["--save", "--size", "3"], ErrorKind::ArgumentConflict),
            (&["--save", "--against", "mio"], ErrorKind::ArgumentConflict),
            (&["--save", "--self-check"], ErrorKind::ArgumentConflict),
            (&["--save", "--loops", "3"], ErrorKind::ArgumentConflict),
            (&["--save", "--no-build"], ErrorKind::ArgumentConflict),
            (&["--compare", "old", "new", "newer"], ErrorKind::InvalidValue),
        ];
        for (arguments, kind) in cases {
            assert_eq!(parse(arguments).map(|_| ()), Err(*kind), "{arguments:?}");
        }
    }
}

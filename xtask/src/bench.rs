//! `cargo xtask bench`: evio beside what a user would pick instead, measured in one run.
//!
//! Here servers are started and stopped, and figures are shown and kept. The measuring itself is
//! done by `load-generator` of the benchmarks package, in a process of its own.

mod case;
mod chart;
pub(crate) mod children;
mod compare;
mod driver;
mod echo;
mod generator;
mod go;
mod http;
pub(crate) mod machine;
mod memory;
mod outside;
mod peers;
mod programs;
mod progress;
mod proxy;
mod publish;
mod readme;
mod redis;
mod results;
#[cfg(test)]
mod results_sample;
mod run;
mod suites;
mod syscalls;
mod table;
mod turns;
mod wake;

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::ValueEnum;

use machine::Machine;
use peers::Peer;
use results::{Results, SuiteResults};
use run::Run;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure [default: everything, or echo with --self-check]
    #[arg(value_enum, value_name = "SUITE")]
    suites: Vec<Suite>,
    /// Take less time, for a first impression
    #[arg(long)]
    quick: bool,
    /// Seconds of load on each server in each case [default: 3, or 0.7 with --quick]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    duration: Option<f64>,
    /// Measure with this many busy connections; of echo, one case only [default: 50]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,
    /// Measure one case of echo only, with this many bytes per message [default: 64]
    #[arg(long, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..=MAX_SIZE))]
    size: Option<u64>,
    /// Measure one case of echo only, with this many messages in flight per connection [default: 1]
    #[arg(long, value_name = "MESSAGES", value_parser = clap::value_parser!(u32).range(1..))]
    pipeline: Option<u32>,
    /// Measure this many loops in the suite `scale`
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    loops: u16,
    /// Reach the servers of the suite `redis` over Unix sockets
    #[arg(long)]
    unix: bool,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep the figures in benchmarks/results, draw the charts and rewrite the README's section
    #[arg(long)]
    #[arg(conflicts_with_all = ["quick", "duration", "connections", "size", "pipeline"])]
    #[arg(conflicts_with_all = ["unix", "against", "self_check"])]
    save: bool,
    /// Say what moved since the run that wrote OLD; with two files nothing is measured
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 1..=2)]
    compare: Vec<PathBuf>,
    /// Compare with these only; the floor is always there
    #[arg(long, value_name = "PEER", num_args = 1.., value_parser = peers::names())]
    against: Vec<String>,
    /// Enter the floor of echo twice, and fail when its two figures are more than 2 % apart
    #[arg(long)]
    self_check: bool,
    /// Measure the programs that were built last
    #[arg(long)]
    no_build: bool,
}

/// A set of cases that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
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
}

impl Suite {
    fn run(self, run: &mut Run) -> crate::Result<SuiteResults> {
        match self {
            Self::Echo => echo::run(run),
            Self::Udp => suites::udp(run),
            Self::Connect => suites::connect(run),
            Self::Idle => suites::idle(run),
            Self::Memory => memory::run(run),
            Self::Latency => suites::latency(run),
            Self::Scale => suites::scale(run),
            Self::Wake => wake::run(run),
            Self::Http => http::run(run),
            Self::Redis => redis::run(run),
            Self::Proxy => proxy::run(run),
        }
    }

    /// Names the programs that it needs beside those that all suites do.
    fn programs(self, args: &Args) -> Vec<&'static str> {
        let names = |peers: &[Peer]| peers.iter().map(|peer| peer.program).collect();
        let echo: Vec<&str> = names(&peers::select(&args.against, false));
        match self {
            Self::Echo | Self::Connect | Self::Idle | Self::Latency | Self::Scale => echo,
            Self::Memory => [&echo[..], &[programs::MEMORY_METER]].concat(),
            Self::Udp => names(peers::UDP),
            Self::Wake => vec![programs::WAKE_METER],
            Self::Http => outside::built(http::CONTENDERS),
            Self::Redis => outside::built(redis::CONTENDERS),
            Self::Proxy => [outside::built(proxy::CONTENDERS), names(&[peers::FLOOR])].concat(),
        }
    }
}

/// Bytes of the longest message that the load generator takes.
const MAX_SIZE: u64 = 64 * 1024 * 1024;

/// Seconds of load on each server in each case.
const DURATION: f64 = 3.0;

/// The same with `--quick`.
const QUICK_DURATION: f64 = 0.7;

impl Args {
    /// Returns the suites that are to be run.
    fn suites(&self) -> Vec<Suite> {
        match (self.suites.is_empty(), self.self_check) {
            (true, true) => vec![Suite::Echo],
            (true, false) => Suite::value_variants().to_vec(),
            (false, _) => self.suites.clone(),
        }
    }

    /// Names the programs that the suites need, each once.
    fn programs(&self) -> BTreeSet<&'static str> {
        self.suites().into_iter().flat_map(|suite| suite.programs(self)).collect()
    }

    /// Returns the seconds of load on each server in each case.
    fn duration(&self) -> f64 {
        self.duration.unwrap_or(if self.quick { QUICK_DURATION } else { DURATION })
    }
}

/// Runs the suites, or compares two runs that were kept.
pub(crate) fn run(args: Args) -> crate::Result {
    // Read first, so that a wrong name does not cost a run.
    let kept = args.compare.iter().map(|file| publish::read(file));
    let kept = kept.collect::<crate::Result<Vec<Results>>>()?;
    if let [old, new] = kept.as_slice() {
        print!("{}", compare::render(old, new));
        return Ok(());
    }
    if args.self_check && args.suites() != [Suite::Echo] {
        return Err("--self-check is of echo alone; leave the other suites out".into());
    }
    let mut run = Run::prepare(args)?;
    let mut suites = Vec::new();
    let mut failed = Ok(());
    for suite in run.args.suites() {
        match suite.run(&mut run) {
            // A suite whose tools are missing has no cases.
            Ok(results) if results.cases.is_empty() => {}
            Ok(results) => suites.push(results),
            // The others can still be measured.
            Err(error) => {
                run.children.end_all();
                eprintln!("{suite:?} failed: {error}");
                failed = Err(error);
            }
        }
    }
    for (package, version) in &run.versions {
        println!("{package} {version}");
    }
    let machine = Machine::describe();
    println!("{}", machine.summary());
    let results = Results {
        commit: Some(machine.commit().to_owned()).filter(|commit| commit != machine::UNKNOWN),
        date: machine::today(),
        machine,
        versions: run.versions,
        suites,
    };
    if let [old] = kept.as_slice() {
        print!("\n{}", compare::render(old, &results));
    }
    keep(&run.args, &results)?;
    let echo = results.suites.iter().find(|suite| suite.suite == "echo");
    match echo {
        Some(echo) if run.args.self_check => echo::self_check(&echo.cases).and(failed),
        _ => failed,
    }
}

/// Writes the results wherever the options ask for them.
fn keep(args: &Args, results: &Results) -> crate::Result {
    if let Some(file) = &args.json {
        results.write(file)?;
    }
    if args.save {
        publish::save(results)?;
    }
    Ok(())
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

    fn parse(arguments: &[&str]) -> Result<Args, ErrorKind> {
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
        assert_eq!((args.quick, args.self_check, args.loops), (false, false, 2));
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
            ["connection-memory", "echo-server", "floor-echo", "mio-echo"]
        );
        assert_eq!(programs(&["udp"]), ["echo-server", "floor-udp", "tokio-udp"]);
        assert_eq!(programs(&["wake"]), ["wake"]);
        assert_eq!(programs(&["http"]), ["floor-http", "http-server", "hyper-http"]);
        assert_eq!(programs(&["redis"]), ["floor-redis", "redis-server"]);
        assert_eq!(programs(&["proxy"]), ["floor-echo", "tcp-proxy"]);
        assert!(programs(&[]).contains(&"go-echo"));
    }

    #[test]
    fn all_options_together() {
        let args = parse(&[
            "udp",
            "scale",
            "--quick",
            "--duration",
            "0.5",
            "--connections",
            "7",
            "--size",
            "9",
            "--pipeline",
            "3",
            "--json",
            "out.json",
            "--compare",
            "old.json",
            "--unix",
            "--against",
            "mio",
            "tokio",
            "--self-check",
        ])
        .unwrap();
        assert_eq!(args.suites(), [Suite::Udp, Suite::Scale]);
        assert!(args.quick && args.self_check && args.unix);
        assert_eq!(args.compare, [PathBuf::from("old.json")]);
        assert_eq!(args.duration(), 0.5);
        assert_eq!((args.connections, args.size, args.pipeline), (Some(7), Some(9), Some(3)));
        assert_eq!(args.json, Some(PathBuf::from("out.json")));
        assert_eq!(args.against, ["mio", "tokio"]);
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
            (&["--loops", "0"], ErrorKind::ValueValidation),
            (&["--compare"], ErrorKind::InvalidValue),
            // What is kept is whole suites.
            (&["--save", "--quick"], ErrorKind::ArgumentConflict),
            (&["--save", "--size", "3"], ErrorKind::ArgumentConflict),
            (&["--save", "--against", "mio"], ErrorKind::ArgumentConflict),
            (&["--save", "--self-check"], ErrorKind::ArgumentConflict),
            (&["--compare", "old", "new", "newer"], ErrorKind::InvalidValue),
        ];
        for (arguments, kind) in cases {
            assert_eq!(parse(arguments).map(|_| ()), Err(*kind), "{arguments:?}");
        }
    }
}

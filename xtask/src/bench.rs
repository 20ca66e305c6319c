//! `cargo xtask bench`: evio beside what a user would pick instead, measured in one run.
//!
//! Here servers are started and stopped, and figures are shown and kept. The measuring itself is
//! done by `load-generator` of the benchmarks package, in a process of its own.

mod chart;
mod children;
mod compare;
mod compared;
mod echo;
mod generator;
mod http;
mod machine;
mod outside;
mod peers;
mod programs;
mod progress;
mod publish;
mod readme;
mod record;
mod redis;
mod results;
#[cfg(test)]
mod results_sample;
mod table;
mod turns;

use std::path::PathBuf;

use clap::ValueEnum;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What to measure
    #[arg(value_enum, default_value_t = Suite::Echo)]
    suite: Suite,
    /// Take a third of the time, for a first impression
    #[arg(long)]
    quick: bool,
    /// Seconds of load on each server in each case [default: 3, or 1 with --quick]
    #[arg(long, value_name = "SECONDS", value_parser = parse_duration)]
    duration: Option<f64>,
    /// Measure one case only, with this many connections [default: 50]
    #[arg(long)]
    connections: Option<u32>,
    /// Measure one case only, with this many bytes per message [default: 64]
    #[arg(long, value_name = "BYTES")]
    size: Option<u64>,
    /// Measure one case only, with this many messages in flight per connection [default: 1]
    #[arg(long, value_name = "MESSAGES")]
    pipeline: Option<u32>,
    /// Reach the redis servers over Unix sockets
    #[arg(long)]
    unix: bool,
    /// Write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Keep the figures in benchmarks/results, draw the charts and rewrite the README's section
    #[arg(long)]
    save: bool,
    /// Say what moved since the run that wrote OLD, or, without a run, from OLD to NEW
    #[arg(long, value_names = ["OLD", "NEW"], num_args = 1..=2)]
    compare: Vec<PathBuf>,
    /// Compare with these only; the floor is always there
    #[arg(long, value_name = "PEER", num_args = 1.., value_parser = peers::names())]
    against: Vec<String>,
    /// Enter the floor twice, and fail when its two figures are more than 2 % apart
    #[arg(long)]
    self_check: bool,
    /// Measure the programs that were built last
    #[arg(long)]
    no_build: bool,
}

/// A set of cases that are measured with the same servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Suite {
    /// Servers that send back what they receive
    Echo,
    /// Redis servers
    Redis,
    /// HTTP servers
    Http,
}

/// Runs one suite, or compares two runs.
pub(crate) fn run(args: Args) -> crate::Result {
    if let [old, new] = &args.compare[..] {
        print!("{}", compare::render(&publish::read(old)?, &publish::read(new)?));
        return Ok(());
    }
    match args.suite {
        Suite::Echo => echo::run(&args),
        Suite::Redis | Suite::Http => {
            let children = children::Children::new()?;
            let programs = programs::Programs::find()?;
            if !args.no_build {
                programs.build(&children)?;
            }
            for warning in machine::warnings() {
                eprintln!("warning: {warning}");
            }
            let bench = outside::Bench { programs: &programs, children: &children };
            let duration = args.duration.unwrap_or(if args.quick { 1.0 } else { 3.0 });
            let (suite, cases, versions) = if args.suite == Suite::Redis {
                ("redis", redis::run(&bench, duration, args.unix)?, redis::versions())
            } else {
                ("http", http::run(&bench, duration)?, http::versions())
            };
            finish(
                &args,
                &record::Results {
                    commit: Some(machine::Machine::describe().commit().to_owned()),
                    date: machine::today(),
                    machine: machine::Machine::describe(),
                    versions,
                    suites: vec![record::SuiteResults { suite: suite.to_owned(), duration, cases }],
                },
            )
        }
    }
}

/// Keeps the results in whatever way the options ask for.
fn finish(args: &Args, results: &record::Results) -> crate::Result {
    for (program, version) in &results.versions {
        println!("{program} {version}");
    }
    if let Some(file) = &args.json {
        results.write(file)?;
    }
    if args.save {
        publish::save(results)?;
    }
    if let [old] = &args.compare[..] {
        print!("\n{}", compare::render(&publish::read(old)?, results));
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
        assert_eq!((args.suite, args.quick, args.self_check), (Suite::Echo, false, false));
        assert_eq!((args.duration, args.connections, args.size, args.pipeline), Default::default());
        assert!(args.against.is_empty());
    }

    #[test]
    fn all_options_together() {
        let args = parse(&[
            "echo",
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
            "--against",
            "mio",
            "tokio",
            "--self-check",
        ])
        .unwrap();
        assert!(args.quick && args.self_check);
        assert_eq!(args.duration, Some(0.5));
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
        ];
        for (arguments, kind) in cases {
            assert_eq!(parse(arguments).map(|_| ()), Err(*kind), "{arguments:?}");
        }
    }
}

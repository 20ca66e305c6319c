//! Drives echo servers in turns and reports in JSON, one line each: `progress`, and at last
//! `report`.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Parser, value_parser};
use evio_benchmarks::load::{Driver, Pace, Plan, Target};
use evio_benchmarks::report::{Line, summarize};

/// Drives echo servers in turns and reports in JSON
#[derive(Debug, Parser)]
struct Args {
    /// A server as NAME=tcp://ADDRESS/PID (or udp, or unix); the first is what the others are
    /// compared to
    #[arg(long = "target", value_name = "NAME=ENDPOINT/PID", required = true)]
    targets: Vec<Target>,
    /// Connections to each server
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..))]
    connections: u32,
    /// Connections to each server but the first on which nothing is sent
    #[arg(long, default_value_t = 0)]
    idle: u32,
    /// How requests follow each other
    #[arg(long, value_enum, default_value_t = Pace::Closed)]
    pace: Pace,
    /// Bytes per message
    #[arg(long, default_value_t = 64, value_parser = value_parser!(u64).range(1..=MAX_SIZE))]
    size: u64,
    /// Messages in flight per connection
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=MAX_PIPELINE))]
    pipeline: u32,
    /// Length of a turn in milliseconds
    #[arg(long, default_value_t = 60)]
    turn: u64,
    /// Turns of each server that are counted
    #[arg(long, default_value_t = 50)]
    turns: usize,
    /// Turns of each server before those
    #[arg(long, default_value_t = 5)]
    warm_up: usize,
    /// Turns up to which to go on while the ratios are not known well enough [default: --turns]
    #[arg(long)]
    most_turns: Option<usize>,
    /// The standard error of a ratio that is well enough
    #[arg(long, default_value_t = 0.005)]
    precision: f64,
    /// Compare with the first of this many servers, group by group [default: all]
    #[arg(long, value_parser = value_parser!(u32).range(1..))]
    group: Option<u32>,
    /// Number that the payload is made from [default: another one each time]
    #[arg(long)]
    seed: Option<u64>,
}

/// Most bytes per message: what a server answers well within the generator's patience.
const MAX_SIZE: u64 = 64 << 20;

/// Most messages in flight: each is remembered with the time it was asked for.
const MAX_PIPELINE: i64 = 65_536;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load-generator: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let seed = args.seed.unwrap_or_else(fresh_seed);
    let plan = Plan {
        pace: args.pace,
        connections: args.connections as usize,
        idle: args.idle as usize,
        size: args.size,
        pipeline: args.pipeline as usize,
        turn: Duration::from_millis(args.turn),
        warm_up: args.warm_up,
        turns: args.turns,
        most_turns: args.most_turns.unwrap_or(args.turns),
        precision: args.precision,
        group: args.group.map_or(args.targets.len(), |group| group as usize),
        seed,
    };
    let mut lost = Ok(());
    let measurements = Driver::connect(&args.targets, plan)?.run(|done, total| {
        if lost.is_ok() {
            lost = print(&Line::Progress { done, total });
        }
    })?;
    lost?;
    print(&Line::Report(summarize(seed, plan.group, &measurements)))?;
    Ok(())
}

fn print(line: &Line) -> io::Result<()> {
    writeln!(io::stdout(), "{}", serde_json::to_string(line)?)
}

fn fresh_seed() -> u64 {
    // The low bits of the time in nanoseconds differ from run to run.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn senseless_loads_are_refused() {
        let parse = |extra: &[&str]| {
            let fixed = ["load-generator", "--target", "floor=tcp://127.0.0.1:4000/12"];
            Args::try_parse_from(fixed.iter().chain(extra))
        };
        assert!(parse(&[]).is_ok());
        assert!(parse(&["--connections", "1000", "--size", "16384", "--pipeline", "16"]).is_ok());
        for bad in [["--connections", "0"], ["--size", "0"], ["--pipeline", "0"]] {
            assert!(parse(&bad).is_err(), "{bad:?}");
        }
        assert!(Args::try_parse_from(["load-generator"]).is_err());
    }
}

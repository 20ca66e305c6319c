//! Gives servers turns with paced clients and a noisy neighbour, and reports in JSON, one line
//! each: `progress`, and at last `report`.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, value_parser};
use evio_benchmarks::load::Target;
use evio_benchmarks::neighbours::{Measured, Neighbour, Plan, Protocol, Report, turn};
use evio_benchmarks::report::Line;

/// Gives servers turns with paced clients and a noisy neighbour, and reports in JSON
#[derive(Debug, Parser)]
struct Args {
    /// A server as NAME=tcp://ADDRESS/PID
    #[arg(long = "target", value_name = "NAME=ENDPOINT/PID", required = true)]
    targets: Vec<Target>,
    /// What the servers speak
    #[arg(long, value_enum)]
    protocol: Protocol,
    /// Who shares them with the paced clients
    #[arg(long, value_enum, default_value_t = Neighbour::Nobody)]
    neighbour: Neighbour,
    /// Paced clients
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u16).range(1..))]
    clients: u16,
    /// Requests per second of each of them
    #[arg(long, default_value_t = 50, value_parser = value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Milliseconds that they keep sending in a turn
    #[arg(long, default_value_t = 1000, value_parser = value_parser!(u64).range(1..=60_000))]
    turn: u64,
    /// Turns of each server
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    turns: u16,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("neighbour-load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let Args { protocol, neighbour, rate, .. } = *args;
    let (clients, length) = (usize::from(args.clients), Duration::from_millis(args.turn));
    let plan = Plan { protocol, neighbour, clients, rate, turn: length };
    let measured = |target: &Target| Measured { name: target.name.clone(), turns: Vec::new() };
    let mut servers: Vec<Measured> = args.targets.iter().map(measured).collect();
    let (count, total) = (servers.len(), usize::from(args.turns));
    for round in 0..total {
        // Another one begins each round.
        for place in (0..count).map(|place| (place + round) % count) {
            servers[place].turns.push(turn(&args.targets[place], plan)?);
        }
        print(&Line::<Report>::Progress { done: round + 1, total })?;
    }
    let servers = servers.iter().filter_map(Measured::report).collect();
    print(&Line::Report(Report { servers }))
}

fn print(line: &Line<Report>) -> Result<(), Box<dyn Error>> {
    Ok(writeln!(io::stdout(), "{}", serde_json::to_string(line)?)?)
}

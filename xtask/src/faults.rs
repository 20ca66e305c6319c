//! Faults of the kernel under the unchanged release servers, judged from outside.
//!
//! - strace runs a server and makes one of its system calls fail, with one error, once ([`case`]).
//! - A library between server and kernel makes calls do less than they could ([`preload`]).
//! - Clients come in storms, the server is stopped or lacks descriptors ([`storms`]).
//!
//! Clients that know every byte they must get use the server meanwhile ([`client`]); `/proc` says
//! whether it spins and what it has left open ([`process`]).

mod case;
mod chat;
mod client;
mod enumerated;
mod errors;
mod lab;
mod preload;
pub(crate) mod process;
mod protocol;
mod random;
mod servers;
mod storms;
mod strace;
mod workload;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::ValueEnum;

use crate::children::Children;
use case::Case;
use errors::CALLS;
use lab::Lab;
use random::Random;
use servers::{SERVERS, Server};
use storms::Storm;

pub(crate) use strace::obstacle;

/// How long the quick run goes on with cases.
const QUICK: Duration = Duration::from_secs(30);

/// Random faults of all servers together, and in the quick run.
const RANDOM: u64 = 150_000;
const RANDOM_QUICK: u64 = 20_000;

/// Storms of the quick run.
const STORMS_QUICK: usize = 3;

/// The kinds of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// One system call fails, with one error, at one place
    Enumerated,
    /// Calls of all kinds do less than they could, at random
    Random,
    /// Many clients behave badly, the server is stopped or runs out of descriptors
    Storms,
}

/// Options of `cargo xtask faults`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A case is named SERVER/CALL/ERROR/PHASE/POSITION: the fourth accept4 while serving fails with EMFILE
is echo-server/accept4/EMFILE/serve/4. The phases are start, serve and end. The server echo-loops is
echo-server with two loops.

A case passes if the server lives, does not spin, sends nobody a wrong byte, loses no more
connections than the error may cost, serves the next client, closes what it has opened and ends with
success after SIGTERM; a fault while it starts may also end it, with an error.")]
pub(crate) struct Args {
    /// A sample of all cases, for a minute at most
    #[arg(long)]
    quick: bool,
    /// Only this kind of faults; may be given several times
    #[arg(long, value_enum, value_name = "KIND")]
    only: Vec<Part>,
    /// Only this server; may be given several times
    #[arg(long, value_name = "NAME", value_parser = SERVERS.map(|server| server.name))]
    server: Vec<String>,
    /// Only this system call; may be given several times
    #[arg(long, value_name = "NAME", value_parser = parse_call)]
    call: Vec<String>,
    /// Only cases whose name begins so
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// What the sample and the bytes of the clients follow from, to repeat a run
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// Cases at a time
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Run the servers that were built last
    #[arg(long)]
    no_build: bool,
    /// Name the cases and run none
    #[arg(long)]
    list: bool,
}

fn parse_call(name: &str) -> Result<String, String> {
    let is_known = CALLS.iter().any(|call| call.name == name);
    is_known.then(|| name.to_owned()).ok_or_else(|| "no fault is known for this call".into())
}

/// Injects faults and fails if a server cannot cope with one.
pub(crate) fn run(args: &Args) -> crate::Result {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH)?;
    let seed = args.seed.unwrap_or(clock.as_nanos() as u64);
    println!("seed {seed}");
    let children = Children::new()?;
    let mut lab = Lab::open(&children, seed, args.no_build)?;
    let asks_for = |part| args.only.is_empty() || args.only.contains(&part);
    let mut enumerated = Ok(());
    if asks_for(Part::Enumerated) {
        match obstacle() {
            Some(obstacle) => println!("left out: enumerated faults, because {obstacle}"),
            None => enumerated = enumerate(args, &mut lab),
        }
    }
    // A case or a call is strace's.
    if args.case.is_some() || !args.call.is_empty() || args.list {
        return enumerated;
    }
    let servers: Vec<_> = SERVERS.into_iter().filter(|server| args.has(*server)).collect();
    if asks_for(Part::Random) {
        let faults = if args.quick { RANDOM_QUICK } else { RANDOM };
        println!("{}", preload::describe(&preload::run(&lab, &servers, faults)?));
    }
    if asks_for(Part::Storms) {
        storm(&lab, &servers, args.quick)?;
    }
    enumerated
}

/// Runs all storms, or a few.
fn storm(lab: &Lab<'_>, servers: &[Server], quick: bool) -> crate::Result {
    let of = |&server| Storm::ALL.map(|storm| (server, storm));
    let mut storms: Vec<(Server, Storm)> = servers.iter().flat_map(of).collect();
    Random::of(lab.seed, "storms", 0).shuffle(&mut storms);
    storms.truncate(if quick { STORMS_QUICK } else { usize::MAX });
    for (server, storm) in &storms {
        storm.run(lab, *server).map_err(|what| {
            let (seed, name) = (lab.seed, server.name);
            let repeat = format!("cargo xtask faults --only storms --server {name} --seed {seed}");
            format!("{name}, {storm}: {what}\n    to repeat it: {repeat}")
        })?;
    }
    println!("{} storms", storms.len());
    Ok(())
}

impl Args {
    fn has(&self, server: Server) -> bool {
        self.server.is_empty() || self.server.iter().any(|wanted| wanted == server.name)
    }
}

/// Runs the cases that are asked for.
fn enumerate(args: &Args, lab: &mut Lab<'_>) -> crate::Result {
    let cases = cases(args, lab)?;
    if args.list {
        cases.iter().for_each(|case| println!("{case}"));
        return Ok(());
    }
    if cases.is_empty() {
        return Err("there is no such case".into());
    }
    let summary = enumerated::run(&cases, lab, args.jobs, args.quick.then_some(QUICK));
    print!("{}", summary.table());
    println!("{} of {} cases fired", summary.fired, cases.len());
    match summary.found {
        0 if summary.fired == 0 => Err("no fault fired, so nothing was shown".into()),
        0 => Ok(()),
        found => Err(format!("{found} faults found").into()),
    }
}

/// Returns the cases that are asked for, in an order that the seed decides.
fn cases(args: &Args, lab: &mut Lab<'_>) -> crate::Result<Vec<Case>> {
    let mut cases = Vec::new();
    for server in SERVERS {
        let begins = |case: &String| case.split('/').next() == Some(server.name);
        if args.has(server) && args.case.as_ref().is_none_or(begins) {
            cases.extend(lab.enumerate(server)?);
        }
    }
    cases.retain(|case| {
        let name = case.to_string();
        let is_case = args.case.as_ref().is_none_or(|start| {
            name.strip_prefix(start.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        (args.call.is_empty() || args.call.iter().any(|call| call == case.call)) && is_case
    });
    Random::of(lab.seed, "order", 0).shuffle(&mut cases);
    Ok(cases)
}

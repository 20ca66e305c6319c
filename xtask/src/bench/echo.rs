//! The echo suite: servers that send back what they receive.

use super::Args;
use super::children::Children;
use super::generator::{self, TURN};
use super::machine::{self, Machine};
use super::peers::{self, Peer};
use super::programs::Programs;
use super::progress::Progress;
use super::results::{Case, CaseResults, Results};
use super::table;

/// What is measured unless the options say otherwise: a few busy connections, many, messages that
/// cost more to copy than to announce, ones that fill the read buffer, and many to a packet.
const CASES: &[Case] = &[
    SMALL,
    Case { connections: 1000, ..SMALL },
    Case { size: 16 << 10, ..SMALL },
    Case { size: 64 << 10, ..SMALL },
    Case { pipeline: 16, ..SMALL },
];

/// The case that the others vary.
const SMALL: Case = Case { connections: 50, size: 64, pipeline: 1 };

/// Seconds of load on each server in each case.
const DURATION: f64 = 3.0;

/// The same with `--quick`.
const QUICK_DURATION: f64 = 1.0;

/// How far apart the same program may come out when it is entered twice.
const TOLERANCE: f64 = 0.02;

/// Measures all cases, prints a table for each and keeps the figures if asked to.
pub(super) fn run(args: &Args) -> crate::Result {
    let children = Children::new()?;
    let programs = Programs::find()?;
    if !args.no_build {
        programs.build(&children)?;
    }
    for warning in machine::warnings() {
        eprintln!("warning: {warning}");
    }
    let peers = available(&programs, peers::select(&args.against, args.self_check))?;
    let duration = args.duration.unwrap_or(if args.quick { QUICK_DURATION } else { DURATION });
    let mut results = Results {
        suite: "echo",
        machine: Machine::describe(),
        versions: machine::versions(peers.iter().filter_map(|peer| peer.package)),
        duration,
        cases: Vec::new(),
    };

    let cases = cases(args);
    let mut progress = Progress::new(cases.len());
    for case in cases {
        progress.begin(&table::describe(case));
        let servers = programs.serve(&peers, &children)?;
        let advance = |done, total| progress.advance(done, total);
        let turns = turns(duration);
        let report = generator::drive(&programs, &children, &servers, case, turns, advance)?;
        // Each case begins with fresh servers, so that it does not depend on those before it.
        children.end_all();
        progress.print(&table::render(case, &report.servers));
        results.cases.push(CaseResults { case, report });
    }
    drop(progress);

    for (package, version) in &results.versions {
        println!("{package} {version}");
    }
    if let Some(file) = &args.json {
        results.write(file)?;
    }
    if args.self_check { self_check(&results.cases) } else { Ok(()) }
}

/// Returns those of `peers` that were built, and names the others.
fn available(programs: &Programs, peers: Vec<Peer>) -> crate::Result<Vec<Peer>> {
    let (built, missing): (Vec<Peer>, Vec<Peer>) =
        peers.into_iter().partition(|peer| programs.has(peer.program));
    for peer in missing {
        eprintln!("left out: {}, because {} was not built", peer.name, peer.program);
    }
    match built.first() {
        Some(first) if first.name == peers::FLOOR.name => Ok(built),
        _ => Err("without the floor there is nothing to compare to".into()),
    }
}

/// Returns the cases that the options ask for.
fn cases(args: &Args) -> Vec<Case> {
    if args.connections.is_none() && args.size.is_none() && args.pipeline.is_none() {
        return CASES.to_vec();
    }
    vec![Case {
        connections: args.connections.unwrap_or(SMALL.connections),
        size: args.size.unwrap_or(SMALL.size),
        pipeline: args.pipeline.unwrap_or(SMALL.pipeline),
    }]
}

/// Returns how many turns make up so many seconds.
fn turns(seconds: f64) -> usize {
    (seconds / TURN.as_secs_f64()).round().max(1.0) as usize
}

/// Prints how far apart the two floors are in each case.
fn self_check(cases: &[CaseResults]) -> crate::Result {
    let mut worst: f64 = 0.0;
    println!("\nself-check: the floor as a multiple of itself");
    for CaseResults { case, report } in cases {
        let again = report.servers.iter().find(|server| server.name == peers::FLOOR_AGAIN.name);
        let ratio = again.ok_or("the floor was entered only once")?.ratio.median;
        println!("  {ratio:.3}  {}", table::describe(*case));
        worst = worst.max((ratio - 1.0).abs());
    }
    let percent = worst * 100.0;
    if worst > TOLERANCE {
        return Err(format!("self-check failed: {percent:.1} %; is the machine busy?").into());
    }
    println!("at most {percent:.1} % apart");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{Latency, Report, ServerReport, Spread};
    use clap::FromArgMatches;

    fn args(arguments: &[&str]) -> Args {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("bench"));
        let matches = command.try_get_matches_from(["bench"].iter().chain(arguments)).unwrap();
        Args::from_arg_matches(&matches).unwrap()
    }

    #[test]
    fn options_choose_the_cases() {
        assert_eq!(cases(&args(&["--quick"])), CASES);
        assert_eq!(cases(&args(&["--size", "9"])), [Case { size: 9, ..SMALL }]);
        let all = ["--connections", "7", "--size", "9", "--pipeline", "3"];
        assert_eq!(cases(&args(&all)), [Case { connections: 7, size: 9, pipeline: 3 }]);
    }

    #[test]
    fn seconds_are_filled_with_turns() {
        assert_eq!([0.1, 1.0, 3.0].map(turns), [2, 17, 50]);
    }

    #[test]
    fn self_check_has_its_tolerance() {
        let with_ratios = |ratios: &[f64]| -> Vec<CaseResults> {
            let report = |&ratio| Report { seed: 1, servers: vec![server(ratio)] };
            ratios.iter().map(|r| CaseResults { case: SMALL, report: report(r) }).collect()
        };
        for (ratios, passes) in [
            (&[1.0, 1.019][..], true),
            (&[0.981, 1.0], true),
            (&[1.0, 1.021], false),
            (&[0.979, 1.0], false),
        ] {
            assert_eq!(self_check(&with_ratios(ratios)).is_ok(), passes, "{ratios:?}");
        }
    }

    #[test]
    fn self_check_needs_both_floors() {
        let report = Report { seed: 1, servers: Vec::new() };
        assert!(self_check(&[CaseResults { case: SMALL, report }]).is_err());
    }

    fn server(ratio: f64) -> ServerReport {
        let same = Spread { low: ratio, median: ratio, high: ratio };
        ServerReport {
            name: peers::FLOOR_AGAIN.name.to_owned(),
            turns: 1,
            requests: 1,
            requests_per_second: same,
            latency: Latency { p50: 1, p99: 1, p999: 1, max: 1 },
            cpu_per_request: same,
            ratio: same,
        }
    }
}

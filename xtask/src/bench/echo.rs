//! The echo suite: servers that send back what they receive.

use super::args::Suite;
use super::case::{Case, Entry, Load, SMALL};
use super::peers;
use super::results::{CaseResults, SuiteResults};
use super::run::Run;
use super::{Args, syscalls};

/// How far apart the same program may come out when it is entered twice.
const TOLERANCE: f64 = 0.02;

/// How many times longer a self-check goes on where its turns differ too much to say what it is to
/// say: with a thousand connections, a turn may come out a tenth apart from the next.
const PATIENCE: usize = 10;

/// Measures all cases.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let entries = run.entries(&Suite::Echo.peers(&run.args))?;
    let cases = cases(&run.args, &entries);
    let mut results = run.measure("echo", &cases)?;
    if let (false, Some(case), Some(kept)) =
        (run.args.self_check, cases.first(), results.cases.first_mut())
    {
        syscalls::count(run, case, kept)?;
    }
    Ok(results)
}

/// Returns the cases that the options ask for. Without any: a few busy connections, many, the
/// longest messages for which `floor-deferred` counts, ones that cost more to copy than to
/// announce, ones that fill the read buffer, and many to a packet.
fn cases(args: &Args, entries: &[Entry]) -> Vec<Case> {
    let patience = if args.self_check { PATIENCE } else { 1 };
    let small = Load { seconds: args.duration(), patience, ..SMALL };
    let loads = if args.connections.is_none() && args.size.is_none() && args.pipeline.is_none() {
        vec![
            small,
            Load { connections: 1000, ..small },
            Load { size: 4 << 10, ..small },
            Load { size: 16 << 10, ..small },
            Load { size: 64 << 10, ..small },
            Load { pipeline: 16, ..small },
        ]
    } else {
        vec![Load {
            connections: args.connections.unwrap_or(small.connections),
            size: args.size.unwrap_or(small.size),
            pipeline: args.pipeline.unwrap_or(small.pipeline),
            ..small
        }]
    };
    loads.into_iter().map(|load| Case::new(entries.to_vec(), load)).collect()
}

/// Prints how far apart the two floors are in each case, and fails where it is too far.
pub(super) fn self_check(cases: &[CaseResults]) -> crate::Result {
    let mut worst: f64 = 0.0;
    println!("\nself-check: the floor as a multiple of itself");
    for case in cases {
        let again = case.servers.iter().find(|server| server.name == peers::FLOOR_AGAIN.name);
        let ratio =
            again.and_then(|server| server.cpu_ratio).ok_or("the floor was entered only once")?;
        println!("  {ratio:.3}  {}", case.title);
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
    use crate::bench::results::ServerResults;
    use clap::FromArgMatches;

    fn keys(arguments: &[&str]) -> Vec<String> {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("bench"));
        let matches = command.try_get_matches_from(["bench"].iter().chain(arguments)).unwrap();
        let args = Args::from_arg_matches(&matches).unwrap();
        cases(&args, &[]).into_iter().map(|case| case.key).collect()
    }

    #[test]
    fn options_choose_the_cases() {
        let all = [
            "c50-s64-p1",
            "c1000-s64-p1",
            "c50-s4096-p1",
            "c50-s16384-p1",
            "c50-s65536-p1",
            "c50-s64-p16",
        ];
        assert_eq!(keys(&["--quick"]), all);
        assert_eq!(keys(&["--size", "9"]), ["c50-s9-p1"]);
        let one = ["--connections", "7", "--size", "9", "--pipeline", "3"];
        assert_eq!(keys(&one), ["c7-s9-p3"]);
    }

    #[test]
    fn self_check_has_its_tolerance() {
        let case = |&ratio: &f64| CaseResults {
            key: String::new(),
            title: String::new(),
            servers: vec![ServerResults {
                name: peers::FLOOR_AGAIN.name.to_owned(),
                cpu_ratio: Some(ratio),
                ..ServerResults::default()
            }],
        };
        for (ratios, passes) in [
            (&[1.0, 1.019][..], true),
            (&[0.981, 1.0], true),
            (&[1.0, 1.021], false),
            (&[0.979, 1.0], false),
        ] {
            let cases: Vec<CaseResults> = ratios.iter().map(case).collect();
            assert_eq!(self_check(&cases).is_ok(), passes, "{ratios:?}");
        }
        let alone = CaseResults { servers: Vec::new(), ..case(&1.0) };
        assert!(self_check(&[alone]).is_err(), "the floor was entered only once");
    }
}

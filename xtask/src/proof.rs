//! Evidence that the tests on the simulated kernel find bugs of the loop: many fresh seeds, and
//! bugs that are planted one after the other and have to be found.

mod bugs;
mod faults;
mod matrix;
mod sanitize;
mod scratch;
mod suite;

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bugs::Bug;
use faults::Faults;
use matrix::Matrix;
use scratch::Scratch;
use suite::{Run, Suite};

use crate::{Result, workspace_root};

/// With so many seeds of each test every fault is injected; with fewer, a rare one may be missing.
/// The rarest, a datagram that is refused, comes twice in 60.
const SEEDS_FOR_ALL_FAULTS: u64 = 300;
/// How long one test program may take with the loop as it is; nobody waits for a loop that hangs.
const SEEDS_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// The seeds of each test that have to find a planted bug.
const PLANTED_SEEDS: u64 = 300;
/// How long one test program may take with a planted bug, which may keep a turn from ending.
const PLANTED_LIMIT: Duration = Duration::from_secs(120);

/// Flags of `cargo xtask proof`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Print the names of the bugs that can be planted, and do nothing else
    #[arg(long)]
    list: bool,
    /// Run this many fresh seeds of each simulated test; none with 0
    #[arg(long, value_name = "COUNT", default_value_t = 10_000)]
    seeds: u64,
    /// Run the tests of the libraries and the simulated ones under AddressSanitizer, too
    #[arg(long)]
    sanitize: bool,
    /// Plant the bugs of the list one after the other, too, and see each found
    #[arg(long)]
    planted: bool,
    /// Stop at the first test program that finds a bug, which leaves the others out of the matrix,
    /// and do not run the tests without a bug first
    #[arg(long, requires = "planted")]
    quick: bool,
    /// With --quick, ask this test program first, such as several_loops
    #[arg(long, value_name = "PROGRAM", requires = "quick")]
    first: Option<String>,
    /// Plant those bugs only whose names contain this; can be given several times. --list names all
    #[arg(long = "bug", value_name = "NAME", requires = "planted")]
    bugs: Vec<String>,
}

/// Runs the seeds, then the bugs.
///
/// # Errors
/// A test fails, a fault was never injected, the sanitizer finds something, or a planted bug is not
/// found; or there is no bug or no test program of a name that was asked for.
pub(crate) fn run(args: &Args) -> Result {
    if args.list {
        bugs::all().for_each(|bug| println!("{}", bug.name));
        return Ok(());
    }
    // What is not there is said before anything is built.
    let bugs = bugs::named(&args.bugs)?;
    let programs = programs(args.first.as_deref())?;
    if args.seeds > 0 {
        run_seeds(args.seeds)?;
    }
    if args.sanitize {
        sanitize::run(workspace_root(), &target())?;
    }
    if args.planted {
        run_planted(&bugs, programs, args.quick)?;
    }
    Ok(())
}

/// Returns the test programs in the order in which they are asked.
fn programs(first: Option<&str>) -> Result<Vec<String>> {
    let mut programs = Suite::names(workspace_root())?;
    if let Some(first) = first {
        let Some(place) = programs.iter().position(|program| program == first) else {
            return Err(format!("no program is {first}: {}", programs.join(", ")).into());
        };
        programs[..=place].rotate_right(1);
    }
    Ok(programs)
}

fn target() -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| workspace_root().join("target")).join("proof")
}

fn run_seeds(seeds: u64) -> Result {
    let suite = Suite::build(workspace_root(), &target(), None)?;
    let start = Instant::now();
    let run = suite.run(seeds, SEEDS_LIMIT)?;
    let (mut faults, mut all) = (Faults::default(), 0);
    for line in run.summaries() {
        println!("{line}");
        all += faults::seeds_in(line).unwrap_or(0);
    }
    // The last line of a program that has died may be cut.
    let counted = run.summaries().try_for_each(|line| faults.add(line));
    let seconds = start.elapsed().as_secs_f64();
    println!("\n{faults}");
    println!("proof: {all} seeds in {seconds:.0} s: {:.0} a second", all as f64 / seconds);
    let failed: Vec<_> =
        run.failures().map(|(test, failure)| format!("{test}: {failure}")).collect();
    if !failed.is_empty() {
        return Err(format!("failed:\n{}", failed.join("\n")).into());
    }
    counted?;
    if all == 0 {
        return Err("no test has said how many seeds it has run".into());
    }
    check_faults(&faults.never_injected(), seeds)
}

/// Checks that every fault was injected, if there were seeds enough for that.
fn check_faults(never: &[&str], seeds: u64) -> Result {
    if never.is_empty() {
        return Ok(());
    }
    let (never, enough) = (never.join(", "), SEEDS_FOR_ALL_FAULTS);
    if seeds < enough {
        println!("proof: not injected: {never}; an error with --seeds {enough} and more");
        return Ok(());
    }
    Err(format!(
        "faults that none of {seeds} seeds of each test has met, where {enough} are enough: \
         {never}; no test draws them any more, or its handlers and clients do not get that far"
    )
    .into())
}

fn run_planted(bugs: &[&Bug], mut programs: Vec<String>, is_quick: bool) -> Result {
    let scratch = Scratch::copy(workspace_root(), &target())?;
    // Cargo would take what was built of one workspace for the other's: a bug would still be there,
    // or a change would not.
    let target = target().join("planted");
    let mut matrix = Matrix::default();
    if !is_quick {
        println!("proof: the tests without a bug");
        let suite = Suite::build(scratch.workspace(), &target, None)?;
        let sound = suite.run(PLANTED_SEEDS, PLANTED_LIMIT)?;
        if let Some((test, failure)) = sound.failures().next() {
            return Err(format!("{test} fails without a bug: {failure}").into());
        }
        matrix = Matrix::new(sound.tests());
    }
    for (number, bug) in bugs.iter().enumerate() {
        let start = Instant::now();
        let sound = scratch.plant(bug)?;
        let run = if is_quick {
            find_once(&scratch, &target, &mut programs)
        } else {
            Suite::build(scratch.workspace(), &target, None)
                .and_then(|suite| suite.run(PLANTED_SEEDS, PLANTED_LIMIT))
        };
        scratch.restore(bug, sound)?;
        let seconds = start.elapsed().as_secs();
        let found = matrix.add(bug.name, run?.failures());
        println!("{:>3} of {}, {seconds:>3} s: {}: {found}", number + 1, bugs.len(), bug.name);
    }
    println!("\n{matrix}");
    match matrix.not_found() {
        missed if missed.is_empty() => Ok(()),
        missed => Err(format!("not found: {}", missed.join(", ")).into()),
    }
}

/// Builds and runs one program after the other until one fails, which is the first to be asked for
/// the next bug.
fn find_once(scratch: &Scratch, target: &Path, programs: &mut Vec<String>) -> Result<Run> {
    let mut run = Run::default();
    for place in 0..programs.len() {
        let suite = Suite::build(scratch.workspace(), target, Some(&programs[place]))?;
        run = suite.run(PLANTED_SEEDS, PLANTED_LIMIT)?;
        if run.failures().next().is_some() {
            let program = programs.remove(place);
            programs.insert(0, program);
            break;
        }
    }
    Ok(run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_seeds_need_not_meet_every_fault() {
        assert!(check_faults(&["losses"], 2).is_ok());
        assert!(check_faults(&[], SEEDS_FOR_ALL_FAULTS).is_ok());
        let error = check_faults(&["losses", "resets"], SEEDS_FOR_ALL_FAULTS).unwrap_err();
        assert!(error.to_string().contains("losses, resets"), "{error}");
    }

    #[test]
    fn the_program_that_is_to_be_first_is_one_of_them() {
        let programs = programs(Some("several_loops")).unwrap();
        assert_eq!(programs[..2], ["several_loops", "state_machine"]);
        assert_eq!(programs.len(), super::programs(None).unwrap().len());
        let error = super::programs(Some("nosuch")).unwrap_err().to_string();
        assert!(error.starts_with("no program is nosuch: state_machine, "), "{error}");
    }
}

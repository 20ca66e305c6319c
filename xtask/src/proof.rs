//! Evidence that the tests on the simulated kernel find bugs of the loop: many fresh seeds, and
//! bugs that are planted one after the other and have to be found.

mod bugs;
mod faults;
mod matrix;
mod sanitize;
mod scratch;
mod suite;

use std::env;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bugs::Bug;
use faults::Faults;
use matrix::Matrix;
use scratch::Scratch;
use suite::{Run, Suite};

use crate::{Result, workspace_root};

/// How long one test program may take with the loop as it is; nobody waits for a loop that hangs.
const SEEDS_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// The seeds of each test that have to find a planted bug.
const PLANTED_SEEDS: u64 = 300;
/// How long one test program may take with a planted bug, which may keep a turn from ending.
const PLANTED_LIMIT: Duration = Duration::from_secs(120);

/// Flags of `cargo xtask proof`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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
    /// Plant those bugs only whose names contain this; can be given several times
    #[arg(long = "bug", value_name = "NAME", requires = "planted")]
    bugs: Vec<String>,
}

/// Runs the seeds, then the bugs.
///
/// # Errors
/// A test fails, a fault was never injected, the sanitizer finds something, or a planted bug is not
/// found.
pub(crate) fn run(args: &Args) -> Result {
    if args.seeds > 0 {
        run_seeds(args.seeds)?;
    }
    if args.sanitize {
        sanitize::run(workspace_root(), &target())?;
    }
    if args.planted {
        let is_meant = |bug: &&Bug| {
            args.bugs.is_empty() || args.bugs.iter().any(|name| bug.name.contains(name))
        };
        let bugs: Vec<_> = bugs::all().filter(is_meant).collect();
        run_planted(&bugs, args.quick)?;
    }
    Ok(())
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
    match faults.never_injected() {
        never if all > 0 && never.is_empty() => Ok(()),
        never => Err(format!("faults that no seed has met: {}", never.join(", ")).into()),
    }
}

fn run_planted(bugs: &[&Bug], is_quick: bool) -> Result {
    let scratch = Scratch::copy(workspace_root(), &target())?;
    let mut programs = Suite::names(scratch.workspace())?;
    let mut matrix = Matrix::default();
    if !is_quick {
        println!("proof: the tests without a bug");
        let suite = Suite::build(scratch.workspace(), &target(), None)?;
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
            find_once(&scratch, &mut programs)
        } else {
            Suite::build(scratch.workspace(), &target(), None)
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
fn find_once(scratch: &Scratch, programs: &mut Vec<String>) -> Result<Run> {
    let mut run = Run::default();
    for place in 0..programs.len() {
        let suite = Suite::build(scratch.workspace(), &target(), Some(&programs[place]))?;
        run = suite.run(PLANTED_SEEDS, PLANTED_LIMIT)?;
        if run.failures().next().is_some() {
            let program = programs.remove(place);
            programs.insert(0, program);
            break;
        }
    }
    Ok(run)
}

//! Evidence that the loop is right, and that its tests would find it wrong: many fresh seeds on the
//! simulated kernel, bugs that are planted one after the other and have to be found,
//! AddressSanitizer, faults of the real kernel, and inputs of a fuzzer.

mod bugs;
mod faults;
mod fuzz;
mod matrix;
mod sanitize;
mod scratch;
mod steps;
mod suite;

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use bugs::Bug;
use faults::Faults;
use matrix::Matrix;
use scratch::Scratch;
use steps::Steps;
use suite::{Run, Suite};

use crate::{Result, workspace_root};

/// How long one test program may take with the loop as it is; nobody waits for a loop that hangs.
const SEEDS_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// The seeds of each test that have to find a planted bug.
const PLANTED_SEEDS: u64 = 300;
/// How long one test program may take with a planted bug, which may keep a turn from ending.
const PLANTED_LIMIT: Duration = Duration::from_secs(120);
/// How long `--all` fuzzes each target.
const FUZZ_SECONDS: u64 = 600;

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
    /// Make system calls of the release servers fail, too: `cargo xtask faults`
    #[arg(long)]
    faults: bool,
    /// Fuzz each target in fuzz/ for this long, too, which needs cargo-fuzz
    #[arg(long, value_name = "SECONDS")]
    fuzz: Option<u64>,
    /// Run everything, too: --sanitize --planted --faults --fuzz 600
    #[arg(long)]
    all: bool,
}

/// Runs one step after the other, also behind one that fails, and sums them up.
///
/// # Errors
/// A test fails, a fault was never injected, the sanitizer finds something, a planted bug is not
/// found, a server does not cope with a fault, the fuzzer finds something, or is missing.
pub(crate) fn run(args: &Args) -> Result {
    let fuzz = args.fuzz.or(args.all.then_some(FUZZ_SECONDS));
    let faults = args.faults || args.all;
    // What is missing is said before anything else takes hours.
    if fuzz.is_some() {
        fuzz::check()?;
    }
    if let Some(obstacle) = crate::faults::obstacle().filter(|_| faults) {
        return Err(format!("faults cannot be injected, because {obstacle}").into());
    }
    let mut steps = Steps::default();
    if args.seeds > 0 {
        steps.run("seeds", || run_seeds(args.seeds));
    }
    if args.sanitize || args.all {
        steps.run("sanitize", || sanitize::run(workspace_root(), &target()));
    }
    if args.planted || args.all {
        let is_meant = |bug: &&Bug| {
            args.bugs.is_empty() || args.bugs.iter().any(|name| bug.name.contains(name))
        };
        let bugs: Vec<_> = bugs::all().filter(is_meant).collect();
        steps.run("planted", || run_planted(&bugs, args.quick));
    }
    if faults {
        steps.run("faults", run_faults);
    }
    if let Some(seconds) = fuzz {
        fuzz::run(&mut steps, seconds, &target());
    }
    steps.finish()
}

/// Runs `cargo xtask faults`, a program of its own: it takes over Ctrl-C, to end its servers.
fn run_faults() -> Result {
    let status = Command::new(env::current_exe()?).arg("faults").status()?;
    if status.success() { Ok(()) } else { Err("see above".into()) }
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
        faults.add(line);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("\n{faults}");
    println!("proof: {all} seeds in {seconds:.0} s: {:.0} a second", all as f64 / seconds);
    let failed: Vec<_> =
        run.failures().map(|(test, failure)| format!("{test}: {failure}")).collect();
    if !failed.is_empty() {
        return Err(format!("failed:\n{}", failed.join("\n")).into());
    }
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

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
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bugs::Bug;
use faults::Faults;
use matrix::Matrix;
use scratch::Scratch;
use steps::Steps;
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
/// How long `--all` fuzzes each target.
const FUZZ_SECONDS: u64 = 600;

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
/// found, a server does not cope with a fault, the fuzzer finds something; or a bug, a test program
/// or a tool that is asked for is not there.
pub(crate) fn run(args: &Args) -> Result {
    if args.list {
        bugs::all().for_each(|bug| println!("{}", bug.name));
        return Ok(());
    }
    let fuzz = args.fuzz.or(args.all.then_some(FUZZ_SECONDS));
    let faults = args.faults || args.all;
    // What is not there is said before anything else takes hours.
    let bugs = bugs::named(&args.bugs)?;
    let programs = programs(args.first.as_deref())?;
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
        steps.run("planted", || run_planted(&bugs, programs, args.quick));
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

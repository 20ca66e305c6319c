//! The instructions suite: what the loop and its handler execute per request, counted by callgrind.
//!
//! A time differs from run to run by more than a small change costs; a count does not. So this is
//! compared with what was counted before, and fails when it is more. It also fails when a request
//! takes memory that none before it had left.

mod allocations;

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::bench::machine::output;
use crate::children::Children;
use crate::workspace_root;

/// The cases of `request-path`.
const CASES: [&str; 4] = ["echo", "echo-turn", "redis", "http"];

/// Requests of the two runs of a case, whose difference leaves out what begins and ends a run.
/// Multiples of the 50 connections and of the 16 requests at a time of the driver.
const FEW: u64 = 2_000;
const MANY: u64 = 10_000;

/// How much more than before passes. Two counts of the same program differ by less than a
/// hundredth; another version of a dependency may make as much of a difference as this.
const TOLERANCE: f64 = 0.03;

/// How many allocations per request pass for none: what begins and ends a run takes a few more or
/// fewer, and one for each turn of many requests is far more than this.
const ALLOCATIONS: f64 = 0.002;

/// The functions that turn the counting on while they run: the one that counts, and the one that
/// waits inside of it, which turns it off. Neither ends with a star, or functions named with their
/// callers would be meant as well.
const TOGGLES: [&str; 2] = ["*request_path*count_loop", "*request_path*hold"];

/// The latter's full name.
const HOLD: &str = "request_path::hold";

/// How long a release build of the driver may take, from nothing and on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long one run may take; it takes two seconds.
const RUN_LIMIT: Duration = Duration::from_secs(120);

/// Options of `cargo xtask instructions`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Keep the counts, to compare later ones with
    #[arg(long)]
    update: bool,
    /// Count in the programs that were built last
    #[arg(long)]
    no_build: bool,
}

/// Counts that can be compared with others from the same tools.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Counts {
    /// Versions of what makes the instructions. Counts under other ones are not comparable.
    counted_with: Vec<String>,
    /// Instructions per request, by case.
    instructions: BTreeMap<String, u64>,
}

/// Counts all cases, and compares with the file of the repository or brings that up to date.
pub(crate) fn run(args: &Args) -> crate::Result {
    if output("valgrind", &["--version"]).is_none() {
        println!("left out: instruction counts, which need valgrind (apt-get install valgrind)");
        return Ok(());
    }
    let children = Children::new()?;
    let driver = Driver::find()?;
    if !args.no_build {
        build(&children)?;
    }
    let mut instructions = BTreeMap::new();
    let mut allocations = Allocations::default();
    for case in CASES {
        let [few, many] =
            [driver.count(&children, case, FEW)?, driver.count(&children, case, MANY)?];
        let difference = many.instructions.checked_sub(few.instructions);
        let difference = difference.ok_or("more requests took fewer instructions")?;
        instructions.insert(case.to_owned(), difference / (MANY - FEW));
        allocations.add(case, few.allocations, many.allocations);
    }
    let counted = Counts { counted_with: tools(), instructions };

    let file = workspace_root().join("benchmarks/instructions.json");
    if args.update {
        print!("{}{}", Comparison::of(&counted, &counted).table, allocations.table);
        return Ok(fs::write(&file, serde_json::to_string_pretty(&counted)? + "\n")?);
    }
    let before: Counts = serde_json::from_str(&fs::read_to_string(&file)?)?;
    let comparison = Comparison::of(&before, &counted);
    print!("{}{}", comparison.table, allocations.table);
    if allocations.some {
        return Err("requests take memory that none before them had left".into());
    }
    if before.counted_with != counted.counted_with {
        let [before, now] = [before, counted].map(|counts| counts.counted_with.join(", "));
        println!("not judged: the file is from {before}; this is {now}");
        return Ok(());
    }
    let update = "to keep these counts: cargo xtask instructions --update";
    match (comparison.more, comparison.fewer) {
        (true, _) => Err(format!("more instructions per request than before; {update}").into()),
        (false, true) => {
            println!("fewer than before; {update}");
            Ok(())
        }
        (false, false) => Ok(()),
    }
}

/// Allocations per request.
#[derive(Debug, Default)]
struct Allocations {
    table: String,
    /// Whether requests of any case allocate.
    some: bool,
}

impl Allocations {
    /// Adds a case with what few and many requests took.
    fn add(&mut self, case: &str, few: u64, many: u64) {
        let each = many.saturating_sub(few) as f64 / (MANY - FEW) as f64;
        self.some |= each > ALLOCATIONS;
        self.table += &format!("{case:<12}{each:>8.3} allocations per request\n");
    }
}

/// How two sets of counts differ.
struct Comparison {
    table: String,
    /// Whether a case takes more instructions than the tolerance allows, or is missing.
    more: bool,
    /// Whether a case takes so many fewer that the next change could hide behind them.
    fewer: bool,
}

impl Comparison {
    fn of(before: &Counts, counted: &Counts) -> Self {
        let mut comparison = Self { table: String::new(), more: false, fewer: false };
        for (case, &now) in &counted.instructions {
            let then = before.instructions.get(case).copied().unwrap_or(0);
            // Infinite for a case that was not counted before.
            let change = (now as f64 - then as f64) / then as f64;
            comparison.more |= change > TOLERANCE;
            comparison.fewer |= change < -TOLERANCE;
            let percent = change * 100.0;
            comparison.table +=
                &format!("{case:<12}{now:>8} instructions per request {percent:>+7.1} %\n");
        }
        comparison
    }
}

/// The program that is counted.
struct Driver {
    program: PathBuf,
    log: PathBuf,
    profile: PathBuf,
}

/// What was counted in one run.
#[derive(Debug)]
struct Counted {
    instructions: u64,
    allocations: u64,
}

impl Driver {
    /// Finds the release directory: cargo has put this program beside it.
    fn find() -> crate::Result<Self> {
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).ok_or("xtask does not lie in a target directory")?;
        let program = target.join("release/request-path");
        let [log, profile] = ["log", "callgrind"].map(|kind| program.with_extension(kind));
        Ok(Self { program, log, profile })
    }

    /// Counts the instructions and the allocations of one run.
    fn count(&self, children: &Children, case: &str, requests: u64) -> crate::Result<Counted> {
        let mut command = Command::new("valgrind");
        command.arg("--tool=callgrind").args(allocations::options());
        command.arg(format!("--callgrind-out-file={}", self.profile.display()));
        command.args(TOGGLES.map(|function| format!("--toggle-collect={function}")));
        command.arg(format!("--log-file={}", self.log.display()));
        command.arg(&self.program).args([case, &requests.to_string()]);
        let pid = children.start(command.stdin(Stdio::null()))?.pid;
        let status = children.wait(pid, RUN_LIMIT)?;
        let log = fs::read_to_string(&self.log)?;
        let profile = fs::read_to_string(&self.profile).unwrap_or_default();
        match (collected(&log), allocations::count(&profile, HOLD)) {
            // A loop cannot begin without memory: where none is seen, none is counted.
            (Some(instructions @ 1..), Some(allocations @ 1..)) if status.success() => {
                Ok(Counted { instructions, allocations })
            }
            _ => Err(format!("{case} could not be counted: {status}\n{log}").into()),
        }
    }
}

fn build(children: &Children) -> crate::Result {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    command.args(["build", "--release", "-p", "evio-benchmarks", "--bin", "request-path"]);
    let pid = children.start(&mut command)?.pid;
    let status = children.wait(pid, BUILD_LIMIT)?;
    if status.success() { Ok(()) } else { Err("the release build failed".into()) }
}

/// Returns the number of instructions in callgrind's log.
fn collected(log: &str) -> Option<u64> {
    let (_, after) = log.split_once("Collected : ")?;
    after.split_whitespace().next()?.parse().ok()
}

/// Names what makes the instructions: the compiler, its target, and the C library.
fn tools() -> Vec<String> {
    let rustc = output("rustc", &["-vV"]).unwrap_or_default();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let libc = output("getconf", &["GNU_LIBC_VERSION"]);
    let names = [rustc.lines().next(), host, libc.as_deref()];
    names.into_iter().flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_in_a_log() {
        let log = "==7== Events    : Ir\n==7== Collected : 13557167\n==7== \n";
        assert_eq!(collected(log), Some(13_557_167));
        for bad in ["", "==7== Collected : \n", "==7== Collected : many\n"] {
            assert_eq!(collected(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn allocations_of_requests_are_told_from_those_of_a_run() {
        for (few, many, some) in [
            (36, 34, false),
            (36, 36 + 3, false),
            (36, 36 + (MANY - FEW) / 50, true),
            (36 + FEW, 36 + MANY, true),
        ] {
            let mut allocations = Allocations::default();
            allocations.add("echo", few, many);
            allocations.add("http", 1, 1);
            assert_eq!(allocations.some, some, "{few} {many}");
        }
    }

    #[test]
    fn comparison_has_its_tolerance() {
        let counts = |count| Counts {
            counted_with: Vec::new(),
            instructions: BTreeMap::from([("echo".to_owned(), count), ("http".to_owned(), 3000)]),
        };
        for (now, more, fewer) in [
            (1000, false, false),
            (1030, false, false),
            (1031, true, false),
            (970, false, false),
            (969, false, true),
        ] {
            let comparison = Comparison::of(&counts(1000), &counts(now));
            assert_eq!((comparison.more, comparison.fewer), (more, fewer), "{now}");
        }
    }

    #[test]
    fn a_case_that_was_never_counted_fails() {
        let counted = Counts {
            counted_with: Vec::new(),
            instructions: BTreeMap::from([("echo".to_owned(), 1)]),
        };
        let before = Counts { counted_with: Vec::new(), instructions: BTreeMap::new() };
        assert!(Comparison::of(&before, &counted).more);
    }
}

//! Runs the tests on the kqueue backend, on Linux: with a model of kevent(2) on epoll.
//!
//! `crates/evio-sys/src/backend/kqueue/model` is the model, and says what it shows and what it does
//! not.

use std::env;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::test_summary::Summary;
use crate::{Result, portable, workspace_root};

/// What the model takes the order of events from.
const SEED: &str = "EVIO_KQUEUE_SEED";

/// Flags of `cargo xtask test-kqueue`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Have events come in the order of a run that has named its seed
    #[arg(long)]
    seed: Option<u64>,
    /// Run the tests as often as this, each time with the next seed
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    runs: u64,
    /// Run those tests only whose names contain this
    filter: Option<String>,
}

/// Runs the tests, and says which were left out.
///
/// # Errors
/// A test fails twice, and the error names the seed; no test has the name that was asked for; or
/// the simulated kernel does not do as the model does.
pub(crate) fn run(args: &Args) -> Result {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let first = args.seed.unwrap_or(since.as_secs());
    (0..args.runs).try_for_each(|run| run_once(first.wrapping_add(run), args.filter.as_deref()))?;
    if args.filter.is_none() { compare_with_simulation(first) } else { Ok(()) }
}

/// Makes the same calls of this model and of the simulated kernel, which has one of its own. A
/// build by itself, for it turns the feature `sim` of evio-sys on.
fn compare_with_simulation(seed: u64) -> Result {
    let mut command = cargo(seed);
    command.args(["test", "-p", "evio-sim", "--test", "differential"]);
    match command.status()?.success() {
        true => Ok(()),
        false => Err("the simulated kqueue and the model of kevent(2) differ".into()),
    }
}

fn run_once(seed: u64, filter: Option<&str>) -> Result {
    println!("test-kqueue: seed {seed}");
    let mut tests = cargo_test(seed);
    tests.args(filter).args(["--", "--show-output"]);
    let (has_passed, summary) = Summary::of(tests)?;
    summary.print("test-kqueue", &[]);
    if has_passed {
        summary.check_filter(filter)?;
    }
    if has_passed || pass_again(&summary.failed, seed)? {
        return Ok(());
    }
    Err(format!("failed; again: cargo xtask test-kqueue --seed {seed}").into())
}

/// Runs those that failed once more: the threads of a test have a part in the order of events, too.
/// One that fails twice is a fault of the code, and one that does not may be a fault of the test.
fn pass_again(failed: &[String], seed: u64) -> Result<bool> {
    if failed.is_empty() {
        return Ok(false);
    }
    let has_passed = cargo_test(seed).args(["--", "--exact"]).args(failed).status()?.success();
    if has_passed {
        println!("test-kqueue: passed when run again: {}", failed.join(", "));
    }
    Ok(has_passed)
}

fn cargo_test(seed: u64) -> Command {
    let mut command = cargo(seed);
    command.args(["test", "--no-fail-fast"]).args(portable::selected(&portable::PACKAGES));
    command
}

/// Returns a command of cargo that builds for the model.
fn cargo(seed: u64) -> Command {
    let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg evio_kqueue");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace_root())
        .env("RUSTFLAGS", flags.trim())
        // The programs for the other backend would be built anew each time.
        .env("CARGO_TARGET_DIR", workspace_root().join("target/kqueue"))
        .env(SEED, seed.to_string());
    command
}

//! Runs the tests on the kqueue backend, on Linux: with a model of kevent(2) on epoll.
//!
//! `crates/evio-sys/src/backend/kqueue/model` is the model, and says what it shows and what it does
//! not.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{Result, workspace_root};

/// What runs on kqueue. The benchmarks, the twins and xtask are Linux's.
const PACKAGES: [&str; 4] = ["evio-sys", "evio-core", "evio", "evio-examples"];

/// What the model takes the order of events from.
const SEED: &str = "EVIO_KQUEUE_SEED";

/// Flags of `cargo xtask test-kqueue`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Have events come in the order of a run that has named its seed
    #[arg(long)]
    seed: Option<u64>,
    /// Run those tests only whose names contain this
    filter: Option<String>,
}

/// Runs the tests, and says which were left out.
///
/// # Errors
/// A test fails twice; the error names the seed.
pub(crate) fn run(args: &Args) -> Result {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = args.seed.unwrap_or(since.as_secs());
    println!("test-kqueue: seed {seed}");
    let mut tests = cargo_test(seed)
        .args(&args.filter)
        .args(["--", "--show-output"])
        .stdout(Stdio::piped())
        .spawn()?;
    let output = tests.stdout.take().ok_or("the tests have no output")?;
    let mut summary = Summary::default();
    for line in BufReader::new(output).lines() {
        let line = line?;
        if summary.add(&line) {
            println!("{line}");
        }
    }
    for (test, reason) in &summary.left_out {
        println!("test-kqueue: left out: {test}: {reason}");
    }
    let left_out = summary.left_out.len();
    let passed = summary.passed.saturating_sub(left_out);
    println!("test-kqueue: {passed} passed, {left_out} left out");
    if tests.wait()?.success() || pass_again(&summary.failed, seed)? {
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
    let mut flags = env::var("RUSTFLAGS").unwrap_or_default();
    flags.push_str(" --cfg evio_kqueue");
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(workspace_root())
        .args(["test", "--no-fail-fast"])
        .args(PACKAGES.iter().flat_map(|package| ["--package", package]))
        .env("RUSTFLAGS", flags.trim())
        // The programs for the other backend would be built anew each time.
        .env("CARGO_TARGET_DIR", workspace_root().join("target/kqueue"))
        .env(SEED, seed.to_string());
    command
}

/// What the output of the tests says.
#[derive(Debug, Default)]
struct Summary {
    /// How many passed, with those that were left out.
    passed: usize,
    /// The tests that were left out, with the reasons.
    left_out: Vec<(String, String)>,
    failed: Vec<String>,
    /// The test whose output follows.
    test: String,
}

impl Summary {
    /// Takes a line in, and returns whether a reader wants to see it.
    fn add(&mut self, line: &str) -> bool {
        let heading = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----"));
        if let Some(test) = heading {
            self.test = test.to_owned();
        } else if let Some(reason) = line.strip_prefix("left out on kqueue: ") {
            let left_out = (self.test.clone(), reason.to_owned());
            // Some say so in each of their rounds.
            if self.left_out.last() != Some(&left_out) {
                self.left_out.push(left_out);
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            let passed = result.split_once(". ").and_then(|(_, counts)| counts.split(' ').next());
            self.passed += passed.and_then(|count| count.parse::<usize>().ok()).unwrap_or(0);
        }
        let test = line.strip_prefix("test ");
        self.failed
            .extend(test.and_then(|test| test.strip_suffix(" ... FAILED")).map(str::to_owned));
        let is_passed = test.is_some_and(|test| test.ends_with(" ... ok"));
        !(line.is_empty() || is_passed)
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn results_are_added_up_and_reasons_are_kept() {
        let mut summary = Summary::default();
        let lines = [
            ("test result: FAILED. 3 passed; 1 failed; 0 ignored", true),
            ("test one ... ok", false),
            ("test two ... FAILED", true),
            ("---- one stdout ----", true),
            ("left out on kqueue: a reason", true),
            ("test result: ok. 4 passed; 0 failed; 0 ignored", true),
        ];
        for (line, is_shown) in lines {
            assert_eq!(summary.add(line), is_shown, "{line}");
        }
        assert_eq!(summary.passed, 3 + 4);
        assert_eq!(summary.failed, ["two"]);
        assert_eq!(summary.left_out, [("one".to_owned(), "a reason".to_owned())]);
    }
}

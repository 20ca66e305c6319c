//! The project's development tasks, run as `cargo xtask <command>`.
//!
//! Each command is a module; nothing here is part of the libraries.

#![forbid(unsafe_code)]

mod bench;
mod check_oldest;
mod check_targets;
mod children;
mod ci;
mod faults;
mod instructions;
mod portable;
mod proof;
mod test_kqueue;
mod test_summary;
mod test_target;
mod tidy;
mod tools;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

/// What every task returns: its value, or an error that is printed and ends the program.
pub type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Development tasks of evio for Rust.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask")]
enum Task {
    /// Runs every check that a change must pass
    Ci,
    /// Lints for FreeBSD and macOS, and with --all for every system, from Linux too
    CheckTargets(check_targets::Args),
    /// Compiles the libraries and evio-sim with the oldest compiler that Cargo.toml promises
    CheckOldest(check_oldest::Args),
    /// Runs all tests of the libraries and the examples
    TestPortable,
    /// Builds the documentation of the libraries and evio-sim; warnings are errors
    Docs,
    /// Runs tests built for musl, or for another processor, on Linux
    TestTarget(test_target::Args),
    /// Runs the tests on the kqueue backend, on Linux: with a model of kevent
    TestKqueue(test_kqueue::Args),
    /// Checks the style rules that can be read off the source text
    Tidy,
    /// Counts the instructions and allocations of a request, and compares with those before
    Instructions(instructions::Args),
    /// Makes system calls of the release servers fail, and judges the servers from outside
    Faults(faults::Args),
    /// Runs many seeds of the simulated tests, and with --all everything that proves the loop
    Proof(proof::Args),
    /// Measures the servers against their peers
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let done = match Task::parse() {
        Task::Ci => ci::run(),
        Task::CheckTargets(args) => check_targets::run(&args),
        Task::CheckOldest(args) => check_oldest::run(&args),
        Task::TestPortable => portable::test(),
        Task::Docs => portable::document(),
        Task::TestTarget(args) => test_target::run(&args),
        Task::TestKqueue(args) => test_kqueue::run(&args),
        Task::Tidy => tidy::run(),
        Task::Instructions(args) => instructions::run(&args),
        Task::Faults(args) => faults::run(&args),
        Task::Proof(args) => proof::run(&args),
        Task::Bench(args) => bench::run(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the directory that holds the workspace's `Cargo.toml`.
fn workspace_root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().expect("the xtask package lies in the workspace's directory")
}

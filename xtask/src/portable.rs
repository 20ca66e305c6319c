//! What users build, on each of their systems: the packages, their tests and their documentation.

use std::env;
use std::process::Command;

use crate::{Result, workspace_root};

/// The libraries and the examples. The benchmarks, the twins and xtask are for Linux alone.
pub(crate) const PACKAGES: [&str; 4] = ["evio-sys", "evio-core", "evio", "evio-examples"];

/// Those of [`PACKAGES`] that are published.
pub(crate) const LIBRARIES: [&str; 3] = ["evio-sys", "evio-core", "evio"];

/// Returns the arguments of cargo that choose the libraries as they are shipped, and then together
/// with what they lack there: every feature, and evio-sim, which turns one of them on.
pub(crate) fn library_builds() -> [Vec<&'static str>; 2] {
    let rest = ["--package", "evio-sim", "--features", "evio/signals"];
    [selected(&LIBRARIES).collect(), selected(&LIBRARIES).chain(rest).collect()]
}

/// Returns the arguments by which cargo knows `packages`.
pub(crate) fn selected<'a>(packages: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    packages.iter().flat_map(|package| ["--package", package])
}

/// Runs all tests of [`PACKAGES`] on this machine.
///
/// # Errors
/// A test fails.
pub(crate) fn test() -> Result {
    let mut tests = cargo("test");
    tests.arg("--no-fail-fast").args(selected(&PACKAGES));
    if tests.status()?.success() { Ok(()) } else { Err("tests failed".into()) }
}

/// Builds the documentation of the libraries, as a user reads it, and then with all features and
/// that of evio-sim, which is what stays.
///
/// # Errors
/// The documentation has a warning, such as a link to nothing.
pub(crate) fn document() -> Result {
    for build in library_builds() {
        let mut documentation = cargo("doc");
        documentation.arg("--no-deps").args(build).env("RUSTDOCFLAGS", "-D warnings");
        if !documentation.status()?.success() {
            return Err("the documentation has warnings".into());
        }
    }
    Ok(())
}

fn cargo(subcommand: &str) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace_root()).args([subcommand, "--locked"]);
    cargo
}

//! The tests under AddressSanitizer: the loop is safe code, and what it calls is not.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::Result;

/// Whose library tests run, beside the simulated tests.
const LIBRARIES: [&str; 3] = ["evio-sys", "evio-core", "evio"];

/// Returns the target of this machine: when cargo is given one, what runs while it builds is built
/// without the sanitizer.
fn host() -> Result<String> {
    let rustc = Command::new("rustc").arg("-vV").output()?;
    let lines = String::from_utf8(rustc.stdout)?;
    let host = lines.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or("rustc does not name its host")?.to_owned())
}

/// Builds with the sanitizer, and runs the tests.
///
/// # Errors
/// The sanitizer finds something, or a test fails.
pub(super) fn run(workspace: &Path, target: &Path) -> Result {
    let libraries = LIBRARIES.iter().flat_map(|package| ["--package", package]);
    cargo_test(workspace, target, libraries.chain(["--lib"]))?;
    cargo_test(workspace, target, ["--package", "evio-sim", "--tests"].into_iter())
}

fn cargo_test<'a>(
    workspace: &Path,
    target: &Path,
    arguments: impl Iterator<Item = &'a str>,
) -> Result {
    let arguments: Vec<_> = arguments.collect();
    println!("proof: AddressSanitizer: {}", arguments.join(" "));
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let status = cargo
        .current_dir(workspace)
        .args(["test", "--profile", "proof", "--target", &host()?])
        .args(arguments)
        // The sanitizer is not stable, and stable compilers have it all the same.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-Zsanitizer=address")
        .env("CARGO_TARGET_DIR", target.join("sanitize"))
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err("a test has failed under AddressSanitizer".into()),
    }
}

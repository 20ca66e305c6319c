//! Compiles the libraries and evio-sim with the oldest compiler that `Cargo.toml` promises.
//!
//! That is rustup's (`rustup toolchain install 1.85`) or else Debian's, whose packages are unpacked
//! below the user's cache directory.

use std::fs;
use std::process::Command;

use crate::tools::{debian, output_of};
use crate::{Result, portable, workspace_root};

/// Debian's names of the compiler, cargo and the standard library: those of the packages for
/// building browsers, and the plain ones, each followed by the other packages of its version.
const DEBIAN_PACKAGES: [[&str; 3]; 2] =
    [["rustc-web", "cargo-web", "libstd-rust-web-dev"], ["rustc", "cargo", "libstd-rust-dev"]];

/// Flags of `cargo xtask check-oldest`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fail where the compiler is not to be had
    #[arg(long)]
    required: bool,
}

/// Checks the libraries with the versions of `Cargo.lock`.
///
/// # Errors
/// They do not compile, or there is no such compiler and `--required` was given.
pub(crate) fn run(args: &Args) -> Result {
    let manifest = fs::read_to_string(workspace_root().join("Cargo.toml"))?;
    let version = oldest(&manifest).ok_or("Cargo.toml has no rust-version")?;
    for build in portable::library_builds() {
        let mut check = match rustup(version).or_else(|_| debian_cargo(version)) {
            Ok(cargo) => cargo,
            Err(reason) => {
                println!("check-oldest: SKIPPED {version}: {reason}");
                println!("    (or let rustup provide it: rustup toolchain install {version})");
                return if args.required { Err(reason) } else { Ok(()) };
            }
        };
        check
            .current_dir(workspace_root())
            .args(["check", "--locked"])
            .args(build)
            .env("CARGO_TARGET_DIR", workspace_root().join("target/check-oldest"));
        if !check.status()?.success() {
            return Err(format!("the libraries do not compile with Rust {version}").into());
        }
    }
    let libraries = portable::LIBRARIES.join(", ");
    println!(
        "check-oldest: {libraries} and evio-sim compile with Rust {version}, all features too"
    );
    Ok(())
}

/// Reads the version from the workspace's manifest.
fn oldest(manifest: &str) -> Option<&str> {
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "))?;
    Some(version.trim().trim_matches('"'))
}

fn rustup(version: &str) -> Result<Command> {
    output_of(Command::new("rustup").args(["run", version, "rustc", "--version"]))?;
    let mut cargo = Command::new("rustup");
    cargo.args(["run", version, "cargo"]);
    // Those of the toolchain that runs this task.
    cargo.env_remove("RUSTC").env_remove("RUSTDOC");
    Ok(cargo)
}

fn debian_cargo(version: &str) -> Result<Command> {
    let mut reason = None;
    for packages in DEBIAN_PACKAGES {
        match debian::version_from(packages[0], &format!("{version}.")) {
            Ok(version) => {
                let packages = packages.map(|package| format!("{package}={version}"));
                let directory = debian::unpacked(&packages)?;
                let mut cargo = debian::program(&directory, "cargo");
                cargo.env("RUSTC", directory.join("usr/bin/rustc"));
                return Ok(cargo);
            }
            Err(missing) => reason = Some(missing),
        }
    }
    Err(reason.unwrap_or_else(|| "there is no Debian package".into()))
}

#[cfg(test)]
mod tests {
    use super::oldest;

    #[test]
    fn the_version_is_the_manifests() {
        let manifest = "[workspace.package]\nedition = \"2024\"\nrust-version = \"1.85\"\n";
        assert_eq!(oldest(manifest), Some("1.85"));
        assert_eq!(oldest("[workspace]\n"), None);
    }
}

//! Lints the kqueue side without a BSD or a Mac: clippy for their targets, nothing linked or run.
//!
//! A target that the project's own toolchain has (`rustup target add`) is checked with that. For
//! the others there is Debian's `rustc-web`, which comes with the standard library's source of
//! the very same version, so that cargo can check that library for any target before the
//! project. Its packages are unpacked below the user's cache directory; nothing is installed.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::{Result, workspace_root};

/// The targets whose kqueue differs most from each other and that most users have.
const DEFAULT_TARGETS: [&str; 2] = ["x86_64-unknown-freebsd", "aarch64-apple-darwin"];

/// Further systems with kqueue.
const OPTIONAL_TARGETS: [&str; 2] = ["x86_64-unknown-netbsd", "x86_64-unknown-openbsd"];

/// What users build on those systems. The benchmarks and xtask are left out: they run on Linux.
const PACKAGES: [&str; 4] = ["evio-sys", "evio-core", "evio", "evio-examples"];

/// Debian's compiler, and what it takes to lint with it and to check its standard library.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-clippy", "rust-web-src"];

/// Flags of `cargo xtask check-targets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Target to check, may be repeated
    #[arg(long = "target", value_name = "TRIPLE", default_values = DEFAULT_TARGETS)]
    targets: Vec<String>,
    /// Check NetBSD and OpenBSD as well
    #[arg(long)]
    all: bool,
    /// Fail where a target would be skipped
    #[arg(long)]
    required: bool,
}

/// Lints [`PACKAGES`] for each wanted target.
///
/// # Errors
/// A target does not compile or has warnings, or it had to be skipped and `--required` was given.
pub(crate) fn run(args: &Args) -> Result {
    let further = OPTIONAL_TARGETS.into_iter().filter(|_| args.all);
    let mut failed = Vec::new();
    for target in args.targets.iter().map(String::as_str).chain(further) {
        let clippy = if own_toolchain_has(target)? {
            Ok(own_clippy())
        } else {
            unpacked_compiler().map(|directory| debian_clippy(&directory))
        };
        let passed = match clippy {
            Ok(clippy) => lint(clippy, target)?,
            Err(reason) => {
                println!("check-targets: SKIPPED {target}: {reason}");
                println!("    (or let rustup provide it: rustup target add {target})");
                !args.required
            }
        };
        if !passed {
            failed.push(target);
        }
    }
    if failed.is_empty() {
        Ok(())
    } else {
        let again = failed.join(" --target ");
        Err(format!("failed; again: cargo xtask check-targets --target {again}").into())
    }
}

/// Tells whether the toolchain that runs this task has the standard library for `target`.
fn own_toolchain_has(target: &str) -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut question = Command::new(rustc);
    let libdir = output_of(question.args(["--print", "target-libdir", "--target", target]))?;
    Ok(Path::new(libdir.trim()).is_dir())
}

fn own_clippy() -> Command {
    let mut clippy = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    clippy.arg("clippy");
    clippy
}

/// Returns `cargo clippy` of the compiler in `directory`, which also checks the standard library.
fn debian_clippy(directory: &Path) -> Command {
    let mut clippy = unpacked_program(directory, "cargo-clippy");
    clippy
        .args(["clippy", "-Zbuild-std=std,panic_abort,test"])
        .env("CARGO", directory.join("usr/bin/cargo"))
        .env("RUSTC", directory.join("usr/bin/rustc"))
        // `-Zbuild-std` is unstable; the compiler and the library it builds are of one version.
        .env("RUSTC_BOOTSTRAP", "1")
        // Each clone has its own. In one for all, cargo would tell the crates of two clones apart
        // by the age of their files alone, and pass one unseen that is older than the other.
        .env("CARGO_TARGET_DIR", workspace_root().join("target/check-targets"))
        // Nobody debugs what is only checked; these two halve the size of that.
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    clippy
}

/// Runs `clippy` on [`PACKAGES`] and tells whether they passed.
fn lint(mut clippy: Command, target: &str) -> Result<bool> {
    println!("check-targets: {target}");
    clippy.args(["--locked", "--all-targets", "--target", target]);
    clippy.args(PACKAGES.iter().flat_map(|package| ["--package", package]));
    // Matters of taste change from one clippy to the next; this one need not be the reader's own.
    clippy.args(["--", "-D", "warnings", "-A", "clippy::complexity", "-A", "clippy::style"]);
    Ok(clippy.current_dir(workspace_root()).status()?.success())
}

/// Returns the directory with Debian's compiler, after downloading and unpacking it if need be.
///
/// # Errors
/// The reason why there can be none here, for the message that says so.
fn unpacked_compiler() -> Result<PathBuf> {
    let mut policy = Command::new("apt-cache");
    let policy = output_of(policy.args(["policy", DEBIAN_PACKAGES[0]]).env("LC_ALL", "C"))?;
    let version = candidate(&policy).ok_or("apt knows no rustc-web (try: apt-get update)")?;

    let cache = cache_directory().ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    let directory = cache.join(version);
    if !directory.is_dir() {
        println!("check-targets: fetching Debian's rustc-web {version} into {}", cache.display());
        // Renamed when complete: an interrupted run leaves no half compiler under its name.
        let partial = cache.join(format!("{version}.partial.{}", process::id()));
        let unpacked = unpack(version, &partial)
            .and_then(|()| fs::rename(&partial, &directory).map_err(Into::into));
        let _ = fs::remove_dir_all(&partial);
        // Of two runs at once the later cannot rename, and uses what the other has put there.
        if !directory.is_dir() {
            unpacked?;
        }
    }
    Ok(directory)
}

fn unpack(version: &str, into: &Path) -> Result {
    let archives = into.join("archives");
    // apt keeps unfinished downloads there, and does not make the directory itself.
    fs::create_dir_all(archives.join("partial"))?;
    let mut download = Command::new("apt-get");
    download
        .args(["install", "--download-only", "--yes", "--quiet", "--no-install-recommends"])
        // Nothing is installed, so neither dpkg's lock nor, for its sake, root is needed.
        .args(["--option", "Debug::NoLocking=1"])
        // As root, apt would download as a user who may not write here.
        .args(["--option", "APT::Sandbox::User=root"])
        .arg("--option")
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args(DEBIAN_PACKAGES.map(|package| format!("{package}={version}")));
    output_of(&mut download)?;

    for archive in fs::read_dir(&archives)? {
        let archive = archive?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            output_of(Command::new("dpkg-deb").arg("--extract").args([&archive, into]))?;
        }
    }
    fs::remove_dir_all(archives)?;
    output_of(unpacked_program(into, "rustc").arg("--version"))?;
    Ok(())
}

/// Returns a command for a program of the unpacked packages, which finds its libraries there.
fn unpacked_program(directory: &Path, name: &str) -> Command {
    // Packages for Debian 12 and older have some libraries outside `usr`.
    let libraries = ["usr/lib", "lib"].map(|lib| {
        let directory = directory.join(lib).join(format!("{}-linux-gnu", env::consts::ARCH));
        directory.display().to_string()
    });
    let mut program = Command::new(directory.join("usr/bin").join(name));
    program.env("LD_LIBRARY_PATH", libraries.join(":"));
    program
}

/// Returns the version that `apt-cache policy` says would be installed.
fn candidate(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then_some(version)
}

/// Returns where the compilers are kept: outside the clone, so that every clone shares them. What
/// they compile is not.
fn cache_directory() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(caches.join("evio-check-targets"))
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// The program is not there, or it failed: then with what it wrote to standard error.
fn output_of(command: &mut Command) -> Result<String> {
    let program = Path::new(command.get_program()).display().to_string();
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no {program} here"),
        _ => format!("{program}: {error}"),
    })?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program}: {}", complaint.trim()).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{candidate, output_of};

    #[test]
    fn the_candidate_version_is_read_from_apts_answer() {
        let cases = [
            (
                "rustc-web:\n  Installed: (none)\n  Candidate: 1.96.0+1~deb12u2\n",
                Some("1.96.0+1~deb12u2"),
            ),
            ("rustc-web:\n  Installed: (none)\n  Candidate: (none)\n", None),
            ("", None),
        ];
        for (policy, version) in cases {
            assert_eq!(candidate(policy), version, "{policy}");
        }
    }

    #[test]
    fn a_command_that_cannot_run_or_fails_says_why() {
        let missing = output_of(&mut Command::new("/no/such/program")).unwrap_err();
        assert_eq!(missing.to_string(), "there is no /no/such/program here");

        let mut failing = Command::new("sh");
        let failing = output_of(failing.args(["-c", "echo no such package >&2; exit 3"]));
        assert_eq!(failing.unwrap_err().to_string(), "sh: no such package");
    }
}

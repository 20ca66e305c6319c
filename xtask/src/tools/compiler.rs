//! A compiler that has, or can build, the standard library of a target.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{debian, output_of};
use crate::{Result, workspace_root};

/// Debian's compiler, what it takes to lint with it, and the source of its standard library.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-clippy", "rust-web-src"];

/// The libraries that cargo builds from source, where the compiler comes without them.
const BUILD_STD: &str = "-Zbuild-std=std,panic_abort,test";

/// A compiler for a target.
#[derive(Debug)]
pub(crate) enum Compiler {
    /// The project's own toolchain, which has the standard library of the target.
    Own,
    /// The project's own toolchain, which has the source of the standard library.
    OwnWithSource,
    /// Debian's, unpacked in this directory, which comes with the source of the very same version.
    Debian(PathBuf),
}

impl Compiler {
    /// Finds a compiler for `target`, and fetches Debian's if there is no other.
    ///
    /// # Errors
    /// The reason why there can be none here, for the message that says so.
    pub(crate) fn for_target(target: &str) -> Result<Self> {
        if exists(&["--print", "target-libdir", "--target", target], "")? {
            Ok(Self::Own)
        } else if exists(&["--print", "sysroot"], "lib/rustlib/src/rust/library/Cargo.lock")? {
            Ok(Self::OwnWithSource)
        } else {
            Self::debian()
                .map_err(|reason| format!("{reason} (or: rustup target add {target})").into())
        }
    }

    fn debian() -> Result<Self> {
        let version = debian::candidate(DEBIAN_PACKAGES[0])?;
        let directory =
            debian::unpacked(&DEBIAN_PACKAGES.map(|package| format!("{package}={version}")))?;
        // Asked in each run: the packages are those of a Debian that this machine may not be.
        output_of(debian::program(&directory, "rustc").arg("--version"))?;
        Ok(Self::Debian(directory))
    }

    /// Returns the cargo command `subcommand`, such as `clippy`, for `target`. What it builds goes
    /// to the directory `builds` of the clone's own `target`: in one for all, cargo would tell the
    /// crates of two clones apart by the age of their files alone, and pass one unseen that is
    /// older than the other.
    pub(crate) fn cargo(&self, subcommand: &str, target: &str, builds: &str) -> Command {
        let mut cargo = match self {
            Self::Own | Self::OwnWithSource => {
                Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            }
            Self::Debian(directory) => {
                let is_lint = subcommand == "clippy";
                let program = if is_lint { "cargo-clippy" } else { "cargo" };
                let mut cargo = debian::program(directory, program);
                cargo
                    .env("CARGO", directory.join("usr/bin/cargo"))
                    .env("RUSTC", directory.join("usr/bin/rustc"))
                    .env("RUSTDOC", directory.join("usr/bin/rustdoc"));
                cargo
            }
        };
        cargo.args([subcommand, "--locked", "--target", target]).current_dir(workspace_root());
        if !matches!(self, Self::Own) {
            // `-Zbuild-std` is unstable; the compiler and the library it builds are of one version.
            cargo.arg(BUILD_STD).env("RUSTC_BOOTSTRAP", "1");
        }
        cargo
            .env("CARGO_TARGET_DIR", workspace_root().join("target").join(builds))
            // Nobody debugs what is built here; these two halve the size of that.
            .env("CARGO_INCREMENTAL", "0")
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        cargo
    }
}

/// Tells whether the directory that rustc prints has `path` in it.
fn exists(question: &[&str], path: &str) -> Result<bool> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let directory = output_of(Command::new(rustc).args(question))?;
    Ok(Path::new(directory.trim()).join(path).exists())
}

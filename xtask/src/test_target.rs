//! Runs tests built for another target than the machine's own, where this machine can run them.
//!
//! The compiler is found as `check-targets` finds it. Zig, from the Python package index, links
//! where the target's own linker is not there; Debian's qemu-user runs what is for another
//! processor. All are unpacked below the user's cache directory; nothing is installed.

mod linker;
mod qemu;
mod runner;
mod servers;

use std::process::Command;

use crate::test_summary::Summary;
use crate::tools::Compiler;
use crate::{Result, portable};

/// A target whose tests can be run on Linux.
struct Target {
    triple: &'static str,
    /// The packages whose tests are run.
    packages: &'static [&'static str],
    /// As zig knows the target.
    zig: &'static str,
    /// A program that is linked has all libraries in it.
    is_static: bool,
    /// Says what qemu stands in for.
    emulated: Option<Emulated>,
}

/// A processor that this machine does not have.
struct Emulated {
    processor: &'static str,
    /// Debian's package of the C library that programs for it load.
    c_library: &'static str,
}

const TARGETS: [Target; 2] = [
    Target {
        triple: "x86_64-unknown-linux-musl",
        packages: &portable::LIBRARIES,
        zig: "x86_64-linux-musl",
        is_static: true,
        emulated: None,
    },
    // Many of evio's own tests start programs, and qemu stretches their deadlines.
    Target {
        triple: "aarch64-unknown-linux-gnu",
        packages: &["evio-sys", "evio-core"],
        zig: "aarch64-linux-gnu.2.36",
        is_static: false,
        emulated: Some(Emulated { processor: "aarch64", c_library: "libc6-arm64-cross" }),
    },
];

/// Where cargo keeps what it has built.
const BUILDS: &str = "test-target";

/// Flags of `cargo xtask test-target`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// x86_64-unknown-linux-musl or aarch64-unknown-linux-gnu
    #[arg(value_parser = TARGETS.map(|target| target.triple))]
    triple: String,
    /// Run the tests of the examples, too; not by qemu, since they start servers
    #[arg(long)]
    examples: bool,
    /// Run those tests only whose names contain this
    filter: Option<String>,
}

/// Runs the tests, and says which were left out; a static target's servers answer a client, too.
///
/// # Errors
/// A test fails, a server does not answer, or something is missing: then the error says what.
pub(crate) fn run(args: &Args) -> Result {
    let target = TARGETS.iter().find(|target| target.triple == args.triple);
    let target = target.ok_or("no such target")?;
    if args.examples && target.emulated.is_some() {
        return Err(format!("the examples start servers: {}", qemu::STARTS_ANOTHER).into());
    }
    let compiler = Compiler::for_target(target.triple)?;
    let cargo = |subcommand: &str| -> Result<Command> {
        let mut cargo = compiler.cargo(subcommand, target.triple, BUILDS);
        linker::choose(&mut cargo, &compiler, target)?;
        runner::choose(&mut cargo, target)?;
        Ok(cargo)
    };
    let mut tests = cargo("test")?;
    if args.examples {
        tests.args(["--package", "evio-examples"]);
    }
    test(tests, target, args.filter.as_deref())?;
    if target.is_static && args.filter.is_none() {
        servers::check(cargo("build")?, target)?;
    }
    Ok(())
}

/// Runs the tests of the target's packages, but for those in documentation, each of which is linked
/// alone.
fn test(mut cargo: Command, target: &Target, filter: Option<&str>) -> Result {
    cargo
        .args(["--no-fail-fast", "--lib", "--bins", "--tests"])
        .args(portable::selected(target.packages))
        .args(filter)
        .args(["--", "--show-output"]);
    let left_out = target.emulated.as_ref().map_or(&[][..], |_| &qemu::LEFT_OUT[..]);
    cargo.args(left_out.iter().flat_map(|(test, _)| ["--skip", test]));
    let (has_passed, summary) = Summary::of(cargo)?;
    summary.print("test-target", left_out);
    if has_passed && filter.is_none() && summary.filtered_out != left_out.len() {
        let (left_out, found) = (left_out.len(), summary.filtered_out);
        return Err(format!("{left_out} tests are to be left out, and {found} were").into());
    }
    if has_passed {
        return summary.check_filter(filter);
    }
    let names = summary.failed.join(", ");
    Err(format!("failed on {}: {names}", target.triple).into())
}

//! Lints the libraries and the examples for other systems, from Linux: nothing is linked or run.
//!
//! A system that evio does not support must be refused by a message of `evio-sys`, and by nothing
//! else. That is checked, too.
//!
//! A target that the project's own toolchain has (`rustup target add`) is checked with that. For
//! the others cargo checks the standard library before the project, from the source that the
//! toolchain has (`rustup component add rust-src`), or else with Debian's `rustc-web`, which comes
//! with the source of the very same version. Its packages are unpacked below the user's cache
//! directory; nothing is installed.

mod refusal;

use std::fmt;

use crate::Result;
use crate::portable;
use crate::tools::Compiler;

/// What is to be found out about a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// It compiles without warnings.
    Lints,
    /// The libraries do, and the examples do not for this reason.
    LintsOfLibraries(&'static str),
    /// `evio-sys` refuses it with a message that has this text.
    Refusal(&'static str),
}

/// The targets that are checked in each run: their kqueues differ most from each other, and most
/// users have them.
const DEFAULT_TARGETS: [(&str, Wanted); 2] =
    [("x86_64-unknown-freebsd", Wanted::Lints), ("aarch64-apple-darwin", Wanted::Lints)];

/// Further systems, and those that are refused.
const FURTHER_TARGETS: [(&str, Wanted); 8] = [
    ("x86_64-unknown-netbsd", Wanted::Lints),
    ("x86_64-unknown-openbsd", Wanted::Lints),
    ("x86_64-unknown-dragonfly", Wanted::LintsOfLibraries("cap-std does not compile there")),
    ("x86_64-unknown-linux-musl", Wanted::Lints),
    ("aarch64-unknown-linux-gnu", Wanted::Lints),
    ("aarch64-linux-android", Wanted::Refusal(NEITHER)),
    ("x86_64-unknown-illumos", Wanted::Refusal(NEITHER)),
    ("i686-unknown-freebsd", Wanted::Refusal("64-bit systems only")),
];

/// What `evio-sys` says of a system whose interface it has not been tried on.
const NEITHER: &str = "evio-sys needs epoll of Linux or kqueue";

/// Flags of `cargo xtask check-targets`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Target to check instead of FreeBSD and macOS, may be repeated
    #[arg(long = "target", value_name = "TRIPLE")]
    targets: Vec<String>,
    /// Check all systems that are supported, and that some others are refused
    #[arg(long, conflicts_with = "targets")]
    all: bool,
    /// Fail where a target would be skipped
    #[arg(long)]
    required: bool,
}

/// What was found out about a target.
#[derive(Debug)]
enum Outcome {
    Checked,
    LibrariesChecked(&'static str),
    Refused,
    Skipped(String),
    Failed(String),
}

/// Checks each wanted target, and prints what came of it.
///
/// # Errors
/// A target does not compile, has warnings or is not refused as it should be, or it had to be
/// skipped and `--required` was given.
pub(crate) fn run(args: &Args) -> Result {
    let mut outcomes = Vec::new();
    for (target, wanted) in targets(args) {
        outcomes.push((target, check(target, wanted)?));
    }
    print!("\n{}", table(&outcomes));
    let failed: Vec<_> = outcomes
        .iter()
        .filter(|(_, outcome)| outcome.is_failure(args.required))
        .map(|(target, _)| *target)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        let again = failed.join(" --target ");
        Err(format!("failed; again: cargo xtask check-targets --target {again}").into())
    }
}

/// Returns the targets that `args` asks for.
fn targets(args: &Args) -> Vec<(&str, Wanted)> {
    let known = DEFAULT_TARGETS.into_iter().chain(FURTHER_TARGETS);
    if args.all {
        known.collect()
    } else if args.targets.is_empty() {
        DEFAULT_TARGETS.to_vec()
    } else {
        let wanted = |target: &str| known.clone().find(|(known, _)| *known == target);
        let targets = args.targets.iter().map(String::as_str);
        targets.map(|target| (target, wanted(target).map_or(Wanted::Lints, |(_, w)| w))).collect()
    }
}

fn check(target: &str, wanted: Wanted) -> Result<Outcome> {
    println!("check-targets: {target}");
    let compiler = match Compiler::for_target(target) {
        Ok(compiler) => compiler,
        Err(reason) => return Ok(Outcome::Skipped(reason.to_string())),
    };
    match wanted {
        Wanted::Lints => lint(&compiler, target, &portable::PACKAGES, Outcome::Checked),
        Wanted::LintsOfLibraries(reason) => {
            lint(&compiler, target, &portable::LIBRARIES, Outcome::LibrariesChecked(reason))
        }
        Wanted::Refusal(text) => refusal::check(&compiler, target, text),
    }
}

/// Where cargo keeps what it has checked.
const BUILDS: &str = "check-targets";

/// Runs clippy on `packages`; it comes to `success` if there is nothing to complain of.
fn lint(compiler: &Compiler, target: &str, packages: &[&str], success: Outcome) -> Result<Outcome> {
    let mut clippy = compiler.cargo("clippy", target, BUILDS);
    clippy.arg("--all-targets").args(portable::selected(packages));
    // Matters of taste change from one clippy to the next; this one need not be the reader's own.
    clippy.args(["--", "-D", "warnings", "-A", "clippy::complexity", "-A", "clippy::style"]);
    if clippy.status()?.success() {
        Ok(success)
    } else {
        Ok(Outcome::Failed("errors or warnings, above".to_owned()))
    }
}

impl Outcome {
    fn is_failure(&self, must_be_checked: bool) -> bool {
        match self {
            Self::Checked | Self::LibrariesChecked(_) | Self::Refused => false,
            Self::Skipped(_) => must_be_checked,
            Self::Failed(_) => true,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Checked => f.write_str("checked"),
            Self::LibrariesChecked(reason) => {
                write!(f, "checked, but for the examples: {reason}")
            }
            Self::Refused => f.write_str("refused as it should be"),
            Self::Skipped(reason) => write!(f, "SKIPPED: {reason}"),
            Self::Failed(reason) => write!(f, "FAILED: {reason}"),
        }
    }
}

/// Returns a line for each target.
fn table(outcomes: &[(&str, Outcome)]) -> String {
    let width = outcomes.iter().map(|(target, _)| target.len()).max().unwrap_or(0);
    let rows = outcomes.iter();
    rows.map(|(target, outcome)| format!("check-targets: {target:width$}  {outcome}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Args, DEFAULT_TARGETS, NEITHER, Outcome, Wanted, table, targets};

    fn args(targets: &[&str], all: bool) -> Args {
        let targets = targets.iter().map(|&target| target.to_owned()).collect();
        Args { targets, all, required: false }
    }

    #[test]
    fn a_target_is_asked_for_by_its_name() {
        assert_eq!(targets(&args(&[], false)), DEFAULT_TARGETS);
        let asked = args(&["aarch64-linux-android", "riscv64gc-unknown-linux-gnu"], false);
        let wanted = [
            ("aarch64-linux-android", Wanted::Refusal(NEITHER)),
            ("riscv64gc-unknown-linux-gnu", Wanted::Lints),
        ];
        assert_eq!(targets(&asked), wanted);
        assert!(targets(&args(&[], true)).starts_with(&DEFAULT_TARGETS));
    }

    #[test]
    fn the_table_says_what_was_not_checked() {
        let outcomes = [
            ("one", Outcome::Checked),
            ("four", Outcome::LibrariesChecked("a reason")),
            ("three", Outcome::Refused),
            ("two", Outcome::Skipped("no compiler".to_owned())),
        ];
        let rows = "check-targets: one    checked\n\
                    check-targets: four   checked, but for the examples: a reason\n\
                    check-targets: three  refused as it should be\n\
                    check-targets: two    SKIPPED: no compiler\n";
        assert_eq!(table(&outcomes), rows);
        let failures = |required| outcomes.iter().map(move |(_, o)| o.is_failure(required));
        assert!(failures(false).eq([false, false, false, false]));
        assert!(failures(true).eq([false, false, false, true]));
    }
}

//! The fuzz targets in `fuzz/`, each for a while.

use std::env;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use super::steps::Steps;
use crate::tools::output_of;
use crate::{Result, workspace_root};

/// The arguments of libFuzzer beside the time: an input that takes a minute hangs, and inputs may
/// be long from the start, for a short one lets the clients of `simulated_loop` say nothing.
const ARGUMENTS: [&str; 3] = ["-timeout=60", "-len_control=0", "-print_final_stats=1"];

/// How many lines of a fuzzer that has found something are shown: the input, and the commands that
/// repeat it.
const SHOWN: usize = 25;

/// Checks that there is a fuzzer, before anything else takes hours.
///
/// # Errors
/// Says what is to be installed.
pub(super) fn check() -> Result {
    let missing = "there is no cargo-fuzz here: `cargo install cargo-fuzz` installs it";
    output_of(cargo().arg("--version")).map(drop).map_err(|_| missing.into())
}

/// Builds all targets, and runs each for so many seconds.
pub(super) fn run(steps: &mut Steps, seconds: u64, target: &Path) {
    let target = target.join("fuzz");
    if !steps.run("fuzz: build", || build(&target)) {
        return;
    }
    for name in targets().unwrap_or_default() {
        steps.run(&format!("fuzz {name}"), || fuzz(&name, seconds, &target));
    }
}

/// A stable compiler will do.
fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace_root()).arg("fuzz").env("RUSTC_BOOTSTRAP", "1");
    cargo
}

/// Returns the names of all targets.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(workspace_root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().and_then(|name| name.to_str()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

fn build(target: &Path) -> Result {
    let status = cargo().arg("build").arg("--target-dir").arg(target).status()?;
    if status.success() { Ok(()) } else { Err("the fuzz targets do not build".into()) }
}

/// Goes on with the inputs that earlier runs have kept.
fn fuzz(name: &str, seconds: u64, target: &Path) -> Result {
    let of_target = |kind| workspace_root().join("fuzz").join(kind).join(name);
    let (corpus, seeds) = (of_target("corpus"), of_target("seeds"));
    fs::create_dir_all(&corpus)?;
    let log = target.join(format!("{name}.log"));
    let mut fuzzer = cargo();
    fuzzer.arg("run").arg("--target-dir").arg(target).arg(name).arg(corpus);
    fuzzer.args(Some(seeds).filter(|seeds| seeds.is_dir()));
    fuzzer.arg("--").arg(format!("-max_total_time={seconds}")).args(ARGUMENTS);
    let status = fuzzer.stdout(Stdio::null()).stderr(File::create(&log)?).status()?;
    let said = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    println!("    {}; see {}", summary(&said), log.display());
    if status.success() {
        return Ok(());
    }
    let lines: Vec<_> = said.lines().collect();
    let input = lines.iter().position(|line| *line == "Failing input:");
    let shown = &lines[input.unwrap_or(lines.len().saturating_sub(SHOWN))..];
    Err(shown[..shown.len().min(SHOWN)].join("\n").into())
}

/// Says how far a fuzzer has come.
fn summary(said: &str) -> String {
    let last = |before: &str| {
        let found = said.rsplit_once(before).and_then(|(_, rest)| rest.split_whitespace().next());
        found.unwrap_or("?").to_owned()
    };
    let (inputs, coverage) = (last("stat::number_of_executed_units:"), last(" cov: "));
    format!("{inputs} inputs, {coverage} places covered")
}

#[cfg(test)]
mod tests {
    use super::{summary, targets};

    #[test]
    fn a_fuzzer_is_summed_up() {
        let said = "\
#2\tINITED cov: 7 ft: 8 corp: 1/1b
#9\tDONE   cov: 295 ft: 1498 corp: 340/18Kb lim: 1730 exec/s: 4195 rss: 468Mb
stat::number_of_executed_units: 28590
";
        assert_eq!(summary(said), "28590 inputs, 295 places covered");
        assert_eq!(summary("killed"), "? inputs, ? places covered");
    }

    #[test]
    fn every_target_is_in_the_manifest() {
        let manifest = std::fs::read_to_string(crate::workspace_root().join("fuzz/Cargo.toml"));
        let manifest = manifest.unwrap();
        let targets = targets().unwrap();
        assert!(targets.iter().all(|name| manifest.contains(&format!("name = \"{name}\""))));
        assert_eq!(manifest.matches("[[bin]]").count(), targets.len());
    }
}

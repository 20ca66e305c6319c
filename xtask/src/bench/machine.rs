//! What the figures were measured on.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::thread;

use serde::{Deserialize, Serialize};

use crate::workspace_root;

/// The machine and the tools of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    cpu: String,
    cores: usize,
    kernel: String,
    rustc: String,
    /// The commit that was measured, with `-dirty` behind it when the tree differs.
    commit: String,
}

/// Stands for what cannot be found out.
pub(super) const UNKNOWN: &str = "unknown";

impl Machine {
    /// Describes this machine, as far as it can be found out.
    pub(super) fn describe() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            cpu: cpu_model(&cpuinfo).unwrap_or(UNKNOWN).to_owned(),
            cores: cores(),
            kernel: output("uname", &["-sr"]).unwrap_or_else(|| UNKNOWN.to_owned()),
            rustc: output("rustc", &["--version"]).unwrap_or_else(|| UNKNOWN.to_owned()),
            commit: output("git", &["describe", "--always", "--dirty", "--abbrev=12"])
                .unwrap_or_else(|| UNKNOWN.to_owned()),
        }
    }
}

impl Machine {
    /// Returns the commit.
    pub(super) fn commit(&self) -> &str {
        &self.commit
    }

    /// Says in a line what the machine is.
    pub(super) fn summary(&self) -> String {
        format!("{}, {} cores, {}", self.cpu, self.cores, self.kernel)
    }
}

/// Returns the day, as in 2026-01-31.
pub(super) fn today() -> String {
    output("date", &["-u", "+%F"]).unwrap_or_else(|| UNKNOWN.to_owned())
}

/// Returns what stands in the way of figures that can be trusted on this machine.
pub(super) fn warnings() -> Vec<String> {
    let mut warnings = Vec::new();
    if cores() < 2 {
        warnings.push("servers and generator share the only core".to_owned());
    }
    // Where there is no `tc` to ask, the kernel's default is what we want.
    if let Some(queue) = output("tc", &["qdisc", "show", "dev", "lo"]) {
        if !queue.contains("noqueue") {
            warnings.push(format!("the loopback device has a queue: {queue}"));
        }
    }
    warnings
}

/// Returns the versions of `packages` by their names.
pub(super) fn versions(
    packages: impl Iterator<Item = &'static str>,
) -> BTreeMap<&'static str, String> {
    let lock = fs::read_to_string(workspace_root().join("Cargo.lock")).unwrap_or_default();
    packages
        .filter_map(|package| Some((package, locked_version(&lock, package)?.to_owned())))
        .collect()
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns what a program prints, if there is such a program and it succeeds.
pub(super) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).current_dir(workspace_root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// Returns the first model name in the text of `/proc/cpuinfo`.
fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// Returns the version of `package` in the text of a `Cargo.lock`.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_in_a_lock_file() {
        let lock = "[[package]]\nname = \"mio-extras\"\nversion = \"9.0.0\"\n\n\
                    [[package]]\nname = \"mio\"\nversion = \"1.2.3\"\nsource = \"registry\"\n\n\
                    [[package]]\nname = \"cut\"\n";
        assert_eq!(locked_version(lock, "mio"), Some("1.2.3"));
        assert_eq!(locked_version(lock, "tokio"), None);
        assert_eq!(locked_version(lock, "cut"), None);
    }

    #[test]
    fn model_of_the_first_core() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast 9000\n\nmodel name\t: Slow 1\n";
        assert_eq!(cpu_model(cpuinfo), Some("Fast 9000"));
        assert_eq!(cpu_model("processor\t: 0\n"), None);
    }

    #[test]
    fn own_versions_are_known() {
        let versions = versions(["xtask", "no-such-package"].into_iter());
        assert_eq!(versions.get("xtask").map(String::as_str), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(versions.len(), 1);
    }
}

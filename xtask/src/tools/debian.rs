//! Debian's packages, unpacked instead of installed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

use super::{cached, output_of};

/// Returns the version of `package` that apt would install.
///
/// # Errors
/// There is no apt here, or it does not know the package.
pub(crate) fn candidate(package: &str) -> Result<String> {
    let mut policy = Command::new("apt-cache");
    let policy = output_of(policy.args(["policy", package]).env("LC_ALL", "C"))?;
    let version = candidate_in(&policy).map(str::to_owned);
    version.ok_or_else(|| format!("apt knows no {package} (try: apt-get update)").into())
}

/// Returns the newest version of `package` that begins with `start`.
///
/// # Errors
/// There is no apt here, or it knows no such version.
pub(crate) fn version_from(package: &str, start: &str) -> Result<String> {
    let mut versions = Command::new("apt-cache");
    let versions = output_of(versions.args(["madison", package]).env("LC_ALL", "C"))?;
    let version = version_in(&versions, start).map(str::to_owned);
    version.ok_or_else(|| format!("apt knows no {package} of version {start}").into())
}

/// Returns the directory into which the packages, named as `apt-get install` takes them, and those
/// that they need were unpacked. The first with its version gives the directory its name.
///
/// # Errors
/// The packages cannot be downloaded, or this is no Debian.
pub(crate) fn unpacked(packages: &[String]) -> Result<PathBuf> {
    let name = packages.first().ok_or("no package is named")?;
    cached(name, |directory| unpack(packages, directory))
}

fn unpack(packages: &[String], into: &Path) -> Result {
    let archives = into.join("archives");
    // apt keeps unfinished downloads there, and does not make the directory itself.
    fs::create_dir_all(archives.join("partial"))?;
    let mut download = Command::new("apt-get");
    download
        .args(["install", "--download-only", "--yes", "--quiet", "--no-install-recommends"])
        // Otherwise apt would leave out what is installed, and the directory would lack it.
        .arg("--reinstall")
        // Nothing is installed, so neither dpkg's lock nor, for its sake, root is needed.
        .args(["--option", "Debug::NoLocking=1"])
        // As root, apt would download as a user who may not write here.
        .args(["--option", "APT::Sandbox::User=root"])
        .arg("--option")
        .arg(format!("Dir::Cache::archives={}", archives.display()))
        .args(packages);
    output_of(&mut download)?;

    for archive in fs::read_dir(&archives)? {
        let archive = archive?.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            output_of(Command::new("dpkg-deb").arg("--extract").args([&archive, into]))?;
        }
    }
    fs::remove_dir_all(archives)?;
    Ok(())
}

/// Returns a command for a program of the unpacked packages, which finds its libraries there.
pub(crate) fn program(directory: &Path, name: &str) -> Command {
    let mut program = Command::new(directory.join("usr/bin").join(name));
    program.env("LD_LIBRARY_PATH", libraries(directory));
    program
}

/// Returns where the libraries of unpacked packages are, as `LD_LIBRARY_PATH` names them.
pub(crate) fn libraries(directory: &Path) -> String {
    // Packages for Debian 12 and older have some libraries outside `usr`.
    let libraries = ["usr/lib", "lib"].map(|lib| {
        let directory = directory.join(lib).join(format!("{}-linux-gnu", env::consts::ARCH));
        directory.display().to_string()
    });
    libraries.join(":")
}

/// Reads the version that would be installed from the answer of `apt-cache policy`.
fn candidate_in(policy: &str) -> Option<&str> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then_some(version)
}

/// Reads a version that begins with `start` from the answer of `apt-cache madison`, which has the
/// newest first.
fn version_in<'a>(versions: &'a str, start: &str) -> Option<&'a str> {
    let mut versions = versions.lines().filter_map(|line| line.split('|').nth(1).map(str::trim));
    versions.find(|version| version.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::{candidate_in, version_in};

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
            assert_eq!(candidate_in(policy), version, "{policy}");
        }
    }

    #[test]
    fn a_version_is_chosen_from_apts_answer() {
        let versions = " rustc-web | 1.96.0+1 | http://deb.example/debian bookworm/main amd64\n \
                        rustc-web | 1.85.0+3 | http://deb.example/debian bookworm/main amd64\n";
        assert_eq!(version_in(versions, "1.85."), Some("1.85.0+3"));
        assert_eq!(version_in(versions, "1.8."), None);
    }
}

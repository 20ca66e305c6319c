//! Compilers and other programs that a task fetches for itself, and how it asks them.
//!
//! All lie below one directory outside the clone, so that every clone on the machine shares them.
//! Nothing is installed, and the directory can be deleted at any time.

mod compiler;
pub(crate) mod debian;
pub(crate) mod pypi;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use crate::Result;

pub(crate) use compiler::Compiler;

/// Returns a directory of the cache that `fill` has filled: in this run, or in an earlier one.
///
/// # Errors
/// There is no cache directory, or `fill` fails.
fn cached(name: &str, fill: impl FnOnce(&Path) -> Result) -> Result<PathBuf> {
    let cache = cache_directory().ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
    // A colon, as some versions have it, ends a directory wherever a list of them is wanted.
    let name = name.replace([':', '='], "-");
    let directory = cache.join(&name);
    if !directory.is_dir() {
        println!("fetching {name} into {}", cache.display());
        // Renamed when complete: an interrupted run leaves no half program under its name.
        let partial = cache.join(format!("{name}.partial.{}", process::id()));
        fs::create_dir_all(&partial)?;
        let filled =
            fill(&partial).and_then(|()| fs::rename(&partial, &directory).map_err(Into::into));
        let _ = fs::remove_dir_all(&partial);
        // Of two runs at once the later cannot rename, and uses what the other has put there.
        if !directory.is_dir() {
            filled?;
        }
    }
    Ok(directory)
}

fn cache_directory() -> Option<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")))?;
    Some(caches.join("evio-tools"))
}

/// Runs a command to its end and returns what it wrote to standard output.
///
/// # Errors
/// The program is not there, or it failed: then with what it wrote to standard error.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
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

/// Returns where `PATH` has a program, if it has it.
pub(crate) fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{installed, output_of};

    #[test]
    fn a_command_that_cannot_run_or_fails_says_why() {
        let missing = output_of(&mut Command::new("/no/such/program")).unwrap_err();
        assert_eq!(missing.to_string(), "there is no /no/such/program here");

        let mut failing = Command::new("sh");
        let failing = output_of(failing.args(["-c", "echo no such package >&2; exit 3"]));
        assert_eq!(failing.unwrap_err().to_string(), "sh: no such package");
    }

    #[test]
    fn a_program_is_found_by_its_name() {
        assert!(installed("sh").is_some_and(|file| file.ends_with("sh")));
        assert_eq!(installed("no-such-program"), None);
    }
}

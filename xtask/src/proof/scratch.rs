//! A copy of the workspace, to plant bugs in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::bugs::Bug;
use crate::Result;

/// A copy of every file that git knows or would add.
pub(super) struct Scratch {
    workspace: PathBuf,
}

impl Scratch {
    /// Copies what has changed since the last time, so that little is built anew.
    pub(super) fn copy(original: &Path, target: &Path) -> Result<Self> {
        let workspace = target.join("workspace");
        let listing = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(original)
            .output()?;
        if !listing.status.success() {
            return Err("git cannot list the files of the workspace".into());
        }
        // What was deleted since must not be built.
        for folder in ["crates", "xtask", "examples", "benchmarks", "twins"] {
            remove_deleted(original, &workspace, Path::new(folder))?;
        }
        for path in String::from_utf8(listing.stdout)?.split_terminator('\0') {
            let (source, copy) = (original.join(path), workspace.join(path));
            // A file may be deleted, and git not have been told.
            if !source.is_file() {
                continue;
            }
            let bytes = fs::read(&source)?;
            if fs::read(&copy).is_ok_and(|copied| copied == bytes) {
                continue;
            }
            fs::create_dir_all(copy.parent().ok_or("a file is in a folder")?)?;
            fs::write(&copy, bytes)?;
        }
        Ok(Self { workspace })
    }

    pub(super) fn workspace(&self) -> &Path {
        &self.workspace
    }

    /// Puts a bug in the place of the text that it replaces. Returns what the file was like, for
    /// [`restore`](Self::restore).
    pub(super) fn plant(&self, bug: &Bug) -> Result<String> {
        let path = self.workspace.join(bug.file);
        let sound = fs::read_to_string(&path)?;
        fs::write(path, bug.planted_in(&sound)?)?;
        Ok(sound)
    }

    pub(super) fn restore(&self, bug: &Bug, sound: String) -> Result {
        Ok(fs::write(self.workspace.join(bug.file), sound)?)
    }
}

fn remove_deleted(from: &Path, workspace: &Path, folder: &Path) -> Result {
    let Ok(entries) = fs::read_dir(workspace.join(folder)) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        match (entry.file_type()?.is_dir(), from.join(&path).exists()) {
            (true, true) => remove_deleted(from, workspace, &path)?,
            (true, false) => fs::remove_dir_all(entry.path())?,
            (false, true) => {}
            (false, false) => fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

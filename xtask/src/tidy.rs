//! The style rules that can be read off the source text: of one file at a time ([`rules`]), of the
//! folders of `evio-core` ([`folders`]), of the examples in the documentation, which name the right
//! crate ([`examples`]) and show every public item ([`shown`]), of the crates ([`layers`]); the
//! links of the documents ([`documents`]), and the table of the tasks ([`tasks`]).
//!
//! What a compiler lint can say is left to the lint tables in the workspace's `Cargo.toml`.

mod circles;
mod documents;
mod examples;
mod fields;
mod folders;
mod imports;
mod layers;
mod rules;
mod shown;
mod source;
mod tasks;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::{Result, workspace_root};
use source::Source;

/// A place that breaks a rule, with what to do about it.
#[derive(Debug)]
struct Violation {
    path: String,
    /// Counted from one, as editors do.
    line: usize,
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

/// Prints every violation in the workspace.
///
/// # Errors
/// There is one, or a file cannot be read.
pub(crate) fn run() -> Result {
    let violations = check_workspace()?;
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => Err(format!("{count} places to tidy").into()),
    }
}

fn check_workspace() -> Result<Vec<Violation>> {
    let mut sources = Vec::new();
    for path in files_below(workspace_root(), ".rs")? {
        let name = path.strip_prefix(workspace_root())?.display().to_string();
        sources.push(Source::new(&name, &fs::read_to_string(&path)?));
    }
    let mut violations: Vec<_> = sources.iter().flat_map(rules::check).collect();
    violations.extend(folders::check(&sources));
    violations.extend(examples::check(&sources));
    violations.extend(shown::check(&sources));
    violations.extend(layers::check()?);
    violations.extend(documents::check()?);
    violations.extend(tasks::check()?);
    Ok(violations)
}

/// Returns every file below `directory` whose name ends with `ending`, except those of build output
/// and of hidden directories.
fn files_below(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files.extend(files_below(&path, ending)?);
        } else if path.is_file() && name.ends_with(ending) {
            files.push(path);
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::check_workspace;

    /// Makes `cargo test` alone enforce the rules.
    #[test]
    fn the_workspace_is_tidy() {
        let violations: Vec<_> =
            check_workspace().unwrap().iter().map(ToString::to_string).collect();
        assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
    }
}

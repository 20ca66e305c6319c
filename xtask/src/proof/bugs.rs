//! Bugs of the loop that the simulated tests have to find, each a small change of its text.

mod endings;
mod input;
mod output;
mod sources;
mod timing;

use crate::Result;

/// A bug to be planted.
#[derive(Debug)]
pub(super) struct Bug {
    pub(super) name: &'static str,
    /// From the workspace's directory.
    pub(super) file: &'static str,
    /// The file has this once.
    pub(super) text: &'static str,
    pub(super) replacement: &'static str,
}

impl Bug {
    /// Returns the text of the file with the bug in it.
    ///
    /// # Errors
    /// The file has changed, so that it is not clear where the bug is to go.
    pub(super) fn planted_in(&self, source: &str) -> Result<String> {
        match source.matches(self.text).count() {
            1 => Ok(source.replacen(self.text, self.replacement, 1)),
            count => {
                let Self { name, file, text, .. } = self;
                Err(format!("{name}: {file} has this {count} times: {text}").into())
            }
        }
    }
}

/// Returns all bugs.
pub(super) fn all() -> impl Iterator<Item = &'static Bug> {
    [input::BUGS, output::BUGS, endings::BUGS, timing::BUGS, sources::BUGS].into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::*;
    use crate::workspace_root;

    #[test]
    fn every_bug_can_be_planted() {
        for bug in all() {
            let source = fs::read_to_string(workspace_root().join(bug.file)).unwrap();
            assert_ne!(bug.planted_in(&source).unwrap(), source, "{}", bug.name);
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|bug| bug.name).collect();
        assert_eq!(names.len(), all().count());
    }
}

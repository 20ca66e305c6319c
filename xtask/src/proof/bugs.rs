//! Bugs of the loop that the simulated tests have to find, each a small change of its text.

use std::collections::BTreeSet;

mod endings;
mod input;
mod output;
mod shutdown;
mod sources;
mod timing;

use crate::Result;

/// Shorter words, such as "the" and "once", say little about a bug.
const SHORTEST_WORD: usize = 5;
/// So many letters tell words apart, and "accepts" is as good as "accepting".
const STEM: usize = 5;

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

/// Returns the bugs whose names contain one of `parts`; all of them, if there are no parts.
///
/// # Errors
/// No name contains one of the parts. The error lists the names that share a word with it, or says
/// how to list all.
pub(super) fn named(parts: &[String]) -> Result<Vec<&'static Bug>> {
    for part in parts {
        if !all().any(|bug| bug.name.contains(part)) {
            return Err(format!("no bug has a name that contains \"{part}\"{}", hint(part)).into());
        }
    }
    let is_meant =
        |bug: &&Bug| parts.is_empty() || parts.iter().any(|part| bug.name.contains(part));
    Ok(all().filter(is_meant).collect())
}

/// Says which names share most words with `part`, or where all of them are.
fn hint(part: &str) -> String {
    let wanted = words(part);
    let shared = |bug: &Bug| words(bug.name).intersection(&wanted).count();
    let most = all().map(shared).max().unwrap_or(0);
    if most == 0 {
        return "; cargo xtask proof --list names all".to_owned();
    }
    let close: Vec<_> = all().filter(|bug| shared(bug) == most).map(|bug| bug.name).collect();
    format!("; these are close:\n  {}", close.join("\n  "))
}

/// Returns the words of a name without those that many names have, and without their endings.
fn words(name: &str) -> BTreeSet<String> {
    let words = name.split(|letter: char| !letter.is_alphanumeric());
    let telling = words.filter(|word| word.len() >= SHORTEST_WORD);
    telling.map(|word| word.chars().take(STEM).collect::<String>().to_lowercase()).collect()
}

/// Returns all bugs.
pub(super) fn all() -> impl Iterator<Item = &'static Bug> {
    let parts =
        [input::BUGS, output::BUGS, endings::BUGS, shutdown::BUGS, timing::BUGS, sources::BUGS];
    parts.into_iter().flatten()
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
    fn a_part_of_a_name_finds_its_bugs() {
        let find = |parts: &[&str]| {
            let parts: Vec<_> = parts.iter().map(|&part| part.to_owned()).collect();
            named(&parts).map(|bugs| bugs.len())
        };
        assert_eq!(find(&[]).unwrap(), all().count());
        assert_eq!(find(&["no idle timeout", "no read timeout"]).unwrap(), 2);
    }

    #[test]
    fn a_name_that_no_bug_has_is_an_error_that_lists_close_ones() {
        let error = |part: &str| named(&[part.to_owned()]).unwrap_err().to_string();
        let close = error("no idle timeouts");
        assert!(close.contains("contains \"no idle timeouts\"; these are close"), "{close}");
        assert!(close.contains("\n  no idle timeout\n"), "{close}");
        assert!(error("nosuch").ends_with("; cargo xtask proof --list names all"));
        let known = named(&["no idle timeout".to_owned(), "nosuch".to_owned()]);
        assert!(known.is_err(), "each part has to be found");
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|bug| bug.name).collect();
        assert_eq!(names.len(), all().count());
    }
}

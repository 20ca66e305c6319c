//! Links from the documents to files of the workspace.

use std::fs;

use super::{Violation, files_below};
use crate::{Result, workspace_root};

/// Checks every Markdown file of the workspace.
pub(super) fn check() -> Result<Vec<Violation>> {
    let mut violations = Vec::new();
    for path in files_below(workspace_root(), ".md")? {
        let name = path.strip_prefix(workspace_root())?.display().to_string();
        let folder = path.parent().unwrap_or(&path);
        let exists = |target: &str| folder.join(target).exists();
        violations.extend(broken_links(&name, &fs::read_to_string(&path)?, exists));
    }
    Ok(violations)
}

/// Returns a violation for each link to a path that does not exist. Links to other sites and
/// within the document are not followed.
fn broken_links(name: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        let targets = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        for (target, _) in targets {
            let path = target.split('#').next().unwrap_or_default();
            let is_file = !path.is_empty() && !path.contains(':');
            if is_file && !exists(path) {
                let advice = format!("links to {path}, which is not there; say where it is now");
                violations.push(Violation { path: name.to_owned(), line: number, advice });
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::broken_links;

    #[test]
    fn a_link_to_a_file_that_is_gone_is_found() {
        let cases = [
            ("[a](a.rs) and\n[b](b.rs#L1), [c](c.rs)", vec![2, 2]),
            ("[`a.rs`](a.rs#top) [b](#b) [c](https://example.org/c.rs) [d](mailto:d)", vec![]),
            ("![b](b.svg)", vec![1]),
            ("f(b.rs) [b] (b.rs)", vec![]),
        ];
        for (text, lines) in cases {
            let found = broken_links("README.md", text, |path| path == "a.rs");
            assert!(found.iter().all(|found| found.path == "README.md"));
            assert_eq!(found.iter().map(|found| found.line).collect::<Vec<_>>(), lines, "{text}");
        }
    }
}

//! Circles of files that import each other: none of them can be read, tested or changed alone.

use std::collections::VecDeque;

use super::Violation;
use super::imports::Imports;

/// Checks that files import each other in the `listed` circles only, which `tables` holds, and
/// that a listed one has not become smaller since.
pub(super) fn check(imports: &Imports<'_>, listed: &[&[&str]], tables: &str) -> Vec<Violation> {
    let circles = circles(imports);
    let names: Vec<Vec<&str>> = circles
        .iter()
        .map(|circle| circle.iter().map(|file| imports.files[*file].name).collect())
        .collect();
    let mut violations = Vec::new();
    for (circle, names) in circles.iter().zip(&names) {
        if !listed.iter().any(|listed| names.iter().all(|name| listed.contains(name))) {
            violations.push(unlisted(imports, circle, listed, tables));
        }
    }
    for listed in listed {
        if !names.iter().any(|circle| same(circle, listed)) {
            let still: Vec<_> = names
                .iter()
                .filter(|circle| circle.iter().all(|name| listed.contains(name)))
                .map(|circle| circle.join(", "))
                .collect();
            let advice = format!(
                "the circle of {} has become smaller; list what is left of it: {}",
                listed.join(", "),
                if still.is_empty() { "nothing".to_owned() } else { still.join(" and ") }
            );
            violations.push(Violation { path: tables.to_owned(), line: 1, advice });
        }
    }
    violations
}

/// Returns the groups of two or more files in which each leads to each, the strongly connected
/// components of the graph. `lib.rs` is in none: all its children are named there.
fn circles(imports: &Imports<'_>) -> Vec<Vec<usize>> {
    let from: Vec<Vec<bool>> = (0..imports.files.len())
        .map(|start| ways(imports, start).iter().map(Option::is_some).collect())
        .collect();
    let mut circles: Vec<Vec<usize>> = Vec::new();
    for file in 0..from.len() {
        let is_known = circles.iter().any(|circle| circle.contains(&file));
        if from[file][file] && !is_known {
            let together = (0..from.len()).filter(|other| from[file][*other] && from[*other][file]);
            circles.push(together.collect());
        }
    }
    circles
}

/// Returns for each file the one before it on the shortest way from `start`, which itself is
/// reached when it is in a circle.
fn ways(imports: &Imports<'_>, start: usize) -> Vec<Option<usize>> {
    let mut before = vec![None; imports.files.len()];
    let mut next = VecDeque::from([start]);
    while let Some(at) = next.pop_front() {
        for import in &imports.files[at].imports {
            if before[import.file].is_none() && !imports.files[import.file].is_root() {
                before[import.file] = Some(at);
                next.push_back(import.file);
            }
        }
    }
    before
}

/// Complains about a circle, at a file of it that no list has, and shows the shortest way around.
fn unlisted(
    imports: &Imports<'_>,
    circle: &[usize],
    listed: &[&[&str]],
    tables: &str,
) -> Violation {
    let is_new =
        |file: &&usize| !listed.iter().any(|listed| listed.contains(&imports.files[**file].name));
    let start = *circle.iter().find(is_new).unwrap_or(&circle[0]);
    let before = ways(imports, start);
    let mut way = vec![start];
    while way.len() == 1 || way[0] != start {
        way.insert(0, before[way[0]].expect("each file of a circle leads to each"));
    }
    let names: Vec<_> = way.iter().map(|file| imports.files[*file].name).collect();
    let file = &imports.files[start];
    let import = file.imports.iter().find(|import| import.file == way[1]);
    let advice = format!(
        "{} files import each other: {}; no circle in {tables} has them all. Take what is needed \
         as an argument, or move it to a file that both import",
        circle.len(),
        names.join(" -> ")
    );
    let line = import.map_or(1, |import| import.line);
    Violation { path: file.source.path.clone(), line, advice }
}

fn same(circle: &[&str], listed: &[&str]) -> bool {
    circle.len() == listed.len() && circle.iter().all(|name| listed.contains(name))
}

#[cfg(test)]
mod tests {
    use super::super::source::Source;
    use super::*;

    /// Checks files that are given as letters: "ab" imports "b" in "a.rs".
    fn found(arrows: &[&str], listed: &[&[&str]]) -> Vec<String> {
        let mut sources: Vec<_> = ["a", "b", "c", "d", "e"]
            .iter()
            .map(|file| {
                let of_file = arrows.iter().filter(|arrow| arrow.starts_with(file));
                let text: String = of_file
                    .flat_map(|arrow| arrow.chars().skip(1))
                    .map(|to| format!("use crate::{to}::of_{to};\n"))
                    .collect();
                Source::new(&format!("src/{file}.rs"), &format!("{text}use crate::in_lib;\n"))
            })
            .collect();
        sources.push(Source::new("src/lib.rs", "pub use a::A;"));
        let imports = Imports::read(&sources, "src/");
        check(&imports, listed, "tables").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_a_listed_circle_is_allowed() {
        let abc: &[&str] = &["c.rs", "a.rs", "b.rs"];
        let cases = [
            (&["ab", "bc", "ac", "cd"][..], &[][..], ""),
            (&["ab", "ba"], &[], "src/a.rs:1: 2 files import each other: a.rs -> b.rs -> a.rs"),
            (&["ad", "ab", "bc", "ca"], &[], "src/a.rs:2: 3 files import each other: a.rs -> b.rs"),
            (&["ab", "bc", "ca", "ad"], &[abc], ""),
            (&["ab", "bc", "ca", "be", "ea"], &[abc], "src/e.rs:1: 4 files import each other"),
            (&["ab", "ba", "cd", "dc"], &[&["a.rs", "b.rs"], &["c.rs", "d.rs"]], ""),
        ];
        for (arrows, listed, start) in cases {
            let found = found(arrows, listed);
            match (start, &found[..]) {
                ("", []) => {}
                (start, [first, ..]) if !start.is_empty() && first.starts_with(start) => {}
                _ => panic!("{arrows:?}: {found:?}"),
            }
        }
    }

    #[test]
    fn listed_circles_may_not_grow_together() {
        let listed: [&[&str]; 2] = [&["a.rs", "b.rs"], &["c.rs", "d.rs"]];
        let found = found(&["abc", "ba", "cd", "dca"], &listed);
        assert!(found[0].starts_with("src/a.rs:1: 4 files import each other"), "{found:?}");
    }

    #[test]
    fn a_list_that_is_too_long_is_found() {
        let abc: [&[&str]; 1] = [&["a.rs", "b.rs", "c.rs"]];
        let cases = [
            (&["ab", "ba", "cb"][..], "list what is left of it: a.rs, b.rs"),
            (&["ab", "bc"], "list what is left of it: nothing"),
        ];
        for (arrows, end) in cases {
            let found = found(arrows, &abc);
            assert!(matches!(&found[..], [one] if one.ends_with(end)), "{found:?}");
            assert!(found[0].starts_with("tables:1: "), "{found:?}");
        }
    }
}

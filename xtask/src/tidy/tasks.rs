//! The table of the tasks in `CONTRIBUTING.md`.

use std::fs;

use clap::CommandFactory;

use super::Violation;
use crate::{Result, Task, workspace_root};

const DOCUMENT: &str = "CONTRIBUTING.md";

/// How a row of the table begins, up to the name of its task.
const ROW: &str = "| `cargo xtask ";

/// Checks that the table has a row for each task, and no other.
pub(super) fn check() -> Result<Vec<Violation>> {
    let text = fs::read_to_string(workspace_root().join(DOCUMENT))?;
    let tasks = Task::command();
    let tasks: Vec<&str> = tasks.get_subcommands().map(|task| task.get_name()).collect();
    Ok(compare(&text, &tasks))
}

fn compare(text: &str, tasks: &[&str]) -> Vec<Violation> {
    let rows = text.lines().zip(1..).filter_map(|(line, number)| {
        let name = line.strip_prefix(ROW)?.split(['`', ' ']).next()?;
        Some((name, number))
    });
    let rows: Vec<(&str, usize)> = rows.collect();
    let violation = |line, advice| Violation { path: DOCUMENT.to_owned(), line, advice };
    let last = rows.last().map_or(1, |(_, line)| *line);
    let missing = tasks.iter().filter(|task| !rows.iter().any(|(name, _)| name == *task));
    let missing = missing.map(|task| violation(last, format!("the table lacks {ROW}{task}` |")));
    let others = rows.iter().filter(|(name, _)| !tasks.contains(name));
    let others = others.map(|(name, line)| violation(*line, format!("there is no task {name}")));
    missing.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn tasks_and_rows_are_the_same() {
        let text = "`cargo xtask help`\n| `cargo xtask ci` | a |\n| `cargo xtask docs x` | b |\n";
        let cases: [(&[&str], &[usize]); 4] = [
            (&["ci", "docs"], &[]),
            (&["ci", "docs", "tidy"], &[3]),
            (&["docs"], &[2]),
            (&[], &[2, 3]),
        ];
        for (tasks, lines) in cases {
            let found = compare(text, tasks);
            let found: Vec<usize> = found.iter().map(|found| found.line).collect();
            assert_eq!(found, lines, "{tasks:?}");
        }
        assert_eq!(compare("", &["ci"]).len(), 1);
    }
}

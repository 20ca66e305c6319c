//! Which test has found which bug.

use std::collections::BTreeMap;
use std::fmt;

use super::suite::Failure;

#[derive(Default)]
pub(super) struct Matrix {
    tests: Vec<String>,
    /// A bug, and the cell of each test that found it.
    rows: Vec<(String, BTreeMap<String, String>)>,
}

impl Matrix {
    pub(super) fn new(tests: Vec<String>) -> Self {
        Self { tests, rows: Vec::new() }
    }

    /// Adds a bug and the tests that have failed. Returns who has found it first, by seeds; that a
    /// program hangs says less than any failure.
    pub(super) fn add<'a>(
        &mut self,
        bug: &str,
        failures: impl Iterator<Item = (&'a str, &'a Failure)>,
    ) -> String {
        let failures: Vec<_> = failures.collect();
        let first = failures.iter().min_by_key(|(_, failure)| (failure.hangs, failure.seeds));
        let first = first.map(|(test, failure)| format!("{test}: {failure}"));
        let cell = |failure: &Failure| match failure.hangs {
            true => "hangs".to_owned(),
            false => failure.seeds.to_string(),
        };
        let row: BTreeMap<_, _> =
            failures.iter().map(|&(test, failure)| (test.to_owned(), cell(failure))).collect();
        for test in row.keys().filter(|test| !self.tests.contains(test)).collect::<Vec<_>>() {
            self.tests.push(test.clone());
        }
        self.rows.push((bug.to_owned(), row));
        first.unwrap_or_else(|| "NOT FOUND".to_owned())
    }

    pub(super) fn not_found(&self) -> Vec<&str> {
        let missed = self.rows.iter().filter(|(_, row)| row.is_empty());
        missed.map(|(bug, _)| bug.as_str()).collect()
    }
}

/// A line for each bug, a column for each test: the seeds that went well before it was found, or
/// "hangs" where a program was killed because it had not ended in time.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, test) in self.tests.iter().enumerate() {
            writeln!(f, "{:>4} {test}", number + 1)?;
        }
        let width = self.rows.iter().map(|(bug, _)| bug.len()).max().unwrap_or(0);
        write!(f, "\n{:width$}", "")?;
        (1..=self.tests.len()).try_for_each(|number| write!(f, "{number:>6}"))?;
        writeln!(f)?;
        for (bug, row) in &self.rows {
            write!(f, "{bug:width$}")?;
            for test in &self.tests {
                match row.get(test) {
                    Some(cell) => write!(f, "{cell:>6}")?,
                    None => write!(f, "{:>6}", ".")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bug_that_no_test_has_found_is_named() {
        let mut matrix = Matrix::new(vec!["echo::one".to_owned(), "echo::two".to_owned()]);
        let failure = |seeds| Failure { seeds, message: "wrong".to_owned(), hangs: false };
        let (late, early) = (failure(40), failure(3));
        let failures = [("echo::one", &late), ("echo::two", &early)];
        let found = matrix.add("found", failures.into_iter());
        assert_eq!(found, "echo::two: wrong (after 3 seeds)");
        assert_eq!(matrix.add("missed", [].into_iter()), "NOT FOUND");
        assert_eq!(matrix.not_found(), ["missed"]);
        let shown = matrix.to_string();
        assert!(shown.contains("found     40     3\n"), "{shown}");
        assert!(shown.contains("missed     .     .\n"), "{shown}");
    }

    #[test]
    fn a_program_that_hangs_is_told_from_a_test_that_fails() {
        let mut matrix = Matrix::default();
        let failed = Failure { seeds: 7, message: "wrong".to_owned(), hangs: false };
        let hung = Failure { seeds: 0, message: "hangs: it waits".to_owned(), hangs: true };
        assert_eq!(
            matrix.add("both", [("a", &hung), ("b", &failed)].into_iter()),
            "b: wrong (after 7 seeds)"
        );
        assert_eq!(matrix.add("one", [("a", &hung)].into_iter()), "a: hangs: it waits");
        let shown = matrix.to_string();
        assert!(
            shown.contains("both hangs     7\n") && shown.contains("one  hangs     .\n"),
            "{shown}"
        );
    }
}

//! Which test has found which bug.

use std::collections::BTreeMap;
use std::fmt;

use super::suite::Failure;

#[derive(Default)]
pub(super) struct Matrix {
    tests: Vec<String>,
    /// A bug, and how many seeds went well before each test that found it.
    rows: Vec<(String, BTreeMap<String, u64>)>,
}

impl Matrix {
    pub(super) fn new(tests: Vec<String>) -> Self {
        Self { tests, rows: Vec::new() }
    }

    /// Adds a bug and the tests that have failed. Returns who has found it first, by seeds.
    pub(super) fn add<'a>(
        &mut self,
        bug: &str,
        failures: impl Iterator<Item = (&'a str, &'a Failure)>,
    ) -> String {
        let failures: Vec<_> = failures.collect();
        let first = failures.iter().min_by_key(|(_, failure)| failure.seeds);
        let first = first.map(|(test, failure)| format!("{test}: {failure}"));
        let row: BTreeMap<_, _> =
            failures.iter().map(|&(test, failure)| (test.to_owned(), failure.seeds)).collect();
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

/// A line for each bug, a column for each test: the seeds that went well before it was found.
impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, test) in self.tests.iter().enumerate() {
            writeln!(f, "{:>4} {test}", number + 1)?;
        }
        let width = self.rows.iter().map(|(bug, _)| bug.len()).max().unwrap_or(0);
        write!(f, "\n{:width$}", "")?;
        (1..=self.tests.len()).try_for_each(|number| write!(f, "{number:>5}"))?;
        writeln!(f)?;
        for (bug, row) in &self.rows {
            write!(f, "{bug:width$}")?;
            for test in &self.tests {
                match row.get(test) {
                    Some(seeds) => write!(f, "{seeds:>5}")?,
                    None => write!(f, "{:>5}", ".")?,
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
        let failure = |seeds| Failure { seeds, message: "wrong".to_owned() };
        let (late, early) = (failure(40), failure(3));
        let failures = [("echo::one", &late), ("echo::two", &early)];
        let found = matrix.add("found", failures.into_iter());
        assert_eq!(found, "echo::two: wrong (after 3 seeds)");
        assert_eq!(matrix.add("missed", [].into_iter()), "NOT FOUND");
        assert_eq!(matrix.not_found(), ["missed"]);
        let shown = matrix.to_string();
        assert!(shown.contains("found    40    3\n"), "{shown}");
        assert!(shown.contains("missed    .    .\n"), "{shown}");
    }
}

//! What the output of a test run says: how many passed, and which were left out and why.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::Result;

/// What the output of the tests says.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    /// How many passed, with those that have left themselves out.
    passed: usize,
    /// How many were not run: those that the command line names.
    pub(crate) filtered_out: usize,
    /// The tests that have left themselves out, with the reasons.
    left_out: Vec<(String, String)>,
    pub(crate) failed: Vec<String>,
    /// The test whose output follows.
    test: String,
}

impl Summary {
    /// Runs `tests`, shows what is of interest, and returns whether all passed.
    pub(crate) fn of(mut tests: Command) -> Result<(bool, Self)> {
        let mut tests = tests.stdout(Stdio::piped()).spawn()?;
        let output = tests.stdout.take().ok_or("the tests have no output")?;
        let mut summary = Self::default();
        for line in BufReader::new(output).lines() {
            let line = line?;
            if summary.add(&line) {
                println!("{line}");
            }
        }
        Ok((tests.wait()?.success(), summary))
    }

    /// Checks that a filter has left any test to run.
    ///
    /// # Errors
    /// It has not: no name contains it.
    pub(crate) fn check_filter(&self, filter: Option<&str>) -> Result {
        match filter {
            Some(filter) if self.passed == 0 && self.failed.is_empty() => {
                let others = self.filtered_out;
                Err(format!("no test has a name that contains \"{filter}\", of {others}").into())
            }
            _ => Ok(()),
        }
    }

    /// Prints which tests were left out, and how many passed, for the task of this name. The task
    /// itself has left out `others`.
    pub(crate) fn print(&self, task: &str, others: &[(&str, &str)]) {
        let own = self.left_out.iter().map(|(test, reason)| (test.as_str(), reason.as_str()));
        for (test, reason) in own.chain(others.iter().copied()) {
            println!("{task}: left out: {test}: {reason}");
        }
        let passed = self.passed.saturating_sub(self.left_out.len());
        let left_out = self.left_out.len() + others.len();
        println!("{task}: {passed} passed, {left_out} left out, {} failed", self.failed.len());
    }

    /// Reads why a test was left out: "left out" or "skipped", where if that matters, and the
    /// reason.
    fn reason_in(line: &str) -> Option<&str> {
        let rest = line.strip_prefix("left out").or_else(|| line.strip_prefix("skipped"))?;
        let (system, reason) = rest.split_once(": ")?;
        (system.is_empty() || system.starts_with(" on ")).then_some(reason)
    }

    /// Reads how many tests there were of a kind, as in "ok. 3 passed; 1 failed".
    fn count_in(result: &str, kind: &str) -> usize {
        let mut counts = result.split([';', '.']).map(str::trim);
        let count = counts.find_map(|count| count.strip_suffix(kind));
        count.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
    }

    /// Takes a line in, and returns whether a reader wants to see it.
    fn add(&mut self, line: &str) -> bool {
        let heading = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----"));
        if let Some(test) = heading {
            self.test = test.to_owned();
        } else if let Some(reason) = Self::reason_in(line) {
            let left_out = (self.test.clone(), reason.to_owned());
            // Some say so in each of their rounds.
            if self.left_out.last() != Some(&left_out) {
                self.left_out.push(left_out);
            }
        } else if let Some(result) = line.strip_prefix("test result: ") {
            self.passed += Self::count_in(result, "passed");
            self.filtered_out += Self::count_in(result, "filtered out");
        }
        let test = line.strip_prefix("test ");
        let failed = test.and_then(|test| test.strip_suffix(" ... FAILED")).map(str::to_owned);
        // One that runs in a process of its own has failed there, too, and shows that output.
        self.failed.extend(failed.filter(|test| !self.failed.contains(test)));
        let is_passed = test.is_some_and(|test| test.ends_with(" ... ok"));
        !(line.is_empty() || is_passed)
    }
}

#[cfg(test)]
mod tests {
    use super::Summary;

    #[test]
    fn results_are_added_up_and_reasons_are_kept() {
        let mut summary = Summary::default();
        let lines = [
            ("test result: FAILED. 3 passed; 1 failed; 0 ignored; 2 filtered out", true),
            ("test one ... ok", false),
            ("test two ... FAILED", true),
            ("test two ... FAILED", true),
            ("---- one stdout ----", true),
            ("left out on kqueue: a reason", true),
            (
                "test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 5 filtered out; \
                 finished in 0.40s",
                true,
            ),
        ];
        for (line, is_shown) in lines {
            assert_eq!(summary.add(line), is_shown, "{line}");
        }
        assert_eq!(summary.passed, 3 + 4);
        assert_eq!(summary.filtered_out, 2 + 5);
        assert_eq!(summary.failed, ["two"]);
        assert_eq!(summary.left_out, [("one".to_owned(), "a reason".to_owned())]);
    }

    #[test]
    fn a_filter_that_leaves_no_test_is_an_error() {
        let after = |result: &str| {
            let mut summary = Summary::default();
            summary.add(result);
            summary.check_filter(Some("nosuch")).map_err(|error| error.to_string())
        };
        let none = after("test result: ok. 0 passed; 0 failed; 0 ignored; 3 filtered out");
        assert_eq!(none, Err("no test has a name that contains \"nosuch\", of 3".to_owned()));
        assert_eq!(after("test result: ok. 1 passed; 0 failed; 2 filtered out"), Ok(()));
        assert!(Summary::default().check_filter(None).is_ok());
    }

    #[test]
    fn a_reason_is_read_with_and_without_a_system() {
        let cases = [
            ("left out on kqueue: a reason", Some("a reason")),
            ("left out: a reason", Some("a reason")),
            ("skipped: strace is not installed", Some("strace is not installed")),
            ("skipped_input: kept", None),
            ("left out", None),
        ];
        for (line, reason) in cases {
            assert_eq!(Summary::reason_in(line), reason, "{line}");
        }
    }
}

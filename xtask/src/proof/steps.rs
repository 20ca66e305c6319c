//! The steps of a proof. One that fails does not keep those behind it from being run.

use std::fmt;
use std::time::{Duration, Instant};

use crate::Result;

/// The steps that were run, and how they have ended.
#[derive(Debug, Default)]
pub(super) struct Steps(Vec<Step>);

#[derive(Debug)]
struct Step {
    name: String,
    has_passed: bool,
    time: Duration,
}

impl Steps {
    /// Runs a step, says how it ends, and returns whether it has passed.
    pub(super) fn run(&mut self, name: &str, step: impl FnOnce() -> Result) -> bool {
        println!("\n==> {name}");
        let started = Instant::now();
        let result = step();
        let time = started.elapsed();
        let seconds = time.as_secs_f64();
        let has_passed = result.is_ok();
        match result {
            Ok(()) => println!("    passed in {seconds:.1} s"),
            Err(error) => println!("    FAILED after {seconds:.1} s: {error}"),
        }
        self.0.push(Step { name: name.to_owned(), has_passed, time });
        has_passed
    }

    /// Prints the table.
    ///
    /// # Errors
    /// Names the steps that have failed.
    pub(super) fn finish(&self) -> Result {
        print!("\n{self}");
        let failed = self.0.iter().filter(|step| !step.has_passed);
        let failed: Vec<_> = failed.map(|step| step.name.as_str()).collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(format!("failed: {}", failed.join(", ")).into())
        }
    }
}

/// A line for each step.
impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Step { name, has_passed, time } in &self.0 {
            let result = if *has_passed { "passed" } else { "FAILED" };
            writeln!(f, "{:>9.1} s  {result}  {name}", time.as_secs_f64())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Steps;

    #[test]
    fn a_step_that_fails_is_named_and_those_behind_it_are_run() {
        let mut steps = Steps::default();
        assert!(steps.run("first", || Ok(())));
        assert!(steps.finish().is_ok());
        assert!(!steps.run("second", || Err("it is wrong".into())));
        assert!(steps.run("third", || Ok(())));
        let table = steps.to_string();
        let lines: Vec<_> = table.lines().filter_map(|line| line.split_once(" s  ")).collect();
        let results: Vec<_> = lines.iter().map(|(_, result)| *result).collect();
        assert_eq!(results, ["passed  first", "FAILED  second", "passed  third"]);
        assert_eq!(steps.finish().unwrap_err().to_string(), "failed: second");
    }
}

//! The one gate: what `.ci/run` and every contributor runs before a change lands.

use std::process::Command;
use std::time::Instant;

use crate::{Result, workspace_root};

/// The gate's steps in order, cheapest complaint first, as a shell would be given them.
///
/// Only the lint step says `--locked`: the test step stays the very command that the README gives,
/// and one step is enough to notice a lock file that was not committed. That command leaves out
/// `evio-sim`, which is no default member of the workspace: with it, `evio-sys` would be compiled
/// with the simulated kernel in it, and not as it is shipped.
const STEPS: [&str; 12] = [
    "cargo fmt --all --check",
    "cargo clippy --locked --workspace --all-targets -- -D warnings",
    "cargo test",
    "cargo test -p evio-sim -p evio-sys",
    "cargo xtask test-kqueue",
    r#"RUSTFLAGS="--cfg loom" cargo test -p evio-sys --lib --target-dir target/loom flag"#,
    "RUSTFLAGS=\"--cfg loom\" cargo test -p evio-core --lib --target-dir target/loom \
     -- inbox connection_limits conn_state",
    r#"RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps"#,
    "cargo xtask tidy",
    "cargo xtask check-targets",
    "cargo xtask instructions",
    "cargo xtask faults --quick",
];

/// Runs the steps until one fails, then prints how long each took.
///
/// # Errors
/// Names the step that failed, in a form that can be pasted into a shell.
pub(crate) fn run() -> Result {
    let seconds = run_steps(&STEPS)?;
    print!("\nci: every step passed\n{}", times(&STEPS, &seconds));
    Ok(())
}

/// Returns how many seconds each step took.
fn run_steps(steps: &[&str]) -> Result<Vec<f32>> {
    let mut times = Vec::new();
    for step in steps {
        println!("\n==> {step}");
        let started = Instant::now();
        let status =
            Command::new("sh").args(["-c", step]).current_dir(workspace_root()).status()?;
        let seconds = started.elapsed().as_secs_f32();
        if !status.success() {
            let error = format!("failed after {seconds:.1} s; to run this step alone:\n    {step}");
            return Err(error.into());
        }
        println!("    passed in {seconds:.1} s");
        times.push(seconds);
    }
    Ok(times)
}

/// Returns a line per step with its time, and one with their sum.
fn times(steps: &[&str], seconds: &[f32]) -> String {
    let total = seconds.iter().sum();
    let rows = steps.iter().zip(seconds.iter()).chain([(&"in total", &total)]);
    rows.map(|(step, seconds)| format!("{seconds:>8.1} s  {step}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{run_steps, times};

    #[test]
    fn the_first_failing_step_ends_the_run_and_is_named() {
        assert_eq!(run_steps(&["true", "true"]).unwrap().len(), 2);

        let error = run_steps(&["true", "exit 7", "exit 8"]).unwrap_err().to_string();
        assert!(error.contains("exit 7"), "{error}");
        assert!(!error.contains("exit 8"), "{error}");
    }

    #[test]
    fn the_times_end_with_their_sum() {
        let table = "     1.5 s  a\n   100.0 s  b\n   101.5 s  in total\n";
        assert_eq!(times(&["a", "b"], &[1.5, 100.0]), table);
    }
}

//! A test in a process of its own.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

/// In the environment of a test that has a process of its own.
const ALONE: &str = "EVIO_TEST_ALONE";

/// Returns whether the test that runs has a process of its own.
pub(crate) fn is_alone() -> bool {
    env::var_os(ALONE).is_some()
}

/// Runs a test of this binary once more, alone and by `command`, which ends with the arguments that
/// come before a program and its own. Fails as the test does.
#[track_caller]
pub(crate) fn run_alone(test: &str, command: &mut Command) {
    let output = command
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .stdin(Stdio::null())
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{test} failed on its own:\n{stdout}{stderr}");
    assert!(stdout.contains("1 passed"), "there is no test {test}:\n{stdout}");
}

/// Returns a command for this binary, in which the C library gives memory back as soon as a program
/// does: what is resident is then what the program holds.
pub(crate) fn giving_back_memory() -> Command {
    let mut command = Command::new(env::current_exe().expect("the system tells"));
    command.envs([
        ("MALLOC_ARENA_MAX", "1"),
        ("MALLOC_MMAP_THRESHOLD_", "4096"),
        ("MALLOC_TOP_PAD_", "0"),
        ("MALLOC_TRIM_THRESHOLD_", "0"),
    ]);
    command
}

/// Returns how many bytes of memory this process has; only Linux tells.
pub(crate) fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.and_then(|count| count.trim().parse::<usize>().ok()).unwrap_or(0) << 10
}

/// Returns whether a program is there; in the gate it must be.
pub(crate) fn installed(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|folder| folder.join(program).exists());
    if !found {
        let is_gate = env::consts::OS == "linux" && env::var_os("CI").is_some();
        assert!(!is_gate, "{program} is missing; .ci/run installs it");
        eprintln!("skipped: {program} is not installed");
    }
    found
}

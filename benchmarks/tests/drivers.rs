//! The programs that measure within one process come to their end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

#[test]
fn every_request_of_every_case_is_answered() {
    for case in ["echo", "echo-turn", "redis", "http"] {
        let output =
            Command::new(env!("CARGO_BIN_EXE_request-path")).args([case, "400"]).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{case}: {errors}");
    }
}

#[test]
fn notes_arrive_by_all_ways() {
    let table = wake(&[]);
    let names: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.get(..16).map(str::trim_end)).collect();
    let ways = ["tokio bounded", "tokio unbounded", "evio wake", "evio post", "floor"];
    assert_eq!(names, ways, "{table}");

    let lines = wake(&["--json"]);
    let kinds: Vec<&str> = lines.lines().filter_map(|line| line.split('"').nth(1)).collect();
    // Two rounds to warm up, and two that count.
    assert_eq!(kinds, ["progress", "progress", "progress", "progress", "report"]);
}

fn wake(options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wake"));
    let output = command.args(["--turns", "2", "--turn", "5"]).args(options).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

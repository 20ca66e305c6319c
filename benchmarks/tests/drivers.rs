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
    let output = Command::new(env!("CARGO_BIN_EXE_wake"))
        .args(["--turns", "2", "--turn", "5"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let table = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> =
        table.lines().skip(1).filter_map(|line| line.get(..16).map(str::trim_end)).collect();
    assert_eq!(names, ["tokio bounded", "tokio unbounded", "evio wake", "evio post"], "{table}");
}

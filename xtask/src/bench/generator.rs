//! One run of the load generator.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::children::Children;
use super::programs::{Programs, Server};
use super::results::{Case, Report};

/// Length of a turn: long enough that its ends do not count, short enough that all servers of a
/// round meet the same moods of the machine.
pub(super) const TURN: Duration = Duration::from_millis(60);

/// Turns of each server before the first one that counts. Caches, branch predictors and the
/// kernel's socket buffers settle within the first.
const WARM_UP: usize = 4;

/// What opening thousands of connections may take at most.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// How many times longer than planned a run may take: reading the CPU time of a thousand threads
/// and waiting for the last replies are not planned for.
const SLOWNESS: u32 = 5;

/// How long the generator may take to end after its report.
const END_LIMIT: Duration = Duration::from_secs(10);

/// One line of the generator's output.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Progress { done: usize, total: usize },
    Report(Report),
}

/// Puts all `servers` under the load of `case` and returns their figures. Calls `progress` with the
/// number of rounds that are over and of all rounds.
pub(super) fn drive(
    programs: &Programs,
    children: &Children,
    servers: &[Server],
    case: Case,
    turns: usize,
    mut progress: impl FnMut(usize, usize),
) -> crate::Result<Report> {
    let mut command = programs.generator();
    for Server { name, address, pid } in servers {
        command.arg("--target").arg(format!("{name}={address}/{pid}"));
    }
    for (option, value) in [
        ("--connections", u64::from(case.connections)),
        ("--size", case.size),
        ("--pipeline", u64::from(case.pipeline)),
        ("--turn", TURN.as_millis() as u64),
        ("--turns", turns as u64),
        ("--warm-up", WARM_UP as u64),
    ] {
        command.arg(option).arg(value.to_string());
    }
    let child = children.start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let lines = read_lines(child.stdout.ok_or("the generator's stdout is not piped")?);

    let planned = TURN * ((turns + WARM_UP) * servers.len()) as u32;
    let deadline = Instant::now() + CONNECT_LIMIT + planned * SLOWNESS;
    let mut report = None;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => match serde_json::from_str(&line)? {
                Line::Progress { done, total } => progress(done, total),
                Line::Report(last) => report = Some(last),
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err("the generator takes too long".into()),
        }
    }
    let status = children.wait(child.pid, END_LIMIT)?;
    report.ok_or_else(|| format!("the generator ended without a report: {status}").into())
}

/// Reads lines in a thread of its own, so that waiting for them can have a limit.
fn read_lines(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_generator() {
        let text = r#"{"progress":{"done":1,"total":9}}"#;
        let progress: Line = serde_json::from_str(text).unwrap();
        assert_eq!(progress, Line::Progress { done: 1, total: 9 });

        let text = r#"{"report":{"seed":5,"servers":[{"name":"floor","turns":2,"requests":10,
            "requests_per_second":{"low":1.0,"median":2.0,"high":3.0},
            "latency":{"p50":1,"p99":2,"p999":3,"max":4},
            "cpu_per_request":{"low":4.0,"median":5.0,"high":6.0},
            "ratio":{"low":1.0,"median":1.0,"high":1.0}}]}}"#;
        let Line::Report(report) = serde_json::from_str(text).unwrap() else {
            panic!("a report is a report");
        };
        assert_eq!((report.seed, report.servers[0].cpu_per_request.median), (5, 5.0));

        assert!(serde_json::from_str::<Line>("{}").is_err());
    }
}

//! One run of the load generator.

use std::io::{BufRead, BufReader};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::case::{Load, OPEN};
use super::programs::{Programs, Server};
use super::results::{Latency, ServerResults, Spread};
use crate::children::Children;

/// What opening thousands of connections may take at most.
const CONNECT_LIMIT: Duration = Duration::from_secs(60);

/// How many times longer than planned a run may take: reading the CPU time of a thousand threads
/// and waiting for the last replies are not planned for.
const SLOWNESS: u32 = 5;

/// How long such a program may take to end after its report.
const END_LIMIT: Duration = Duration::from_secs(10);

/// One line of what a program prints that measures.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line<R> {
    Progress { done: usize, total: usize },
    Report(R),
}

/// What the generator reports at the end.
#[derive(Debug, PartialEq, Deserialize)]
struct Report {
    servers: Vec<ServerReport>,
}

/// The figures of one server, times in nanoseconds.
#[derive(Debug, PartialEq, Deserialize)]
struct ServerReport {
    name: String,
    requests: u64,
    lost: u64,
    requests_per_second: Spread,
    latency: Percentiles,
    cpu_per_request: Spread,
    cpu_of_rounds: Vec<f64>,
    ratio: Spread,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Percentiles {
    p50: Spread,
    p99: Spread,
    p999: Spread,
}

/// Figures of a server and how many requests they are made from.
#[derive(Debug)]
pub(super) struct Driven {
    pub(super) requests: u64,
    pub(super) results: ServerResults,
}

/// Puts all `servers` under `load` and returns their figures. Calls `progress` with the number of
/// rounds that are over and of all rounds.
pub(super) fn drive(
    programs: &Programs,
    children: &Children,
    servers: &[Server],
    load: Load,
    progress: impl FnMut(usize, usize),
) -> crate::Result<Vec<Driven>> {
    let mut command = programs.generator();
    for Server { name, endpoint, pid } in servers {
        command.arg("--target").arg(format!("{name}={endpoint}/{pid}"));
    }
    command.args(load.options());
    let turns = load.turns() * load.patience + load.warm_up as usize;
    let turn = Duration::from_millis(load.turn.into());
    let planned = turn * (turns * servers.len()) as u32;
    let report: Report =
        follow(children, &mut command, CONNECT_LIMIT + planned * SLOWNESS, progress)?;
    let mut driven: Vec<Driven> = report.servers.into_iter().map(Driven::from).collect();
    if !servers.iter().any(|server| server.endpoint.starts_with("udp:")) {
        // On a network that loses nothing there is nothing to say.
        driven.iter_mut().for_each(|driven| driven.results.lost = None);
    }
    if load.pace != OPEN {
        // Where requests follow on replies, waiting times say little, and this even less.
        driven.iter_mut().for_each(|driven| driven.results.p99_spread = None);
    }
    Ok(driven)
}

/// Runs a program that measures, and returns its report. Calls `progress` as [`drive`] does.
pub(super) fn follow<R: DeserializeOwned>(
    children: &Children,
    command: &mut Command,
    limit: Duration,
    mut progress: impl FnMut(usize, usize),
) -> crate::Result<R> {
    let deadline = Instant::now() + limit;
    let child = children.start(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let lines = read_lines(child.stdout.ok_or("the program's stdout is not piped")?);
    let mut report = None;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => match serde_json::from_str(&line)? {
                Line::Progress { done, total } => progress(done, total),
                Line::Report(last) => report = Some(last),
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => return Err("measuring takes too long".into()),
        }
    }
    let status = children.wait(child.pid, END_LIMIT)?;
    Ok(report.ok_or_else(|| format!("the program ended without a report: {status}"))?)
}

impl From<ServerReport> for Driven {
    fn from(report: ServerReport) -> Self {
        let Percentiles { p50, p99, p999 } = report.latency;
        let results = ServerResults {
            name: report.name,
            requests_per_second: Some(report.requests_per_second),
            cpu_ns: Some(report.cpu_per_request),
            cpu_of_rounds: report.cpu_of_rounds,
            cpu_ratio: Some(report.ratio.median),
            cpu_ratio_spread: Some(report.ratio.relative()),
            latency_us: Some(Latency::from_nanos(p50.median, p99.median, p999.median)),
            p99_spread: Some(p99.relative()),
            lost: Some(report.lost),
            ..ServerResults::default()
        };
        Self { requests: report.requests, results }
    }
}

/// Reads lines in a thread of its own, so that waiting for them can have a limit.
pub(super) fn read_lines(stdout: ChildStdout) -> Receiver<String> {
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
        let progress: Line<Report> = serde_json::from_str(text).unwrap();
        assert_eq!(progress, Line::Progress { done: 1, total: 9 });

        let text = r#"{"report":{"seed":5,"servers":[{"name":"floor","turns":2,"requests":10,
            "lost":3,"requests_per_second":{"low":1.0,"median":2.0,"high":3.0},
            "latency":{"p50":{"low":900.0,"median":1000.0,"high":1100.0},
            "p99":{"low":1900.0,"median":2000.0,"high":2900.0},
            "p999":{"low":2500.0,"median":3000.0,"high":3500.0},"max":4000},
            "cpu_per_request":{"low":4.0,"median":5.0,"high":6.0},"cpu_of_rounds":[4.0,6.0],
            "ratio":{"low":0.5,"median":1.0,"high":1.0}}]}}"#;
        let Line::Report::<Report>(mut report) = serde_json::from_str(text).unwrap() else {
            panic!("a report is a report");
        };
        let Driven { requests, results } = report.servers.remove(0).into();
        assert_eq!((requests, results.lost, results.cpu_ratio_spread), (10, Some(3), Some(0.25)));
        assert_eq!(results.p99_spread, Some(0.25));
        assert_eq!(results.latency_us, Some(Latency { p50: 1.0, p99: 2.0, p999: 3.0 }));

        assert!(serde_json::from_str::<Line<Report>>("{}").is_err());
    }
}

//! The generator against each baseline server: all answers right, all requests counted.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::Duration;

use evio_benchmarks::load::{Driver, Endpoint, Pace, Plan, Target};
use evio_benchmarks::report::summarize;

/// A server in a process of its own, which ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
    /// Kept so that the server can go on writing to it.
    _stderr: BufReader<ChildStderr>,
}

impl Server {
    fn start(program: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(program)
            .args(arguments)
            .args(["--port", "0"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("cargo has built the server");
        let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        stderr.read_line(&mut line).expect("the server says where it listens");
        let address = line
            .trim_end()
            .strip_prefix("listening on tcp://")
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("{program} says {line:?}"));
        Self { child, address, _stderr: stderr }
    }

    fn target(&self, name: &str) -> Target {
        Target {
            name: name.to_owned(),
            endpoint: Endpoint::Tcp(self.address),
            pid: self.child.id(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn plan(connections: usize, size: u64, pipeline: usize) -> Plan {
    let turn = Duration::from_millis(20);
    Plan {
        pace: Pace::Closed,
        connections,
        idle: 0,
        size,
        pipeline,
        turn,
        warm_up: 1,
        turns: 3,
        most_turns: 3,
        precision: 0.01,
        group: 2,
        seed: 20,
    }
}

#[test]
fn baselines_answer_every_request() {
    let servers = [
        ("floor", Server::start(env!("CARGO_BIN_EXE_floor-echo"), &[])),
        ("floor-deferred", Server::start(env!("CARGO_BIN_EXE_floor-deferred"), &[])),
        ("floor, 3 loops", Server::start(env!("CARGO_BIN_EXE_floor-echo"), &["--loops", "3"])),
        ("mio", Server::start(env!("CARGO_BIN_EXE_mio-echo"), &[])),
        ("tokio", Server::start(env!("CARGO_BIN_EXE_tokio-echo"), &[])),
        ("tokio-multi", Server::start(env!("CARGO_BIN_EXE_tokio-echo"), &["--loops", "0"])),
        ("threads", Server::start(env!("CARGO_BIN_EXE_threads-echo"), &[])),
    ];
    let targets: Vec<Target> = servers.iter().map(|(name, server)| server.target(name)).collect();

    // One byte; a size that no buffer is a multiple of; one that no socket takes at once.
    for (connections, size, pipeline) in [(1, 1, 1), (20, 1000, 16), (2, 4 << 20, 2)] {
        let plan = plan(connections, size, pipeline);
        let mut rounds = Vec::new();
        let measurements = Driver::connect(&targets, plan)
            .unwrap()
            .run(|done, total| rounds.push((done, total)))
            .unwrap();
        assert_eq!(rounds, [(1, 4), (2, 4), (3, 4), (4, 4)]);

        let report = summarize(plan.seed, plan.group, &measurements);
        assert_eq!(report.servers.len(), targets.len());
        for ((measured, server), target) in measurements.iter().zip(&report.servers).zip(&targets) {
            let context = format!("{}: {plan:?}", target.name);
            assert_eq!(server.name, target.name);
            assert_eq!((measured.turns.len(), server.turns), (3, 3), "{context}");
            // Each turn answers at least what it first asks for, and each answer has its latency.
            let least = (connections * pipeline) as u64;
            assert!(measured.turns.iter().all(|turn| turn.requests >= least), "{context}");
            assert_eq!(server.requests, measured.latency.len(), "{context}");
            // No reply takes longer than its turn, save for the histogram's own rounding.
            let longest = measured.turns.iter().map(|turn| turn.elapsed.as_nanos()).max().unwrap();
            assert!(u128::from(server.latency.max) <= longest + longest / 500, "{context}");
            // A send and a receive alone take longer than this.
            assert!(server.latency.p50.median > 100.0, "{context}: {:?}", server.latency);
        }
    }
}

#[test]
fn server_that_is_gone_is_named() {
    let server = Server::start(env!("CARGO_BIN_EXE_floor-echo"), &[]);
    let target = server.target("the floor");
    drop(server);
    let error = Driver::connect(&[target], plan(1, 64, 1)).unwrap_err();
    assert!(error.to_string().starts_with("the floor at tcp://127.0.0.1:"), "{error}");
}

#[test]
fn server_that_dies_during_the_run_is_an_error() {
    let server = Server::start(env!("CARGO_BIN_EXE_floor-echo"), &[]);
    let driver = Driver::connect(&[server.target("floor")], plan(5, 64, 1)).unwrap();
    let mut server = Some(server);
    let error = driver.run(|_, _| drop(server.take())).unwrap_err();
    assert!(error.to_string().starts_with("floor at "), "{error}");
}

#[test]
fn every_pace_is_answered() {
    let servers = [
        ("floor", Server::start(env!("CARGO_BIN_EXE_floor-echo"), &[])),
        ("threads", Server::start(env!("CARGO_BIN_EXE_threads-echo"), &[])),
    ];
    let targets: Vec<Target> = servers.iter().map(|(name, server)| server.target(name)).collect();
    let plan = plan(10, 1000, 1);
    for plan in [
        Plan { pace: Pace::Churn, ..plan },
        Plan { pace: Pace::Open, ..plan },
        Plan { idle: 300, ..plan },
        Plan { most_turns: 6, precision: 0.0, ..plan },
    ] {
        let measurements = Driver::connect(&targets, plan).unwrap().run(|_, _| ()).unwrap();
        for server in summarize(plan.seed, plan.group, &measurements).servers {
            let context = format!("{}: {plan:?}", server.name);
            assert_eq!(server.turns, plan.most_turns, "{context}");
            assert!(server.requests > 10 && server.lost == 0, "{context}: {server:?}");
        }
        // Every request has its latency, and those of the warm-up have none.
        for measured in &measurements {
            let answered: u64 = measured.turns.iter().map(|turn| turn.requests).sum();
            assert_eq!(answered, measured.latency.len(), "{plan:?}");
        }
    }
}

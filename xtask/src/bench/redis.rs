//! The redis suite: the example server beside redis-server, driven by redis-benchmark.

use std::io::{self, Read, Write};

use super::driver::{self, Driver};
use super::http::on_two_loops;
use super::outside::{Contender, Place, Program, Server, Tool};
use super::results::{Latency, SuiteResults};
use super::run::Run;
use super::turns::Outcome;

/// What all others are compared to, and this project's server.
pub(super) const CONTENDERS: &[Contender] = &[
    Contender {
        name: "redis-server",
        program: Program::Installed(Tool {
            program: "redis-server",
            package: "redis-server",
            version_option: "--version",
        }),
        arguments: redis_arguments,
    },
    Contender {
        name: FLOOR,
        program: Program::Built { program: "floor-redis", package: "evio-benchmarks" },
        arguments: evio_arguments,
    },
    Contender {
        name: "evio",
        program: Program::Built { program: "redis-server", package: "evio" },
        arguments: evio_arguments,
    },
    Contender {
        name: "evio, 2 loops",
        program: Program::Built { program: "redis-server", package: "evio" },
        arguments: |place| Ok(on_two_loops(evio_arguments(place)?)),
    },
];

/// The server that has no store to fill.
const FLOOR: &str = "floor";

pub(super) const REDIS_BENCHMARK: Tool =
    Tool { program: "redis-benchmark", package: "redis-tools", version_option: "--version" };

/// Connections to the server.
const CONNECTIONS: u32 = 50;

/// Keys that the commands choose from at random: more than the caches hold.
const KEYS: u32 = 100_000;

/// Requests that fill the store before it is asked for values: with ten to a key, all but a few
/// keys are set.
const FILL: u64 = 10 * KEYS as u64;

/// A load on the servers.
#[derive(Debug, Clone, Copy)]
struct Load {
    key: &'static str,
    title: &'static str,
    /// What redis-benchmark calls the command.
    command: &'static str,
    pipeline: u32,
    /// Whether connections are kept after the first reply.
    keep: bool,
}

const fn load(
    key: &'static str,
    title: &'static str,
    command: &'static str,
    pipeline: u32,
) -> Load {
    Load { key, title, command, pipeline, keep: true }
}

const LOADS: &[Load] = &[
    load("set-1", "SET, 1 in flight", "set", 1),
    load("get-1", "GET, 1 in flight", "get", 1),
    load("set-8", "SET, 8 in flight", "set", 8),
    load("get-8", "GET, 8 in flight", "get", 8),
    load("set-16", "SET, 16 in flight", "set", 16),
    load("get-16", "GET, 16 in flight", "get", 16),
    load("set-128", "SET, 128 in flight", "set", 128),
    load("get-128", "GET, 128 in flight", "get", 128),
    load("ping-128", "PING, 128 in flight", "ping_mbulk", 128),
    Load { keep: false, ..load("connect", "connect, SET, close", "set", 1) },
];

/// What comes before the first `get`.
const FILLING: Load = load("fill", "filling", "set", 64);

/// What a turn should take: beside it, starting redis-benchmark and connecting does not count.
const TURN: f64 = 0.3;

/// Requests per message in flight of the turn that finds out how many fill a turn.
const TRIAL: u64 = 5_000;

/// Most connections to one server in a case: a closed one holds a port of this machine for a
/// minute, and there may be 28,000 to connect from.
const MAX_CONNECTS: usize = 24_000;

fn redis_arguments(place: &Place) -> io::Result<Vec<String>> {
    let port = place.address.port().to_string();
    let socket = place.socket().display().to_string();
    let directory = place.directory.display().to_string();
    // Nothing is written to disk, as with the example.
    let arguments = [
        ["--port", &port],
        ["--bind", "127.0.0.1"],
        ["--unixsocket", &socket],
        ["--save", ""],
        ["--appendonly", "no"],
        ["--dir", &directory],
    ];
    Ok(arguments.as_flattened().iter().map(ToString::to_string).collect())
}

fn evio_arguments(place: &Place) -> io::Result<Vec<String>> {
    let port = place.address.port().to_string();
    let socket = place.socket().display().to_string();
    Ok(["--port", &port, "--unix-socket", &socket].map(str::to_owned).to_vec())
}

/// Drives redis servers.
struct RedisBenchmark {
    /// Whether the servers are reached over their Unix sockets.
    unix: bool,
    /// Requests of a turn.
    requests: u64,
}

impl RedisBenchmark {
    fn arguments(&self, server: &Server, load: &Load, requests: u64) -> Vec<String> {
        let mut arguments = if self.unix {
            vec!["-s".to_owned(), server.place.socket().display().to_string()]
        } else {
            vec!["-p".to_owned(), server.place.address.port().to_string()]
        };
        for (option, value) in [
            ("-c", u64::from(CONNECTIONS)),
            ("-n", requests),
            ("-P", u64::from(load.pipeline)),
            ("-r", u64::from(KEYS)),
            ("-k", u64::from(load.keep)),
        ] {
            arguments.extend([option.to_owned(), value.to_string()]);
        }
        arguments.extend(["-t".to_owned(), load.command.to_owned()]);
        arguments
    }

    fn drive(
        &self,
        run: &Run,
        server: &Server,
        load: &Load,
        requests: u64,
    ) -> crate::Result<Outcome> {
        let printed = run.drive_with(REDIS_BENCHMARK, &self.arguments(server, load, requests))?;
        let outcome = parse_summary(&printed, requests);
        outcome.ok_or_else(|| format!("redis-benchmark printed {printed:?}").into())
    }
}

impl Driver for RedisBenchmark {
    type Load = Load;

    const SUITE: &'static str = "redis";
    const TOOL: Tool = REDIS_BENCHMARK;
    const CONTENDERS: &'static [Contender] = CONTENDERS;
    const LOADS: &'static [Load] = LOADS;
    const TURN: f64 = TURN;

    fn name(load: &Load) -> (&'static str, &'static str) {
        (load.key, load.title)
    }

    fn prepare(&mut self, run: &Run, servers: &[Server], load: &Load) -> crate::Result {
        let mut slowest = f64::INFINITY;
        // One turn more is the trial.
        let connects = (MAX_CONNECTS / (1 + driver::turns_of::<Self>(run))) as u64;
        for server in servers {
            check(server)?;
            if load.command == "get" && server.name != FLOOR {
                self.drive(run, server, &FILLING, FILL)?;
            }
            let trial = if load.keep { TRIAL * u64::from(load.pipeline) } else { connects };
            let outcome = self.drive(run, server, load, trial)?;
            slowest = slowest.min(outcome.requests_per_second);
        }
        let requests = (slowest * TURN) as u64;
        self.requests = if load.keep { requests } else { requests.min(connects) }.max(1);
        Ok(())
    }

    fn turn(&self, run: &Run, server: &Server, load: &Load) -> crate::Result<Outcome> {
        self.drive(run, server, load, self.requests)
    }
}

/// Checks one reply of each command, because redis-benchmark does not look at what it is sent. The
/// value is one that it sets, for the floor knows no other.
fn check(server: &Server) -> crate::Result {
    let mut stream = server.connect()?;
    for (command, expected) in [
        ("*3\r\n$3\r\nSET\r\n$5\r\nprobe\r\n$3\r\nxxx\r\n", "+OK\r\n"),
        ("*2\r\n$3\r\nGET\r\n$5\r\nprobe\r\n", "$3\r\nxxx\r\n"),
        ("*1\r\n$4\r\nPING\r\n", "+PONG\r\n"),
    ] {
        stream.write_all(command.as_bytes())?;
        let mut reply = vec![0; expected.len()];
        stream.read_exact(&mut reply)?;
        if reply != expected.as_bytes() {
            let reply = String::from_utf8_lossy(&reply);
            return Err(format!("{} answers {command:?} with {reply:?}", server.name).into());
        }
    }
    Ok(())
}

/// Reads what redis-benchmark prints at its end, below its progress.
fn parse_summary(printed: &str, requests: u64) -> Option<Outcome> {
    let rate = printed.lines().find_map(|line| line.trim().strip_prefix("throughput summary: "))?;
    let figures = printed.lines().rev().find(|line| !line.trim().is_empty())?;
    let figures: Vec<f64> =
        figures.split_whitespace().map(|figure| figure.parse().ok()).collect::<Option<_>>()?;
    let &[_mean, _least, p50, _p95, p99, _most] = figures.as_slice() else { return None };
    let p999 = printed
        .lines()
        .filter_map(parse_percentile)
        .filter(|(percent, _)| *percent >= 99.9)
        .map(|(_, millis)| millis)
        .fold(f64::INFINITY, f64::min);
    Some(Outcome {
        requests,
        requests_per_second: rate.strip_suffix(" requests per second")?.parse().ok()?,
        latency: Some(Latency {
            p50: p50 * 1e3,
            p99: p99 * 1e3,
            p999: p999.is_finite().then_some(p999 * 1e3)?,
        }),
    })
}

/// Reads how many percent of the requests took how many milliseconds at most.
fn parse_percentile(line: &str) -> Option<(f64, f64)> {
    let (percent, rest) = line.split_once("% <= ")?;
    let (millis, _) = rest.split_once(" milliseconds")?;
    Some((percent.parse().ok()?, millis.parse().ok()?))
}

/// Measures all cases.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let unix = run.args.unix;
    let mut results = driver::measure(run, RedisBenchmark { unix, requests: 0 })?;
    if unix {
        // Not to be taken for the same suite over TCP.
        results.suite += "-unix";
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "SET: rps=0.0 (overall: 0.0) avg_msec=-nan (overall: -nan)\r      \r\
====== SET ======
  100000 requests completed in 0.26 seconds

Latency by percentile distribution:
0.000% <= 0.415 milliseconds (cumulative count 16)
99.805% <= 5.383 milliseconds (cumulative count 99808)
99.902% <= 5.511 milliseconds (cumulative count 99904)
100.000% <= 5.711 milliseconds (cumulative count 100000)

Cumulative distribution of latencies:
99.408% <= 5.103 milliseconds (cumulative count 99408)
100.000% <= 6.103 milliseconds (cumulative count 100000)

Summary:
  throughput summary: 378787.88 requests per second
  latency summary (msec):
          avg       min       p50       p95       p99       max
        1.869     0.408     1.695     3.831     4.919     5.711

";

    #[test]
    fn figures_of_redis_benchmark() {
        let outcome = parse_summary(PRINTED, 100).unwrap();
        assert_eq!((outcome.requests, outcome.requests_per_second), (100, 378_787.88));
        let Latency { p50, p99, p999 } = outcome.latency.unwrap();
        assert_eq!([p50, p99, p999].map(f64::round), [1695.0, 4919.0, 5511.0]);
    }

    #[test]
    fn failure_of_redis_benchmark_has_no_figures() {
        let unsummed = PRINTED.split("Summary").next().unwrap();
        let rateless = PRINTED.replace("throughput", "");
        let wordy = PRINTED.replace("4.919", "nothing");
        let flat = PRINTED.replace("% <=", "% <");
        for bad in ["", "Could not connect\n", unsummed, &rateless, &wordy, &flat] {
            assert_eq!(parse_summary(bad, 100), None, "{bad:?}");
        }
    }

    #[test]
    fn loads_have_keys_of_their_own() {
        let mut keys: Vec<&str> = LOADS.iter().map(|load| load.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), LOADS.len());
    }
}

//! The neighbours suite: what a noisy client takes from a server's other clients.

use std::time::Duration;

use serde::Deserialize;

use super::generator;
use super::http;
use super::outside::{self, Contender, Program, Server};
use super::peers;
use super::progress::Progress;
use super::proxy;
use super::redis;
use super::results::{CaseResults, Paced, ServerResults, Spread, SuiteResults};
use super::run::Run;
use super::table;

/// Servers that do the same.
struct Group {
    key: &'static str,
    title: &'static str,
    /// What the generator calls the protocol.
    protocol: &'static str,
    /// Returns the servers; what the others are compared to comes first.
    contenders: fn() -> Vec<Contender>,
    /// Whether they are in front of an echo server.
    has_upstream: bool,
    neighbours: &'static [Neighbour],
}

/// Who shares a server with the paced clients.
struct Neighbour {
    /// What the generator calls it.
    key: &'static str,
    title: &'static str,
}

const fn neighbour(key: &'static str, title: &'static str) -> Neighbour {
    Neighbour { key, title }
}

const NOBODY: Neighbour = neighbour("nobody", "nobody");

/// The neighbours of servers that answer requests.
const CLIENTS: &[Neighbour] = &[
    NOBODY,
    neighbour("pipelining", "200 clients that pipeline without end"),
    neighbour("deaf", "1,000 clients that send and never read"),
    neighbour("bulk", "20 clients that send 1 MiB each time"),
    neighbour("churn", "connect, ask, reset, without end"),
    neighbour("hostile", "1,000 silent, 1,000 dripping, 1,000 that never read, one that pipelines"),
];

/// Those of the hubs.
const CROWDS: &[Neighbour] = &[
    NOBODY,
    neighbour("udp", "a flood of datagrams"),
    neighbour("broadcast", "10,000 messages a second to everyone"),
];

const GROUPS: &[Group] = &[
    Group {
        key: "http",
        title: "HTTP",
        protocol: "http",
        contenders: || {
            let others = outside::pick(http::CONTENDERS, &["evio", "nginx", "haproxy"]);
            [HYPER].into_iter().chain(others).collect()
        },
        has_upstream: false,
        neighbours: CLIENTS,
    },
    Group {
        key: "redis",
        title: "redis",
        protocol: "redis",
        contenders: || outside::pick(redis::CONTENDERS, &["redis-server", "evio"]),
        has_upstream: false,
        neighbours: CLIENTS,
    },
    Group {
        key: "proxy",
        title: "TCP proxy",
        protocol: "echo",
        contenders: || {
            let others = outside::pick(proxy::CONTENDERS, &["evio", "haproxy"]);
            [proxy::TOKIO].into_iter().chain(others).collect()
        },
        has_upstream: true,
        neighbours: CLIENTS,
    },
    Group {
        key: "hub",
        title: "hub",
        protocol: "frames",
        contenders: || vec![hub("tokio", "tokio-hub", "tokio"), hub("evio", "evio-hub", "evio")],
        has_upstream: false,
        neighbours: CROWDS,
    },
];

/// Unlike in the suite `http`, it answers clients whose requests never come to an end.
const HYPER: Contender = Contender {
    name: "hyper",
    program: Program::Built { program: "hyper-http", package: "hyper" },
    arguments: |place| Ok([http::port(place), vec!["--flush-each".to_owned()]].concat()),
};

/// A server of connections and datagrams on one address, where a message may be for everyone.
fn hub(name: &'static str, program: &'static str, package: &'static str) -> Contender {
    let program = Program::Built { program, package };
    Contender { name, program, arguments: |place| Ok(http::port(place)) }
}

/// Seconds that a turn takes. What a queue does to those behind it shows within tenths of one.
const TURN: f64 = 1.0;

/// How long connecting, the first answers and what a server does after a turn may take.
const AROUND_A_TURN: Duration = Duration::from_secs(30);

/// Figures of one server, times in nanoseconds.
#[derive(Debug, Deserialize)]
struct ServerReport {
    name: String,
    asked: u64,
    answered: u64,
    p50: Option<u64>,
    p99: Option<u64>,
    max: Option<u64>,
    late: Option<u64>,
    served_per_second: Spread,
    cpu_share: Spread,
    cpu_of_rounds: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Report {
    servers: Vec<ServerReport>,
}

/// Returns the servers of all groups.
pub(super) fn contenders() -> Vec<Contender> {
    GROUPS.iter().flat_map(|group| (group.contenders)()).collect()
}

/// Measures all cases.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let cases = GROUPS.iter().map(|group| group.neighbours.len()).sum();
    let mut progress = Progress::new("neighbours", cases);
    let mut results = run.suite("neighbours");
    for group in GROUPS {
        let contenders = run.installed(&(group.contenders)());
        run.versions.extend(outside::versions(None, &contenders));
        for neighbour in group.neighbours {
            let case = case(run, group, &contenders, neighbour, &mut progress)?;
            progress.print(&table::render(&case));
            results.cases.push(case);
        }
    }
    Ok(results)
}

/// Measures one group beside one neighbour.
fn case(
    run: &mut Run,
    group: &Group,
    contenders: &[Contender],
    neighbour: &Neighbour,
    progress: &mut Progress,
) -> crate::Result<CaseResults> {
    let title = format!("{} beside {}", group.title, neighbour.title);
    progress.begin(&title);
    let servers = serve(run, group, contenders)?;
    let (turns, turn) = turns(run.args.duration());
    let mut command = run.programs.neighbour_load();
    for Server { name, pid, place } in &servers {
        command.arg("--target").arg(format!("{name}=tcp://{}/{pid}", place.address));
    }
    command.args(["--protocol", group.protocol, "--neighbour", neighbour.key]);
    command.args(["--turns", &turns.to_string(), "--turn", &turn.as_millis().to_string()]);
    let planned = (turn + AROUND_A_TURN) * turns * servers.len() as u32;
    let advance = |done, total| progress.advance(done, total);
    let report: Report = generator::follow(&run.children, &mut command, planned, advance)?;
    run.children.end_all();
    let first = report.servers.first().map(|server| server.cpu_of_rounds.clone());
    // Without the server that the others are compared to there are no ratios.
    let first = first.filter(|_| contenders[0].name == (group.contenders)()[0].name);
    let servers = report.servers.into_iter().map(|server| server.results(first.as_deref()));
    Ok(CaseResults::new(format!("{}-{}", group.key, neighbour.key), title, servers.collect()))
}

/// Returns how many turns each server has, and how long they are, to fill so many seconds.
fn turns(seconds: f64) -> (u32, Duration) {
    let turns = (seconds / TURN).round().max(1.0);
    (turns as u32, Duration::from_secs_f64(seconds / turns))
}

/// Starts the servers, and what they are in front of. That must not stop when one client does not
/// read, as the floor of the other suites would, and must be fair to its own clients. Those of
/// tokio and mio read a client's bytes as long as there are any; beside thousands of clients, paced
/// ones waited for that, and the longer the faster the proxy was.
fn serve(run: &mut Run, group: &Group, contenders: &[Contender]) -> crate::Result<Vec<Server>> {
    if !group.has_upstream {
        return run.serve_contenders(contenders);
    }
    let upstream = proxy::upstream(run, peers::EVIO)?;
    run.serve_in_front_of(Some(&upstream), contenders)
}

impl ServerReport {
    /// Makes results, with a ratio to what `first` spent in each round.
    fn results(self, first: Option<&[f64]>) -> ServerResults {
        let micros = |nanos: Option<u64>| nanos.map(|nanos| nanos as f64 / 1e3);
        let rounds = self.cpu_of_rounds.iter().zip(first.unwrap_or_default());
        let ratio = Spread::of(rounds.map(|(cpu, first)| cpu / first));
        ServerResults {
            name: self.name,
            paced: Some(Paced {
                asked: self.asked,
                answered: self.answered,
                p50_us: micros(self.p50),
                p99_us: micros(self.p99),
                max_us: micros(self.max),
                late_us: micros(self.late),
            }),
            neighbour_per_second: Some(self.served_per_second),
            cpu_share: Some(self.cpu_share),
            cpu_ns: Spread::of(self.cpu_of_rounds.iter().copied()),
            cpu_ratio: ratio.map(|ratio| ratio.median),
            cpu_ratio_spread: ratio.map(Spread::relative),
            cpu_of_rounds: self.cpu_of_rounds,
            ..ServerResults::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_cases_apart() {
        let keys = |group: &Group| -> Vec<String> {
            let key = |neighbour: &Neighbour| format!("{}-{}", group.key, neighbour.key);
            group.neighbours.iter().map(key).collect()
        };
        let mut keys: Vec<String> = GROUPS.iter().flat_map(keys).collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }

    #[test]
    fn every_group_has_this_project_and_something_to_compare_it_with() {
        for group in GROUPS {
            let names: Vec<&str> = (group.contenders)().iter().map(|server| server.name).collect();
            assert!(names.len() > 1 && names[1] == "evio" && names[0] != "evio", "{names:?}");
            // Its floors wait for a client that does not read.
            assert!(!names.contains(&"floor"), "{names:?}");
        }
    }

    #[test]
    fn seconds_are_filled_with_turns() {
        for (seconds, count, millis) in
            [(0.1, 1, 100), (0.7, 1, 700), (3.0, 3, 1000), (3.6, 4, 900)]
        {
            assert_eq!(turns(seconds), (count, Duration::from_millis(millis)), "{seconds}");
        }
    }

    #[test]
    fn report_becomes_results() {
        let text = r#"{"servers":[{"name":"evio","asked":100,"answered":60,"p50":5000,"p99":null,
            "max":null,"late":1000,"served_per_second":{"low":1.0,"median":2.0,"high":3.0},
            "cpu_share":{"low":0.1,"median":0.2,"high":0.3},"cpu_of_rounds":[10.0,30.0]}]}"#;
        let mut report: Report = serde_json::from_str(text).unwrap();
        let results = report.servers.remove(0).results(Some(&[20.0, 60.0]));
        let paced = results.paced.unwrap();
        assert_eq!((paced.p50_us, paced.p99_us, paced.late_us), (Some(5.0), None, Some(1.0)));
        assert_eq!(paced.percent_answered(), 60.0);
        assert_eq!((results.cpu_ratio, results.cpu_ns.unwrap().median), (Some(0.5), 20.0));
    }
}

//! Results for the tests of what is made from them.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::results::{CaseResults, Latency, Results, ServerResults, Spread, SuiteResults};

pub(super) fn results(suites: Vec<SuiteResults>) -> Results {
    Results {
        commit: Some("0123456789ab".to_owned()),
        date: "2026-01-31".to_owned(),
        machine: Machine::describe(),
        versions: BTreeMap::from([("nginx".to_owned(), "1.22.1".to_owned())]),
        suites,
    }
}

pub(super) fn suite(name: &str, cases: Vec<CaseResults>) -> SuiteResults {
    SuiteResults { suite: name.to_owned(), duration: 3.0, cases }
}

pub(super) fn case(key: &str, servers: Vec<ServerResults>) -> CaseResults {
    CaseResults { key: key.to_owned(), title: format!("title of {key}"), servers }
}

/// Returns a server that uses so many times the CPU of the first, give or take a hundredth.
pub(super) fn server(name: &str, cpu_ratio: f64) -> ServerResults {
    ServerResults {
        name: name.to_owned(),
        requests_per_second: Some(Spread { low: 9_900.0, median: 10_000.0, high: 10_100.0 }),
        cpu_ratio: Some(cpu_ratio),
        cpu_ratio_spread: Some(0.01),
        latency_us: Some(Latency { p50: 100.0, p99: 200.0, p999: 300.0 }),
        ..ServerResults::default()
    }
}

//! The figures of a run as they are kept.
//!
//! Figures are comparable within one case only: its servers ran at once and took turns.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// Everything that is known after a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    /// The commit that was measured, with `-dirty` behind it when the tree differs.
    pub(super) commit: Option<String>,
    /// The day of the run, as in 2026-01-31.
    pub(super) date: String,
    pub(super) machine: Machine,
    /// Versions of what was measured, by package.
    pub(super) versions: BTreeMap<String, String>,
    pub(super) suites: Vec<SuiteResults>,
}

/// A set of cases that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SuiteResults {
    pub(super) suite: String,
    /// Seconds of load on each server in each case.
    pub(super) duration: f64,
    pub(super) cases: Vec<CaseResults>,
}

/// One case and its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct CaseResults {
    /// Tells the case from the others of its suite, in any run.
    pub(super) key: String,
    pub(super) title: String,
    /// The first is what the others are compared to.
    pub(super) servers: Vec<ServerResults>,
}

impl CaseResults {
    /// Puts the figures of a case together, and compares evio with each of the other servers,
    /// unless they are compared with evio already.
    pub(super) fn new(key: String, title: String, mut servers: Vec<ServerResults>) -> Self {
        let evio = servers.iter().skip(1).find(|server| server.name == "evio");
        let evio = evio.map(|evio| evio.cpu_of_rounds.clone()).unwrap_or_default();
        for server in servers.iter_mut().filter(|server| server.name != "evio") {
            let rounds = evio.iter().zip(&server.cpu_of_rounds);
            let ratio = Spread::of(rounds.map(|(evio, other)| evio / other));
            server.evio_ratio = ratio.map(|ratio| ratio.median);
        }
        Self { key, title, servers }
    }
}

/// The figures of one server in one case. What does not apply is left out.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ServerResults {
    pub(super) name: String,
    pub(super) requests_per_second: Option<Spread>,
    /// CPU nanoseconds that the server spent on a request.
    pub(super) cpu_ns: Option<Spread>,
    /// `cpu_ns` in each round, for comparisons.
    #[serde(skip)]
    pub(super) cpu_of_rounds: Vec<f64>,
    /// `cpu_ns` as a multiple of the first server's, taken in each round.
    pub(super) cpu_ratio: Option<f64>,
    /// Half the distance between the quartiles of `cpu_ratio`, as a fraction of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cpu_ratio_spread: Option<f64>,
    /// The `cpu_ns` of evio as a multiple of this server's, taken in each round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) evio_ratio: Option<f64>,
    pub(super) latency_us: Option<Latency>,
    /// Half the distance between the quartiles of `p99` over the turns, as a fraction of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p99_spread: Option<f64>,
    /// Notes that a loop takes from other threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notes_per_second: Option<Spread>,
    /// The same as a multiple of the first server's, taken in each round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) notes_ratio: Option<Spread>,
    /// The median latency of a round as a multiple of the first server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p50_ratio: Option<Spread>,
    /// What the clients were given that a noisy neighbour should not disturb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) paced: Option<Paced>,
    /// How often the server did what the neighbour is there for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) neighbour_per_second: Option<Spread>,
    /// CPU time of the server per second, as a fraction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cpu_share: Option<Spread>,
    /// Resident memory that a connection adds to the server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bytes_per_connection: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) syscalls_per_request: Option<f64>,
    /// Datagrams that were not answered in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<u64>,
}

/// A median over the turns, and the quartiles below and above it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    /// Returns the quartiles of `figures`, or `None` when there are none.
    pub(super) fn of(figures: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let at = |fraction: f64| {
            let rank = fraction * last as f64;
            let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
            below + (above - below) * rank.fract()
        };
        Some(Self { low: at(0.25), median: at(0.5), high: at(0.75) })
    }

    /// Returns half the distance of the quartiles, as a fraction of the median.
    pub(super) fn relative(self) -> f64 {
        (self.high - self.low) / (2.0 * self.median)
    }
}

/// Percentiles of the time from a request to its whole reply, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
}

/// Requests on a schedule, and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Paced {
    pub(super) asked: u64,
    /// Those that were answered before their turn was over.
    pub(super) answered: u64,
    /// Microseconds that half of all requests waited at most, from when they were due. Absent where
    /// so many were not answered.
    pub(super) p50_us: Option<f64>,
    pub(super) p99_us: Option<f64>,
    pub(super) max_us: Option<f64>,
    /// Microseconds that the generator was late with 99 % of the requests at most.
    pub(super) late_us: Option<f64>,
}

impl Paced {
    /// Returns how many of a hundred requests were answered.
    pub(super) fn percent_answered(&self) -> f64 {
        self.answered as f64 * 100.0 / self.asked.max(1) as f64
    }
}

impl Results {
    /// Writes the results to `file`.
    pub(super) fn write(&self, file: &Path) -> crate::Result {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(file, text)
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spread_is_half_the_distance_of_the_quartiles() {
        let spread = Spread { low: 9.0, median: 10.0, high: 13.0 };
        assert_eq!(spread.relative(), 0.2);
    }

    #[test]
    fn evio_is_compared_with_each_of_the_others() {
        let server = |name: &str, cpu_of_rounds: &[f64]| ServerResults {
            name: name.to_owned(),
            cpu_of_rounds: cpu_of_rounds.to_vec(),
            ..ServerResults::default()
        };
        // The machine is slower in the second round, for all of them.
        let floor = server("floor", &[2.0, 20.0]);
        let servers = vec![floor, server("evio", &[3.0, 30.0]), server("mio", &[4.0, 40.0])];
        let case = CaseResults::new(String::new(), String::new(), servers.clone());
        let ratios: Vec<_> = case.servers.iter().map(|server| server.evio_ratio).collect();
        assert_eq!(ratios, [Some(1.5), None, Some(0.75)]);

        for servers in [&servers[..1], &servers[1..]] {
            let case = CaseResults::new(String::new(), String::new(), servers.to_vec());
            assert!(case.servers.iter().all(|server| server.evio_ratio.is_none()));
        }
    }

    #[test]
    fn what_does_not_apply_may_be_missing() {
        let server: ServerResults = serde_json::from_str(
            r#"{"name": "evio", "requests_per_second": null, "cpu_ns": null, "cpu_ratio": null,
                "latency_us": null, "bytes_per_connection": 160.5}"#,
        )
        .unwrap();
        let expected = ServerResults {
            name: "evio".to_owned(),
            bytes_per_connection: Some(160.5),
            ..ServerResults::default()
        };
        assert_eq!(server, expected);
        let text = serde_json::to_string(&server).unwrap();
        assert!(text.contains("\"cpu_ns\":null") && !text.contains("lost"), "{text}");
    }
}

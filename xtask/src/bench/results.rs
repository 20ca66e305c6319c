//! The figures of a run, as the generator reports them and as they are kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::machine::Machine;

/// Everything that is known after a run.
#[derive(Debug, Serialize)]
pub(super) struct Results {
    pub(super) suite: &'static str,
    pub(super) machine: Machine,
    /// Versions of what was measured, by package.
    pub(super) versions: BTreeMap<&'static str, String>,
    /// Seconds of load on each server in each case.
    pub(super) duration: f64,
    pub(super) cases: Vec<CaseResults>,
}

/// One case and its figures.
#[derive(Debug, Serialize)]
pub(super) struct CaseResults {
    #[serde(flatten)]
    pub(super) case: Case,
    #[serde(flatten)]
    pub(super) report: Report,
}

/// The load that all servers are put under.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Case {
    pub(super) connections: u32,
    /// Bytes per message.
    pub(super) size: u64,
    /// Messages in flight per connection.
    pub(super) pipeline: u32,
}

/// What the generator reports at the end.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Report {
    pub(super) seed: u64,
    pub(super) servers: Vec<ServerReport>,
}

/// The figures of one server.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ServerReport {
    pub(super) name: String,
    pub(super) turns: usize,
    pub(super) requests: u64,
    pub(super) requests_per_second: Spread,
    pub(super) latency: Latency,
    /// CPU nanoseconds of the server.
    pub(super) cpu_per_request: Spread,
    /// `cpu_per_request` as a multiple of the floor's.
    pub(super) ratio: Spread,
}

/// A median over the turns, and the quartiles below and above it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Spread {
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
}

impl Spread {
    /// Returns half the distance of the quartiles, as a fraction of the median.
    pub(super) fn relative(self) -> f64 {
        (self.high - self.low) / (2.0 * self.median)
    }
}

/// Percentiles in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
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
}

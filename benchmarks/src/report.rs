//! What the generator reports about each server, and how it is made from the turns.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::stats::Spread;

/// One line of the generator's output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Another round of turns is over.
    Progress {
        /// Rounds that are over, warm-up included.
        done: usize,
        /// All rounds of the run.
        total: usize,
    },
    /// The run is over. This is the last line.
    Report(Report),
}

/// The figures of one run.
#[derive(Debug, PartialEq, Serialize)]
pub struct Report {
    /// What the payload was made from; the same seed sends the same bytes.
    pub seed: u64,
    /// One entry per server, in the order they were given.
    pub servers: Vec<ServerReport>,
}

/// The figures of one server.
#[derive(Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// The name that was given to the server.
    pub name: String,
    /// Turns that were counted.
    pub turns: usize,
    /// Requests answered in those turns, every byte of them right.
    pub requests: u64,
    /// Datagrams that were given up, in those turns.
    pub lost: u64,
    /// Requests answered per second of a turn.
    pub requests_per_second: Spread,
    /// Time from a request to its whole reply, over all turns together.
    pub latency: Latency,
    /// CPU nanoseconds the server spent on each request.
    pub cpu_per_request: Spread,
    /// `cpu_per_request` divided by that of the first server in the same round.
    pub ratio: Spread,
}

/// Percentiles of latency in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: u64,
    /// 99 % of the requests took no longer.
    pub p99: u64,
    /// 99.9 % of the requests took no longer.
    pub p999: u64,
    /// No request took longer.
    pub max: u64,
}

/// One turn of one server.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Requests sent and answered.
    pub requests: u64,
    /// Datagrams that were given up.
    pub lost: u64,
    /// Time from the first request to the last reply.
    pub elapsed: Duration,
    /// CPU time that the server used meanwhile.
    pub cpu: Duration,
}

impl Turn {
    fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    fn cpu_per_request(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.requests as f64
    }
}

/// What was measured at one server.
#[derive(Debug)]
pub struct Measurement {
    /// The name that was given to the server.
    pub name: String,
    /// The counted turns, one per round.
    pub turns: Vec<Turn>,
    /// Nanoseconds from a request to its whole reply.
    pub latency: Histogram<u64>,
}

impl Measurement {
    /// Returns what was answered per second of a turn, if there were turns.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<Spread> {
        Spread::of(self.turns.iter().map(Turn::requests_per_second))
    }

    /// Begins anew.
    pub fn forget(&mut self) {
        self.turns.clear();
        self.latency.reset();
    }
}

/// Returns the standard error of the ratio of two servers' CPU time per request, of which the
/// report gives the median.
#[must_use]
pub fn ratio_error(measured: &Measurement, first: &Measurement) -> f64 {
    let ratios = measured
        .turns
        .iter()
        .zip(&first.turns)
        .map(|(turn, first)| turn.cpu_per_request() / first.cpu_per_request());
    Spread::of(ratios).map_or(f64::INFINITY, |spread| spread.error(measured.turns.len()))
}

/// Sums up the measurements of one run; the first server is what the others are compared to.
///
/// The ratio is taken within each round and its median afterwards: what slows the machine down for
/// a second slows both servers of a round, and falls out.
#[must_use]
pub fn summarize(seed: u64, measurements: &[Measurement]) -> Report {
    let floor: Vec<f64> = measurements
        .first()
        .map(|first| first.turns.iter().map(Turn::cpu_per_request).collect())
        .unwrap_or_default();
    let servers = measurements
        .iter()
        .filter_map(|measured| {
            let cpu = || measured.turns.iter().map(Turn::cpu_per_request);
            Some(ServerReport {
                name: measured.name.clone(),
                turns: measured.turns.len(),
                requests: measured.turns.iter().map(|turn| turn.requests).sum(),
                lost: measured.turns.iter().map(|turn| turn.lost).sum(),
                requests_per_second: measured.requests_per_second()?,
                latency: Latency {
                    p50: measured.latency.value_at_quantile(0.5),
                    p99: measured.latency.value_at_quantile(0.99),
                    p999: measured.latency.value_at_quantile(0.999),
                    max: measured.latency.max(),
                },
                cpu_per_request: Spread::of(cpu())?,
                ratio: Spread::of(cpu().zip(&floor).map(|(cpu, floor)| cpu / floor))?,
            })
        })
        .collect();
    Report { seed, servers }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(name: &str, requests: u64, cpu_micros: &[u64]) -> Measurement {
        let mut latency = Histogram::new(3).unwrap();
        for nanos in 1..=1000 {
            latency.record(nanos).unwrap();
        }
        let turns = cpu_micros
            .iter()
            .map(|&cpu| Turn {
                requests,
                lost: 1,
                elapsed: Duration::from_millis(50),
                cpu: Duration::from_micros(cpu),
            })
            .collect();
        Measurement { name: name.to_owned(), turns, latency }
    }

    #[test]
    fn figures_of_two_servers() {
        // The machine is twice as slow in the second round and ten times in the third.
        let floor = measurement("floor", 1000, &[5_000, 10_000, 50_000]);
        let other = measurement("other", 500, &[5_000, 10_000, 50_000]);
        let report = summarize(3, &[floor, other]);

        let [floor, other] = &report.servers[..] else { panic!("two servers, two reports") };
        assert_eq!((report.seed, floor.name.as_str(), other.name.as_str()), (3, "floor", "other"));
        assert_eq!((other.turns, other.requests, other.lost), (3, 1500, 3));
        assert_eq!(other.requests_per_second.median, 10_000.0);
        assert_eq!(floor.cpu_per_request.median, 10_000.0);
        assert_eq!(other.cpu_per_request.median, 20_000.0);
        assert_eq!(floor.ratio, Spread { low: 1.0, median: 1.0, high: 1.0 });
        assert_eq!(other.ratio, Spread { low: 2.0, median: 2.0, high: 2.0 });
        assert_eq!(other.latency, Latency { p50: 500, p99: 990, p999: 999, max: 1000 });
    }

    #[test]
    fn server_without_turns_is_left_out() {
        assert_eq!(summarize(1, &[measurement("floor", 1, &[])]).servers, []);
        assert_eq!(summarize(1, &[]).servers, []);
    }

    #[test]
    fn lines_are_told_apart_by_their_key() {
        let progress = serde_json::to_string(&Line::Progress { done: 1, total: 9 }).unwrap();
        assert_eq!(progress, r#"{"progress":{"done":1,"total":9}}"#);
        let report = Line::Report(Report { seed: 5, servers: Vec::new() });
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"report":{"seed":5,"servers":[]}}"#
        );
    }
}

//! What the generator reports about each server, and how it is made from the turns.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::stats::Spread;

/// One line of the generator's output.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Line<R = Report> {
    /// Another round of turns is over.
    Progress {
        /// Rounds that are over, warm-up included.
        done: usize,
        /// All rounds of the run.
        total: usize,
    },
    /// The run is over. This is the last line.
    Report(R),
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
    /// Time from a request to its whole reply.
    pub latency: Latency,
    /// CPU nanoseconds the server spent on each request.
    pub cpu_per_request: Spread,
    /// The same in each round, for a comparison of any two servers.
    pub cpu_of_rounds: Vec<f64>,
    /// `cpu_per_request` divided by that of the first server of the group in the same round.
    pub ratio: Spread,
}

/// Percentiles of latency in nanoseconds, each found within a turn. Over all turns together, one
/// turn in which the machine stood still would decide the highest ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: Spread,
    /// 99 % of the requests took no longer.
    pub p99: Spread,
    /// 99.9 % of the requests took no longer.
    pub p999: Spread,
    /// No request of any turn took longer.
    pub max: u64,
}

/// Percentiles of latency in one turn, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Percentiles {
    p50: u64,
    p99: u64,
    p999: u64,
}

impl From<&Histogram<u64>> for Percentiles {
    fn from(latency: &Histogram<u64>) -> Self {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|part| latency.value_at_quantile(part));
        Self { p50, p99, p999 }
    }
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
    /// Time from a request to its whole reply.
    pub latency: Percentiles,
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
    /// Nanoseconds from a request to its whole reply, in all counted turns.
    pub latency: Histogram<u64>,
}

impl Measurement {
    /// Returns a percentile's quartiles over the turns, if there were turns.
    fn percentile(&self, percentile: fn(&Percentiles) -> u64) -> Option<Spread> {
        Spread::of(self.turns.iter().map(|turn| percentile(&turn.latency) as f64))
    }

    /// Returns what was answered per second of a turn, if there were turns.
    #[must_use]
    pub fn requests_per_second(&self) -> Option<Spread> {
        Spread::of(self.turns.iter().map(Turn::requests_per_second))
    }

    /// Returns the CPU nanoseconds that the server spent on each request, if there were turns.
    #[must_use]
    pub fn cpu_per_request(&self) -> Option<Spread> {
        Spread::of(self.turns.iter().map(Turn::cpu_per_request))
    }

    /// Sums up, in comparison with the turns of the server that this one is compared to.
    fn report(&self, first: &[Turn]) -> Option<ServerReport> {
        let cpu = || self.turns.iter().map(Turn::cpu_per_request);
        let first = first.iter().map(Turn::cpu_per_request);
        Some(ServerReport {
            name: self.name.clone(),
            turns: self.turns.len(),
            requests: self.turns.iter().map(|turn| turn.requests).sum(),
            lost: self.turns.iter().map(|turn| turn.lost).sum(),
            requests_per_second: self.requests_per_second()?,
            latency: Latency {
                p50: self.percentile(|latency| latency.p50)?,
                p99: self.percentile(|latency| latency.p99)?,
                p999: self.percentile(|latency| latency.p999)?,
                max: self.latency.max(),
            },
            cpu_per_request: self.cpu_per_request()?,
            cpu_of_rounds: cpu().collect(),
            ratio: Spread::of(cpu().zip(first).map(|(cpu, first)| cpu / first))?,
        })
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

/// Sums up the measurements of one run. The first of every `group` servers is what the others of
/// its group are compared to.
///
/// The ratio is taken within each round and its median afterwards: what slows the machine down for
/// a second slows both servers of a round, and falls out.
#[must_use]
pub fn summarize(seed: u64, group: usize, measurements: &[Measurement]) -> Report {
    let servers = measurements.chunks(group).flat_map(|group| {
        let first = &group[0].turns;
        group.iter().filter_map(|measured| measured.report(first))
    });
    Report { seed, servers: servers.collect() }
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
                latency: Percentiles::from(&latency),
            })
            .collect();
        Measurement { name: name.to_owned(), turns, latency }
    }

    #[test]
    fn figures_of_two_servers() {
        // The machine is twice as slow in the second round and ten times in the third.
        let floor = measurement("floor", 1000, &[5_000, 10_000, 50_000]);
        let other = measurement("other", 500, &[5_000, 10_000, 50_000]);
        let report = summarize(3, 2, &[floor, other]);

        let [floor, other] = &report.servers[..] else { panic!("two servers, two reports") };
        assert_eq!((report.seed, floor.name.as_str(), other.name.as_str()), (3, "floor", "other"));
        assert_eq!((other.turns, other.requests, other.lost), (3, 1500, 3));
        assert_eq!(other.requests_per_second.median, 10_000.0);
        assert_eq!(floor.cpu_per_request.median, 10_000.0);
        assert_eq!(other.cpu_per_request.median, 20_000.0);
        assert_eq!(other.cpu_of_rounds, [10_000.0, 20_000.0, 100_000.0]);
        assert_eq!(floor.ratio, Spread { low: 1.0, median: 1.0, high: 1.0 });
        assert_eq!(other.ratio, Spread { low: 2.0, median: 2.0, high: 2.0 });
        let [p50, p99, p999] =
            [500.0, 990.0, 999.0].map(|nanos| Spread { low: nanos, median: nanos, high: nanos });
        assert_eq!(other.latency, Latency { p50, p99, p999, max: 1000 });
    }

    #[test]
    fn turn_that_stood_still_does_not_decide() {
        let mut server = measurement("server", 10, &[1, 1, 1]);
        server.turns[1].latency = Percentiles { p50: 5_000, p99: 9_000, p999: 9_000 };
        let report = summarize(1, 1, &[server]);
        assert_eq!(
            report.servers[0].latency.p99,
            Spread { low: 990.0, median: 990.0, high: 4995.0 }
        );
    }

    #[test]
    fn each_group_has_a_first() {
        let servers = [10, 20, 100, 300].map(|cpu| measurement("server", 10, &[cpu]));
        let ratios = |group| {
            let report = summarize(1, group, &servers);
            report.servers.iter().map(|server| server.ratio.median).collect::<Vec<_>>()
        };
        assert_eq!(ratios(4), [1.0, 2.0, 10.0, 30.0]);
        assert_eq!(ratios(2), [1.0, 2.0, 1.0, 3.0]);
    }

    #[test]
    fn server_without_turns_is_left_out() {
        assert_eq!(summarize(1, 1, &[measurement("floor", 1, &[])]).servers, []);
        assert_eq!(summarize(1, 1, &[]).servers, []);
    }

    #[test]
    fn lines_are_told_apart_by_their_key() {
        let progress =
            serde_json::to_string(&Line::<Report>::Progress { done: 1, total: 9 }).unwrap();
        assert_eq!(progress, r#"{"progress":{"done":1,"total":9}}"#);
        let report = Line::Report(Report { seed: 5, servers: Vec::new() });
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"report":{"seed":5,"servers":[]}}"#
        );
    }
}

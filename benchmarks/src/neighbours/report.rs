//! What is reported about each server, and how it is made from its turns.

use std::time::Duration;

use serde::Serialize;

use crate::stats::Spread;

/// One turn of one server.
#[derive(Debug, Clone)]
pub struct Turn {
    /// How long it took.
    pub elapsed: Duration,
    /// CPU time that the server used meanwhile.
    pub cpu: Duration,
    /// How often the server did what the neighbour is there for.
    pub served: u64,
    /// Whether that is the same work at every server.
    pub is_work: bool,
    /// Paced requests that were due.
    pub asked: u64,
    /// Nanoseconds that each paced request waited that was answered in time.
    pub waits: Vec<u64>,
    /// Nanoseconds after it was due that the generator sent each paced request.
    pub delays: Vec<u64>,
}

/// The figures of one run.
#[derive(Debug, PartialEq, Serialize)]
pub struct Report {
    /// One entry per server, in the order they were given.
    pub servers: Vec<ServerReport>,
}

/// The figures of one server.
#[derive(Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// The name that was given to the server.
    pub name: String,
    /// Paced requests that were due in all turns.
    pub asked: u64,
    /// Those that were answered before their turn was over.
    pub answered: u64,
    /// Nanoseconds that half of the paced requests waited at most, from when they were due; absent
    /// if half of them or more were not answered.
    pub p50: Option<u64>,
    /// The same of 99 %.
    pub p99: Option<u64>,
    /// The same of all.
    pub max: Option<u64>,
    /// Nanoseconds after it was due that the generator sent 99 % of the requests at most, which is
    /// part of their waiting time and not the server's fault.
    pub late: Option<u64>,
    /// How often per second the server did what the neighbour is there for.
    pub served_per_second: Spread,
    /// CPU time of the server per second, as a fraction.
    pub cpu_share: Spread,
    /// CPU nanoseconds of the server per answer, of the paced clients and of the neighbour, in each
    /// round. Empty where the neighbour's are not the same work at every server.
    pub cpu_of_rounds: Vec<f64>,
}

/// What was measured at one server.
#[derive(Debug)]
pub struct Measured {
    /// The name that was given to the server.
    pub name: String,
    /// Its turns, one per round.
    pub turns: Vec<Turn>,
}

impl Turn {
    /// Returns the CPU nanoseconds per answer.
    fn cpu_per_answer(&self) -> Option<f64> {
        let answers = self.served + self.waits.len() as u64;
        (self.is_work && answers > 0).then(|| self.cpu.as_nanos() as f64 / answers as f64)
    }
}

impl Measured {
    /// Sums up the turns, if there were any.
    #[must_use]
    pub fn report(&self) -> Option<ServerReport> {
        let asked = self.turns.iter().map(|turn| turn.asked).sum();
        let waits = sorted(self.turns.iter().flat_map(|turn| &turn.waits));
        let delays = sorted(self.turns.iter().flat_map(|turn| &turn.delays));
        let per_second = |turn: &Turn| turn.served as f64 / turn.elapsed.as_secs_f64();
        let share = |turn: &Turn| turn.cpu.as_secs_f64() / turn.elapsed.as_secs_f64();
        let cpu: Option<Vec<f64>> = self.turns.iter().map(Turn::cpu_per_answer).collect();
        Some(ServerReport {
            name: self.name.clone(),
            asked,
            answered: waits.len() as u64,
            p50: percentile(&waits, asked, 50),
            p99: percentile(&waits, asked, 99),
            max: percentile(&waits, asked, 100),
            late: percentile(&delays, asked, 99),
            served_per_second: Spread::of(self.turns.iter().map(per_second))?,
            cpu_share: Spread::of(self.turns.iter().map(share))?,
            cpu_of_rounds: cpu.unwrap_or_default(),
        })
    }
}

fn sorted<'a>(times: impl Iterator<Item = &'a u64>) -> Vec<u64> {
    let mut times: Vec<u64> = times.copied().collect();
    times.sort_unstable();
    times
}

/// Returns how long `percent` of the requests waited at most, of which `waits` are the sorted times
/// of those that were answered. The others waited longer than all of these.
fn percentile(waits: &[u64], asked: u64, percent: u64) -> Option<u64> {
    let rank = (asked * percent).div_ceil(100);
    waits.get(rank.checked_sub(1)? as usize).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(asked: u64, waits: Vec<u64>) -> Turn {
        let (elapsed, cpu) = (Duration::from_secs(2), Duration::from_secs(1));
        let delays = (0..asked).collect();
        Turn { elapsed, cpu, served: 1000, is_work: true, asked, waits, delays }
    }

    #[test]
    fn who_is_not_answered_waits_longest() {
        let waits: Vec<u64> = (1..=99).collect();
        for (asked, p50, p99, max) in [
            (99, Some(50), Some(99), Some(99)),
            (100, Some(50), Some(99), None),
            (101, Some(51), None, None),
            (198, Some(99), None, None),
            (199, None, None, None),
        ] {
            let found = [50, 99, 100].map(|percent| percentile(&waits, asked, percent));
            assert_eq!(found, [p50, p99, max], "{asked}");
        }
        assert_eq!(percentile(&[], 0, 50), None);
    }

    #[test]
    fn figures_of_two_turns() {
        let turns = vec![turn(3, vec![30, 10, 20]), turn(3, vec![5, 7])];
        let report = Measured { name: "evio".to_owned(), turns }.report().unwrap();
        assert_eq!((report.asked, report.answered), (6, 5));
        assert_eq!((report.p50, report.p99, report.max), (Some(10), None, None));
        assert_eq!(report.late, Some(2));
        assert_eq!(report.served_per_second.median, 500.0);
        assert_eq!(report.cpu_share.median, 0.5);
        assert_eq!(report.cpu_of_rounds, [1e9 / 1003.0, 1e9 / 1002.0]);
    }

    #[test]
    fn work_that_differs_is_not_compared() {
        let other = Turn { is_work: false, ..turn(1, vec![1]) };
        let idle = Turn { served: 0, ..turn(1, Vec::new()) };
        for turns in [vec![other], vec![idle]] {
            let report = Measured { name: String::new(), turns }.report().unwrap();
            assert!(report.cpu_of_rounds.is_empty(), "{report:?}");
        }
    }
}

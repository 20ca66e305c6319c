//! A suite of an installed tool, from its servers to their figures.

use super::outside::{self, Contender, Server, Tool};
use super::progress::Progress;
use super::results::{CaseResults, Latency, ServerResults, Spread, SuiteResults};
use super::run::Run;
use super::table;
use super::turns::{self, Outcome, Turns};

/// How a tool is used in a suite.
pub(super) trait Driver {
    /// What the servers are put under in one case.
    type Load: 'static;

    const SUITE: &'static str;
    const TOOL: Tool;
    /// The first is what the others are compared to.
    const CONTENDERS: &'static [Contender];
    const LOADS: &'static [Self::Load];
    /// Seconds that a turn takes.
    const TURN: f64;

    /// Returns the key and the title of a case.
    fn name(load: &Self::Load) -> (&'static str, &'static str);

    /// Checks the servers' replies and gets them ready, before the first turn.
    fn prepare(&mut self, run: &Run, servers: &[Server], load: &Self::Load) -> crate::Result;

    /// Drives one server for a turn.
    fn turn(&self, run: &Run, server: &Server, load: &Self::Load) -> crate::Result<Outcome>;
}

/// Rounds before those that count: the first turn of a server allocates what the others reuse.
const WARM_UP: usize = 1;

/// Fewer rounds have no quartiles to speak of.
const MIN_ROUNDS: usize = 5;

/// The same for a first impression: fewer have no median.
const MIN_QUICK_ROUNDS: usize = 3;

/// Returns how many turns each server has in a case, those that do not count among them.
pub(super) fn turns_of<D: Driver>(run: &Run) -> usize {
    WARM_UP + rounds(run.args.duration(), D::TURN, run.args.quick)
}

/// Returns how many rounds there are, when each server is to be under load for so many seconds.
fn rounds(duration: f64, turn: f64, quick: bool) -> usize {
    let least = if quick { MIN_QUICK_ROUNDS } else { MIN_ROUNDS };
    ((duration / turn).round() as usize).max(least)
}

/// Measures a suite and prints a table for each case. Without the tool it has none.
pub(super) fn measure<D: Driver>(run: &mut Run, mut driver: D) -> crate::Result<SuiteResults> {
    let mut results = run.suite(D::SUITE);
    if let Err(reason) = D::TOOL.find() {
        eprintln!("left out: {}: {reason}", D::SUITE);
        return Ok(results);
    }
    let contenders = run.installed(D::CONTENDERS);
    run.versions.extend(outside::versions(Some(D::TOOL), &contenders));
    let rounds = rounds(run.args.duration(), D::TURN, run.args.quick);
    let mut progress = Progress::new(D::SUITE, D::LOADS.len());
    for load in D::LOADS {
        let (key, title) = D::name(load);
        progress.begin(title);
        let servers = run.serve_contenders(&contenders)?;
        driver.prepare(run, &servers, load)?;
        let turns = turns::alternate(
            servers.len(),
            WARM_UP,
            rounds,
            |place| turns::cpu_nanos(servers[place].pid),
            |place| driver.turn(run, &servers[place], load),
            |done| progress.advance(done, WARM_UP + rounds),
        )?;
        // Each case begins with fresh servers, so that it does not depend on those before it.
        run.children.end_all();
        let names = servers.iter().map(|server| server.name);
        // Without the server that the others are compared to there are no ratios.
        let first = turns.first().filter(|_| contenders[0].name == D::CONTENDERS[0].name);
        let servers = summarize(names.zip(&turns), first);
        results.cases.push(CaseResults::new(key.to_owned(), title.to_owned(), servers));
        progress.print(&table::render(results.cases.last().expect("one was just pushed")));
    }
    Ok(results)
}

/// Sums up the turns of each server.
///
/// The ratio is taken within each round and its median afterwards: what slows the machine down for
/// a second slows all servers of a round, and falls out.
fn summarize<'a>(
    servers: impl Iterator<Item = (&'a str, &'a Turns)>,
    baseline: Option<&Turns>,
) -> Vec<ServerResults> {
    servers
        .map(|(name, turns)| {
            let ratio = baseline.and_then(|baseline| {
                Spread::of(turns.cpu.iter().zip(&baseline.cpu).map(|(cpu, first)| cpu / first))
            });
            ServerResults {
                name: name.to_owned(),
                requests_per_second: Spread::of(
                    turns.outcomes.iter().map(|outcome| outcome.requests_per_second),
                ),
                cpu_ns: Spread::of(turns.cpu.iter().copied()),
                cpu_of_rounds: turns.cpu.clone(),
                cpu_ratio: ratio.map(|ratio| ratio.median),
                cpu_ratio_spread: ratio.map(Spread::relative),
                latency_us: median_latency(&turns.outcomes),
                ..ServerResults::default()
            }
        })
        .collect()
}

/// Returns the median over the turns of each percentile, if the tool said any.
fn median_latency(outcomes: &[Outcome]) -> Option<Latency> {
    let median = |percentile: fn(Latency) -> f64| {
        let figures = outcomes.iter().filter_map(|outcome| outcome.latency).map(percentile);
        Some(Spread::of(figures)?.median)
    };
    Some(Latency {
        p50: median(|latency| latency.p50)?,
        p99: median(|latency| latency.p99)?,
        p999: median(|latency| latency.p999)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(requests_per_second: &[f64], cpu: &[f64]) -> Turns {
        let outcome = |&requests_per_second| Outcome {
            requests: 1000,
            requests_per_second,
            latency: Some(Latency { p50: 200.0, p99: 900.0, p999: 1200.0 }),
        };
        Turns { outcomes: requests_per_second.iter().map(outcome).collect(), cpu: cpu.to_vec() }
    }

    #[test]
    fn ratio_is_taken_within_a_round() {
        // The machine is slower in each round, for both of them.
        let first = turns(&[10.0, 5.0, 1.0], &[100.0, 200.0, 1000.0]);
        let other = turns(&[20.0, 10.0, 2.0], &[50.0, 100.0, 500.0]);
        let servers = summarize([("first", &first), ("other", &other)].into_iter(), Some(&first));
        let [first, other] = &servers[..] else { panic!("{servers:?}") };
        assert_eq!((first.cpu_ratio, first.cpu_ratio_spread), (Some(1.0), Some(0.0)));
        assert_eq!((other.cpu_ratio, other.cpu_ratio_spread), (Some(0.5), Some(0.0)));
        assert_eq!(other.cpu_ns, Some(Spread { low: 75.0, median: 100.0, high: 300.0 }));
        assert_eq!(other.requests_per_second.map(|rate| rate.median), Some(10.0));
        assert_eq!(other.latency_us, Some(Latency { p50: 200.0, p99: 900.0, p999: 1200.0 }));
    }

    #[test]
    fn without_a_baseline_there_is_no_ratio() {
        let turns = turns(&[1.0], &[1.0]);
        let servers = summarize([("alone", &turns)].into_iter(), None);
        assert_eq!((servers.len(), servers[0].cpu_ratio), (1, None));
    }

    #[test]
    fn without_percentiles_there_is_no_latency() {
        let outcome = Outcome { requests: 1, requests_per_second: 1.0, latency: None };
        assert_eq!(median_latency(&[outcome, outcome]), None);
    }

    #[test]
    fn seconds_are_filled_with_rounds() {
        let (enough, few) = ([(3.0, 0.3), (10.0, 1.0)], [(1.0, 1.0), (0.1, 0.3)]);
        let rounds = |quick| move |(duration, turn)| rounds(duration, turn, quick);
        assert_eq!((enough.map(rounds(false)), few.map(rounds(false))), ([10, 10], [5, 5]));
        assert_eq!((enough.map(rounds(true)), few.map(rounds(true))), ([10, 10], [3, 3]));
    }
}

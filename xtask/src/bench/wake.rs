//! The wake suite: notes from other threads to a loop, beside channels into a task of tokio.

use std::time::Duration;

use serde::Deserialize;

use super::generator;
use super::machine;
use super::progress::Progress;
use super::results::{CaseResults, Latency, ServerResults, Spread, SuiteResults};
use super::run::Run;
use super::table;

/// Length of a turn: as of the other suites.
const TURN: Duration = Duration::from_millis(60);

/// How many times the seconds of load on one way a run may take. It takes some fifteen: there are
/// five ways, and up to three turns of each in a round.
const SLOWNESS: f64 = 75.0;

/// How long a run may take besides.
const START_LIMIT: Duration = Duration::from_secs(60);

/// What is said of one way to send notes, times in nanoseconds.
#[derive(Debug, Deserialize)]
struct Report {
    name: String,
    /// Absent, as the next, where a note cannot be taken together with others.
    one_sender: Option<Rate>,
    several_senders: Option<Rate>,
    latency: Latencies,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Rate {
    notes_per_second: Spread,
    ratio: Spread,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Latencies {
    ratio: Spread,
    p50: f64,
    p99: f64,
    p999: f64,
}

/// A case: its key, its title, and its figures in a report.
type Case = (&'static str, &'static str, fn(&Report) -> Option<ServerResults>);

const CASES: [Case; 3] = [
    ("one", "notes from one thread, as many as are taken", |report| {
        report.one_sender.map(Into::into)
    }),
    ("several", "notes from four threads of one core", |report| {
        // No ratio: how often a sender is stopped while it sends into the first channel decides it.
        report.several_senders.map(|rate| ServerResults { notes_ratio: None, ..rate.into() })
    }),
    ("latency", "one note at a time, to a loop that sleeps", |report| Some(report.latency.into())),
];

/// Measures all ways at once, in turns.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let mut progress = Progress::new("wake", 1);
    progress.begin("notes from other threads");
    let turns = (run.args.duration() / TURN.as_secs_f64()).ceil() as u32;
    let mut command = run.programs.wake_meter();
    command.arg("--json").args(["--turns", &turns.to_string()]);
    command.args(["--turn", &TURN.as_millis().to_string()]);
    let advance = |done, total| progress.advance(done, total);
    let limit = START_LIMIT + Duration::from_secs_f64(SLOWNESS * run.args.duration());
    let reports: Vec<Report> = generator::follow(&run.children, &mut command, limit, advance)?;
    let versions = machine::versions(["evio", "tokio"].into_iter());
    run.versions.extend(versions.into_iter().map(|(name, version)| (name.into(), version)));
    let mut results = run.suite("wake");
    results.cases = CASES.iter().map(|shown| case(shown, &reports)).collect();
    for case in &results.cases {
        progress.print(&table::render(case));
    }
    Ok(results)
}

fn case((key, title, figures): &Case, reports: &[Report]) -> CaseResults {
    let server = |report: &Report| {
        figures(report).map(|figures| ServerResults { name: report.name.clone(), ..figures })
    };
    let servers = reports.iter().filter_map(server).collect();
    CaseResults::new((*key).to_owned(), (*title).to_owned(), servers)
}

impl From<Rate> for ServerResults {
    fn from(Rate { notes_per_second, ratio }: Rate) -> Self {
        Self {
            notes_per_second: Some(notes_per_second),
            notes_ratio: Some(ratio),
            ..Self::default()
        }
    }
}

impl From<Latencies> for ServerResults {
    fn from(Latencies { ratio, p50, p99, p999 }: Latencies) -> Self {
        Self {
            latency_us: Some(Latency::from_nanos(p50, p99, p999)),
            p50_ratio: Some(ratio),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_case() {
        let spread = |median| format!(r#"{{"low":0.5,"median":{median},"high":9.0}}"#);
        let rate = |notes, ratio| {
            format!(r#"{{"notes_per_second":{},"ratio":{}}}"#, spread(notes), spread(ratio))
        };
        let text = format!(
            r#"[{{"name":"evio wake","one_sender":{},"several_senders":{},
                "latency":{{"ratio":{},"p50":5000,"p99":6000,"p999":7000}}}}]"#,
            rate(1, 2),
            rate(3, 4),
            spread(5)
        );
        let reports: Vec<Report> = serde_json::from_str(&text).unwrap();
        let [one, several, latency] = CASES.map(|shown| case(&shown, &reports).servers.remove(0));
        let median = |spread: Option<Spread>| spread.map(|spread| spread.median);
        assert_eq!(one.name, "evio wake");
        assert_eq!((median(one.notes_per_second), median(one.notes_ratio)), (Some(1.0), Some(2.0)));
        assert_eq!((median(several.notes_per_second), several.notes_ratio), (Some(3.0), None));
        assert_eq!(median(latency.p50_ratio), Some(5.0));
        assert_eq!(latency.latency_us, Some(Latency { p50: 5.0, p99: 6.0, p999: 7.0 }));

        let report = Report { one_sender: None, ..reports.into_iter().next().unwrap() };
        assert_eq!(case(&CASES[0], &[report]).servers, []);
    }
}

//! Which figures are drawn, and how they are put into words.

mod svg;

use super::peers::FLOOR;
use super::results::{CaseResults, Results, ServerResults, SuiteResults};
use svg::{Bar, Group, Picture};

/// A picture of some cases of a suite.
#[derive(Debug)]
pub(super) struct Chart {
    /// The file's name, without directory and extension.
    pub(super) file: &'static str,
    pub(super) suite: &'static str,
    pub(super) title: &'static str,
    figure: Figure,
    /// What the keys of its cases end with.
    keys: &'static str,
}

/// What is drawn of each server.
#[derive(Debug, Clone, Copy)]
pub(super) enum Figure {
    /// CPU time per request, as a multiple of the first server's.
    Cpu,
    BytesPerConnection,
    /// 99 % of the requests take no longer.
    P99,
    /// Notes per second, as a multiple of the first way's.
    Notes,
    /// Paced requests that were answered, in percent.
    Answered,
    /// 99 % of the paced requests wait no longer; infinite where more than 1 % were not answered.
    PacedP99,
}

/// All charts there are. What was not measured is not drawn.
pub(super) const CHARTS: &[Chart] = &[
    chart("echo", "echo", "Echo", Figure::Cpu, ""),
    chart("http", "http", "HTTP, 50 connections", Figure::Cpu, ""),
    chart("redis-1", "redis", "Redis, no pipelining", Figure::Cpu, "-1"),
    chart("redis-8", "redis", "Redis, 8 commands to a packet", Figure::Cpu, "-8"),
    chart("redis-16", "redis", "Redis, 16 commands to a packet", Figure::Cpu, "-16"),
    chart("memory", "memory", "Memory", Figure::BytesPerConnection, ""),
    chart("latency", "latency", "Latency", Figure::P99, ""),
];

const fn chart(
    file: &'static str,
    suite: &'static str,
    title: &'static str,
    figure: Figure,
    keys: &'static str,
) -> Chart {
    Chart { file, suite, title, figure, keys }
}

impl Figure {
    /// Returns the figure of a server, if it was measured.
    pub(super) fn of(self, server: &ServerResults) -> Option<f64> {
        match self {
            Self::Cpu => server.cpu_ratio,
            Self::BytesPerConnection => server.bytes_per_connection,
            Self::P99 => server.latency_us.map(|latency| latency.p99),
            Self::Notes => server.notes_ratio.map(|ratio| ratio.median),
            Self::Answered => server.paced.map(|paced| paced.percent_answered()),
            Self::PacedP99 => server.paced.map(|paced| paced.p99_us.unwrap_or(f64::INFINITY)),
        }
    }

    /// Says what the figure is; `first` is the server that others are compared to.
    pub(super) fn describe(self, first: &str) -> String {
        match self {
            Self::Cpu => {
                let first = if first == FLOOR.name { "a bare epoll loop" } else { first };
                format!("CPU time of the server per request, as a multiple of {first}’s")
            }
            Self::BytesPerConnection => "bytes of memory per connection".to_owned(),
            Self::P99 => "microseconds that 99 % of the requests take at most".to_owned(),
            Self::Notes => format!("notes per second, as a multiple of {first}"),
            Self::Answered => "requests of paced clients that were answered, in percent".to_owned(),
            Self::PacedP99 => {
                "microseconds that 99 % of the paced clients’ requests wait at most".to_owned()
            }
        }
    }

    /// Says which of two values is the better one.
    pub(super) fn better(self) -> &'static str {
        match self {
            Self::Cpu | Self::BytesPerConnection | Self::P99 | Self::PacedP99 => {
                "smaller is better"
            }
            Self::Notes | Self::Answered => "larger is better",
        }
    }

    /// Writes a value with as many digits as count.
    pub(super) fn label(self, value: f64) -> String {
        match self {
            Self::Cpu | Self::Notes => format!("{value:.2}"),
            Self::Answered => format!("{value:.1}"),
            Self::PacedP99 if value.is_infinite() => "never".to_owned(),
            Self::BytesPerConnection | Self::P99 | Self::PacedP99 => super::table::thousands(value),
        }
    }
}

/// Tells whether a server is this project's.
pub(super) fn is_ours(name: &str) -> bool {
    name.split([' ', '-', ',']).next() == Some("evio")
}

/// Says where and when the figures were measured.
pub(super) fn place_and_time(results: &Results) -> String {
    let commit = results.commit.as_deref().unwrap_or("unknown");
    format!("{}; {}, commit {commit}", results.machine.summary(), results.date)
}

impl Chart {
    /// Draws the chart as SVG, if any of it was measured.
    pub(super) fn draw(&self, results: &Results) -> Option<String> {
        let suite = results.suites.iter().find(|suite| suite.suite == self.suite)?;
        let groups = self.groups(suite);
        let first = suite.cases.first()?.servers.first()?;
        let mark = matches!(self.figure, Figure::Cpu).then_some(1.0);
        (!groups.is_empty()).then(|| {
            svg::render(&Picture {
                title: self.title.to_owned(),
                unit: format!("{}; shorter is better", self.figure.describe(&first.name)),
                note: place_and_time(results),
                groups,
                mark,
            })
        })
    }

    fn groups(&self, suite: &SuiteResults) -> Vec<Group> {
        let cases = suite.cases.iter().filter(|case| case.key.ends_with(self.keys));
        cases
            .map(|case| Group { heading: case.title.clone(), bars: self.bars(case) })
            .filter(|group| !group.bars.is_empty())
            .collect()
    }

    fn bars(&self, case: &CaseResults) -> Vec<Bar> {
        let measured = case.servers.iter().filter_map(|server| {
            let value = self.figure.of(server)?;
            Some(Bar {
                name: server.name.clone(),
                value,
                label: self.figure.label(value),
                ours: is_ours(&server.name),
            })
        });
        measured.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results_sample::{case, results, server, suite};

    fn draw(file: &str, results: &Results) -> Option<String> {
        CHARTS.iter().find(|chart| chart.file == file).unwrap().draw(results)
    }

    #[test]
    fn chart_shows_its_cases_and_highlights_ours() {
        let servers = || vec![server("redis-server", 1.0), server("evio", 0.25)];
        let cases = vec![case("set-1", servers()), case("set-16", servers())];
        let svg = draw("redis-16", &results(vec![suite("redis", cases)])).unwrap();
        assert!(svg.contains("title of set-16") && !svg.contains("title of set-1<"), "{svg}");
        assert!(svg.contains("as a multiple of redis-server’s"), "{svg}");
        assert!(svg.contains(">0.25</text>"), "{svg}");
        assert_eq!(svg.matches("class=\"ours\"").count(), 1, "{svg}");
        assert!(svg.contains("2026-01-31"), "{svg}");
    }

    #[test]
    fn what_was_not_measured_is_not_drawn() {
        let without = |name: &str| ServerResults { cpu_ratio: None, ..server(name, 1.0) };
        let cases = vec![case("get-1", vec![without("nginx"), without("evio")])];
        let results = results(vec![suite("http", cases)]);
        assert_eq!(draw("http", &results), None);
        assert_eq!(draw("memory", &results), None);
    }

    #[test]
    fn server_without_the_figure_has_no_bar() {
        let bytes =
            |bytes| ServerResults { bytes_per_connection: Some(bytes), ..server("evio", 1.0) };
        let cases = vec![case("idle", vec![bytes(1234.4), server("other", 1.0)])];
        let svg = draw("memory", &results(vec![suite("memory", cases)])).unwrap();
        assert!(svg.contains(">1,234</text>") && !svg.contains("other"), "{svg}");
    }

    #[test]
    fn ours_is_known_by_its_first_word() {
        let ours = ["evio", "evio over unix", "evio, 2 loops", "eviocorp", "mio", "my evio"];
        assert_eq!(ours.map(is_ours), [true, true, true, false, false, false]);
    }

    #[test]
    fn files_have_names_of_their_own() {
        let mut files: Vec<&str> = CHARTS.iter().map(|chart| chart.file).collect();
        files.sort_unstable();
        files.dedup();
        assert_eq!(files.len(), CHARTS.len());
    }
}

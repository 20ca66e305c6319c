//! The few figures in the README, between two marks.

use std::fmt::Write;

use super::results::{Results, ServerResults};
use super::table;

const BEGIN: &str = "<!-- bench:begin -->";
const END: &str = "<!-- bench:end -->";

/// Where all others are, seen from the README.
const PAGE: &str = "benchmarks/RESULTS.md";

/// A figure of evio beside that of what a user would pick instead.
struct Row {
    what: &'static str,
    suite: &'static str,
    /// The key of the case.
    case: &'static str,
    peer: &'static str,
    figure: Figure,
}

/// What is shown of a server.
#[derive(Clone, Copy)]
enum Figure {
    CpuPerRequest,
    BytesPerConnection,
}

/// One of each kind of server, under the load that flatters evio least, and what an idle connection
/// takes.
const ROWS: [Row; 4] = [
    Row {
        what: "HTTP: CPU time per request",
        suite: "http",
        case: "get-1",
        peer: "nginx",
        figure: Figure::CpuPerRequest,
    },
    Row {
        what: "TCP proxy: CPU time per message of 64 B and its echo",
        suite: "proxy",
        case: "c50-s64-p1",
        peer: "haproxy",
        figure: Figure::CpuPerRequest,
    },
    Row {
        what: "redis: CPU time per GET",
        suite: "redis",
        case: "get-1",
        peer: "redis-server",
        figure: Figure::CpuPerRequest,
    },
    Row {
        what: "memory of an idle connection",
        suite: "memory",
        case: "silent",
        peer: "tokio",
        figure: Figure::BytesPerConnection,
    },
];

/// Returns `readme` with the figures of `results` between the marks, and everything else as it was.
///
/// # Errors
/// A mark is missing.
pub(super) fn replace(readme: &str, results: &[Results]) -> Result<String, String> {
    let missing = |mark: &str| format!("README.md has no line {mark}");
    let (before, rest) = readme.split_once(BEGIN).ok_or_else(|| missing(BEGIN))?;
    let (_, after) = rest.split_once(END).ok_or_else(|| missing(END))?;
    Ok(format!("{before}{BEGIN}\n\n{}\n{END}{after}", section(results)))
}

fn section(results: &[Results]) -> String {
    let mut text = "| | evio | instead | ratio |\n|---|--:|--:|--:|\n".to_owned();
    for row in ROWS.iter().filter_map(|row| row.write(results)) {
        let _ = writeln!(text, "{row}");
    }
    let _ = writeln!(text, "\nAll figures, and what they were measured on: [{PAGE}]({PAGE}).");
    text
}

impl Row {
    /// Writes the row, if it was measured.
    fn write(&self, results: &[Results]) -> Option<String> {
        let suites = results.iter().flat_map(|results| &results.suites);
        let mut cases =
            suites.filter(|suite| suite.suite == self.suite).flat_map(|suite| &suite.cases);
        let case = cases.find(|case| case.key == self.case)?;
        let server = |name| case.servers.iter().find(|server| server.name == name);
        let (evio, peer) = (server("evio")?, server(self.peer)?);
        let (what, name) = (self.what, self.peer);
        let [own, other] = [evio, peer].map(|server| self.figure.show(server));
        let ratio = significant(self.figure.ratio(evio, peer)?);
        Some(format!("| {what} | **{}** | {name} {} | {ratio} |", own?, other?))
    }
}

impl Figure {
    fn show(self, server: &ServerResults) -> Option<String> {
        match self {
            Self::CpuPerRequest => Some(table::time(server.cpu_ns?.median)),
            Self::BytesPerConnection => {
                Some(format!("{} B", table::thousands(server.bytes_per_connection?)))
            }
        }
    }

    /// Returns evio's figure as a multiple of the peer's: where there were rounds, the median over
    /// these.
    fn ratio(self, evio: &ServerResults, peer: &ServerResults) -> Option<f64> {
        match self {
            Self::CpuPerRequest => peer.evio_ratio,
            Self::BytesPerConnection => {
                Some(evio.bytes_per_connection? / peer.bytes_per_connection?)
            }
        }
    }
}

/// Writes a number with the two digits that count.
fn significant(number: f64) -> String {
    let decimals = if number > 0.0 { 1.0 - number.log10().floor() } else { 0.0 };
    format!("{number:.0$}", decimals.clamp(0.0, 6.0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::Spread;
    use crate::bench::results_sample::{case, results, server, suite};

    const README: &str = "# evio\n\n<!-- bench:begin -->\nold\n<!-- bench:end -->\n\n## Licence\n";

    fn measured() -> Vec<Results> {
        let cpu = |name, nanos, evio_ratio| ServerResults {
            cpu_ns: Some(Spread { low: nanos, median: nanos, high: nanos }),
            evio_ratio,
            ..server(name, 1.0)
        };
        let bytes =
            |name, bytes| ServerResults { bytes_per_connection: Some(bytes), ..server(name, 1.0) };
        let http = vec![
            case("get-16", vec![cpu("nginx", 1.0, Some(0.1)), cpu("evio", 1.0, None)]),
            case("get-1", vec![cpu("nginx", 9_000.0, Some(0.744)), cpu("evio", 6_600.0, None)]),
        ];
        let memory = vec![case("silent", vec![bytes("evio", 143.0), bytes("tokio", 50_477.0)])];
        vec![results(vec![suite("memory", memory)]), results(vec![suite("http", http)])]
    }

    #[test]
    fn each_row_is_a_line() {
        let text = replace(README, &measured()).unwrap();
        let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let expected = [
            "| HTTP: CPU time per request | **6.60 µs** | nginx 9.00 µs | 0.74 |",
            "| memory of an idle connection | **143 B** | tokio 50,477 B | 0.0028 |",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn two_digits_count() {
        let numbers = [0.0028, 0.074, 0.74, 0.999, 1.0, 7.44, 74.4, 744.0, 0.0];
        let written = ["0.0028", "0.074", "0.74", "1.00", "1.0", "7.4", "74", "744", "0"];
        assert_eq!(numbers.map(significant), written);
    }

    #[test]
    fn what_is_outside_the_marks_stays() {
        let text = replace(README, &measured()).unwrap();
        assert!(text.starts_with("# evio\n\n<!-- bench:begin -->\n\n"), "{text}");
        assert!(text.ends_with("\n\n<!-- bench:end -->\n\n## Licence\n"), "{text}");
        assert!(!text.contains("old"), "{text}");
    }

    #[test]
    fn writing_twice_is_writing_once() {
        let once = replace(README, &measured()).unwrap();
        assert_eq!(replace(&once, &measured()).unwrap(), once);
        assert_ne!(once, README);
    }

    #[test]
    fn missing_marks_are_reported() {
        for readme in ["", "<!-- bench:begin -->", "<!-- bench:end --> <!-- bench:begin -->"] {
            assert!(replace(readme, &measured()).is_err(), "{readme:?}");
        }
    }

    #[test]
    fn readme_of_the_project_has_the_marks() {
        let readme = include_str!("../../../README.md");
        assert!(replace(readme, &[]).is_ok());
    }
}

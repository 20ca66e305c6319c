//! All figures that are kept, as a page of tables and charts.

use std::fmt::Write;

use super::chart::{CHARTS, Figure, is_ours, place_and_time};
use super::results::{CaseResults, Results, SuiteResults};

/// Where the charts are, seen from the page.
const PICTURES: &str = "results";

/// What stands above the tables.
const HEAD: &str = "\
# Results

Written by `cargo xtask bench --save`, from the figures in [`results/`](results). How they are
measured, and what they mean, is in [README.md](README.md). Compare within a table only.
";

/// A table of the page.
struct Table {
    suite: &'static str,
    /// What stands above the cases.
    heading: &'static str,
    figure: Figure,
}

/// The tables in their order.
const TABLES: &[Table] = &[
    Table { suite: "echo", heading: "echo", figure: Figure::Cpu },
    Table { suite: "udp", heading: "UDP echo", figure: Figure::Cpu },
    Table { suite: "connect", heading: "echo and close", figure: Figure::Cpu },
    Table { suite: "http", heading: "HTTP", figure: Figure::Cpu },
    Table { suite: "redis", heading: "redis", figure: Figure::Cpu },
    Table { suite: "proxy", heading: "TCP proxy", figure: Figure::Cpu },
    Table { suite: "memory", heading: "memory", figure: Figure::BytesPerConnection },
    Table { suite: "latency", heading: "latency", figure: Figure::P99 },
    Table { suite: "wake", heading: "wake", figure: Figure::Notes },
    Table { suite: "neighbours", heading: "paced clients", figure: Figure::Answered },
    Table { suite: "neighbours", heading: "paced clients", figure: Figure::PacedP99 },
];

/// Writes the tables and charts of all suites that were measured, and below those of the same run
/// where and with what that was.
pub(super) fn render(results: &[Results]) -> String {
    let measured = |table: &'static Table| {
        results.iter().find_map(|results| {
            let suite = results.suites.iter().find(|suite| suite.suite == table.suite)?;
            Some((table, results, suite))
        })
    };
    let mut measured = TABLES.iter().filter_map(measured).peekable();
    let mut text = HEAD.to_owned();
    while let Some((table, results, suite)) = measured.next() {
        table.write(&mut text, results, suite);
        let source = source(results);
        if measured.peek().is_none_or(|(_, next, _)| self::source(next) != source) {
            let _ = write!(text, "\n{source}.\n");
        }
    }
    text
}

/// Says where, when and with what something was measured.
fn source(results: &Results) -> String {
    let versions: Vec<String> =
        results.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    format!("{}; {}", place_and_time(results), versions.join(", "))
}

impl Table {
    /// Writes what the figures are, the table, and the charts of the suite.
    fn write(&self, text: &mut String, results: &Results, suite: &SuiteResults) {
        let columns = self.columns(suite);
        let Some(first) = columns.first() else { return };
        let what = capital(&self.figure.describe(first));
        let _ = writeln!(text, "\n{what}; {}:\n", self.figure.better());
        let _ = writeln!(text, "| {} | {} |", self.heading, columns.join(" | "));
        let _ = writeln!(text, "|---|{}", "--:|".repeat(columns.len()));
        let has_figure = |case: &&CaseResults| {
            case.servers.iter().any(|server| self.figure.of(server).is_some())
        };
        for case in suite.cases.iter().filter(has_figure) {
            let cells: Vec<String> = columns.iter().map(|name| self.cell(case, name)).collect();
            let _ = writeln!(text, "| {} | {} |", case.title, cells.join(" | "));
        }
        for chart in CHARTS.iter().filter(|chart| chart.suite == self.suite) {
            if chart.draw(results).is_some() {
                let _ = write!(text, "\n![{}]({PICTURES}/{}.svg)\n", chart.title, chart.file);
            }
        }
    }

    /// Writes a server's figure, ours in bold.
    fn cell(&self, case: &CaseResults, name: &str) -> String {
        let server = case.servers.iter().find(|server| server.name == name);
        match server.and_then(|server| self.figure.of(server)) {
            Some(figure) if is_ours(name) => format!("**{}**", self.figure.label(figure)),
            Some(figure) => self.figure.label(figure),
            None => "–".to_owned(),
        }
    }

    /// Returns the names of the servers that have the figure in any case, in their order.
    fn columns<'a>(&self, suite: &'a SuiteResults) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for server in suite.cases.iter().flat_map(|case| &case.servers) {
            if self.figure.of(server).is_some() && !names.contains(&server.name.as_str()) {
                names.push(&server.name);
            }
        }
        names
    }
}

/// Begins a sentence with `text`.
fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{Paced, ServerResults};
    use crate::bench::results_sample::{case, results, server, suite};

    fn measured() -> Vec<Results> {
        let http = vec![
            case("get-1", vec![server("nginx", 1.0), server("evio", 0.84), server("hyper", 0.9)]),
            case("get-16", vec![server("nginx", 1.0), server("evio", 0.118)]),
            case("calls", vec![ServerResults { cpu_ratio: None, ..server("evio", 1.0) }]),
        ];
        let bytes = |name, bytes| ServerResults {
            cpu_ratio: None,
            bytes_per_connection: Some(bytes),
            ..server(name, 1.0)
        };
        let memory = vec![case("idle", vec![bytes("mio", 47.4), bytes("evio", 1150.0)])];
        vec![results(vec![suite("memory", memory)]), results(vec![suite("http", http)])]
    }

    #[test]
    fn tables_have_a_row_for_each_case() {
        let text = render(&measured());
        for line in [
            "| HTTP | nginx | evio | hyper |",
            "| title of get-1 | 1.00 | **0.84** | 0.90 |",
            "| title of get-16 | 1.00 | **0.12** | – |",
            "| memory | mio | evio |",
            "| title of idle | 47 | **1,150** |",
            "![Memory](results/memory.svg)",
            "![HTTP, 50 connections](results/http.svg)",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
        }
        for absent in ["redis", "title of calls", "\n\n\n"] {
            assert!(!text.contains(absent), "{absent}\n\n{text}");
        }
        assert!(text.find("| HTTP") < text.find("| memory"), "{text}");
    }

    /// Tables of one run need not each repeat where it was; those of another day do.
    #[test]
    fn source_stands_below_the_tables_it_is_of() {
        let mut measured = measured();
        let count = |measured: &[Results]| {
            let text = render(measured);
            text.matches(&source(&measured[0])).count()
        };
        assert_eq!(count(&measured), 1);
        measured[1].date = "2001-01-01".to_owned();
        assert_eq!(count(&measured), 1);
        let text = render(&measured);
        assert_eq!(text.matches("2001-01-01").count(), 1, "{text}");
    }

    #[test]
    fn request_without_an_answer_is_no_gap() {
        let paced = |answered, p99_us| ServerResults {
            cpu_ratio: None,
            paced: Some(Paced {
                asked: 200,
                answered,
                p50_us: None,
                p99_us,
                max_us: None,
                late_us: None,
            }),
            ..server("", 1.0)
        };
        let named = |name: &str, paced| ServerResults { name: name.to_owned(), ..paced };
        let servers =
            vec![named("hyper", paced(200, Some(4_200.0))), named("evio", paced(150, None))];
        let text = render(&[results(vec![suite("neighbours", vec![case("noise", servers)])])]);
        for line in
            ["| title of noise | 100.0 | **75.0** |", "| title of noise | 4,200 | **never** |"]
        {
            assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
        }
    }
}

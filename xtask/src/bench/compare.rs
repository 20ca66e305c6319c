//! What moved from one run to another.

use std::fmt::Write;

use super::results::{CaseResults, Results, ServerResults, Spread};

/// What figures without a spread of their own may move by chance: as much as the same program
/// entered twice.
const TOLERANCE: f64 = 0.02;

/// What stands above the names of servers.
const HEADING: &str = "server";

/// A figure that may move.
struct Figure {
    name: &'static str,
    /// Returns the figure and its spread as a fraction of it.
    of: fn(&ServerResults) -> Option<(f64, f64)>,
}

/// The figures in the order they are printed.
const FIGURES: &[Figure] = &[
    Figure {
        name: "CPU ratio",
        of: |server| Some((server.cpu_ratio?, server.cpu_ratio_spread.unwrap_or(TOLERANCE))),
    },
    Figure {
        name: "requests/s",
        of: |server| {
            let rate = server.requests_per_second?;
            Some((rate.median, Spread::relative(rate)))
        },
    },
    Figure {
        // Where no spread of it is known, it is not what the suite is about.
        name: "p99 in µs",
        of: |server| Some((server.latency_us?.p99, server.p99_spread?)),
    },
    Figure {
        name: "notes ratio",
        of: |server| Some((server.notes_ratio?.median, server.notes_ratio?.relative())),
    },
    Figure {
        name: "p50 ratio",
        of: |server| Some((server.p50_ratio?.median, server.p50_ratio?.relative())),
    },
    Figure {
        name: "paced answered in %",
        of: |server| Some((server.paced?.percent_answered(), TOLERANCE)),
    },
    Figure {
        name: "neighbour/s",
        of: |server| {
            let rate = server.neighbour_per_second.filter(|rate| rate.median > 0.0)?;
            Some((rate.median, rate.relative()))
        },
    },
    Figure {
        name: "bytes/connection",
        of: |server| Some((server.bytes_per_connection?, TOLERANCE)),
    },
    Figure {
        name: "system calls/request",
        of: |server| Some((server.syscalls_per_request?, TOLERANCE)),
    },
];

/// Lists every figure that both runs have: old, new, and the new as a multiple of the old. Marked
/// is what moved further than the spreads of the two allow.
pub(super) fn render(old: &Results, new: &Results) -> String {
    let mut text = String::new();
    for suite in &new.suites {
        let before = old.suites.iter().find(|before| before.suite == suite.suite);
        for case in &suite.cases {
            let before =
                before.and_then(|suite| suite.cases.iter().find(|before| before.key == case.key));
            let _ = writeln!(text, "{}: {}", suite.suite, case.title);
            match before {
                Some(before) => compare(&mut text, before, case),
                None => text.push_str("  not measured before\n"),
            }
        }
    }
    text.push_str("* moved further than the spread; requests/s are those of two different runs\n");
    text
}

fn compare(text: &mut String, old: &CaseResults, new: &CaseResults) {
    let names = new.servers.iter().map(|server| server.name.chars().count());
    let width = names.chain([HEADING.len()]).max().unwrap_or(0);
    row(text, [&format!("{HEADING:width$}"), "figure", "old", "new", "factor"]);
    for server in &new.servers {
        let Some(before) = old.servers.iter().find(|before| before.name == server.name) else {
            let _ = writeln!(text, "  {:<width$}  not measured before", server.name);
            continue;
        };
        for figure in FIGURES {
            let (Some(old), Some(new)) = ((figure.of)(before), (figure.of)(server)) else {
                continue;
            };
            let mark = if has_moved(old, new) { " *" } else { "" };
            let name = format!("{:<width$}", server.name);
            let factor = factor(old.0, new.0) + mark;
            row(text, [&name, figure.name, &number(old.0), &number(new.0), &factor]);
        }
    }
}

fn row(text: &mut String, [server, figure, old, new, factor]: [&str; 5]) {
    let _ = writeln!(text, "  {server}  {figure:<20}  {old:>11}  {new:>11}  {factor}");
}

/// Writes the new figure as a multiple of the old one, if it is one.
fn factor(old: f64, new: f64) -> String {
    match (old == new, old == 0.0) {
        (true, _) => "x1.000".to_owned(),
        (false, true) => "-".to_owned(),
        (false, false) => format!("x{:.3}", new / old),
    }
}

/// Tells whether the ranges around two figures do not touch.
fn has_moved((old, old_spread): (f64, f64), (new, new_spread): (f64, f64)) -> bool {
    (new - old).abs() > old * old_spread + new * new_spread
}

/// Writes a figure of any size with enough digits to see it move.
fn number(figure: f64) -> String {
    let decimals = if figure < 100.0 { 3 } else { 0 };
    format!("{figure:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results_sample::{case, results, server, suite};

    fn run(servers: Vec<ServerResults>) -> Results {
        results(vec![suite("http", vec![case("get-1", servers)])])
    }

    /// Returns the words of the line about a server's figure.
    fn words(text: &str, server: &str, figure: &str) -> Vec<String> {
        let is_it = |line: &&str| line.trim().starts_with(server) && line.contains(figure);
        let line = text.lines().find(is_it).unwrap_or_else(|| panic!("{text}"));
        let (_, figures) = line.split_once(figure).unwrap();
        figures.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn what_moved_further_than_the_spread_is_marked() {
        let old = run(vec![server("nginx", 1.0), server("evio", 0.8), server("hyper", 0.9)]);
        let new = run(vec![server("nginx", 1.0), server("evio", 0.6), server("hyper", 0.91)]);
        let text = render(&old, &new);
        assert_eq!(words(&text, "nginx", "CPU ratio"), ["1.000", "1.000", "x1.000"]);
        assert_eq!(words(&text, "evio", "CPU ratio"), ["0.800", "0.600", "x0.750", "*"]);
        assert_eq!(words(&text, "hyper", "CPU ratio"), ["0.900", "0.910", "x1.011"]);
        assert_eq!(words(&text, "evio", "requests/s"), ["10000", "10000", "x1.000"]);
    }

    #[test]
    fn figures_without_a_spread_have_a_tolerance() {
        let bytes =
            |bytes| ServerResults { bytes_per_connection: Some(bytes), ..server("evio", 1.0) };
        for (new, moved) in [(150.0, false), (153.0, false), (160.0, true), (140.0, true)] {
            let text = render(&run(vec![bytes(150.0)]), &run(vec![bytes(new)]));
            let words = words(&text, "evio", "bytes/connection");
            assert_eq!(words.last().unwrap() == "*", moved, "{words:?}");
        }
    }

    #[test]
    fn nothing_is_no_multiple() {
        for (old, new, expected) in [(0.0, 0.0, "x1.000"), (0.0, 3.0, "-"), (3.0, 0.0, "x0.000")] {
            assert_eq!(factor(old, new), expected, "{old} to {new}");
        }
    }

    #[test]
    fn columns_have_headings() {
        let run = run(vec![server("nginx", 1.0)]);
        let text = render(&run, &run);
        let heading = text.lines().nth(1).unwrap();
        let words: Vec<&str> = heading.split_whitespace().collect();
        assert_eq!(words, ["server", "figure", "old", "new", "factor"]);
    }

    #[test]
    fn what_is_new_is_said_to_be() {
        let text = render(&run(vec![server("nginx", 1.0)]), &run(vec![server("evio", 1.0)]));
        assert!(text.contains("evio    not measured before"), "{text}");
        let text = render(&results(Vec::new()), &run(vec![server("evio", 1.0)]));
        assert!(text.contains("title of get-1\n  not measured before"), "{text}");
    }

    #[test]
    fn ranges_that_touch_have_not_moved() {
        assert!(!has_moved((1.0, 0.1), (1.2, 0.1)));
        assert!(has_moved((1.0, 0.05), (1.2, 0.05)));
        assert!(has_moved((1.0, 0.05), (0.8, 0.05)));
    }
}

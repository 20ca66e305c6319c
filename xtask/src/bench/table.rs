//! Figures as a table for the terminal.

use std::fmt::Write;

use super::results::{Case, ServerReport};

/// What stands above the columns.
const HEADINGS: [&str; COLUMNS] =
    ["server", "requests/s", "p50", "p99", "p999", "CPU/request", "spread", "ratio", "spread"];

const COLUMNS: usize = 9;

/// Says in words what a case is.
pub(super) fn describe(case: Case) -> String {
    let plural = if case.connections == 1 { "" } else { "s" };
    let mut text = format!("{} connection{plural}, {}", case.connections, bytes(case.size));
    if case.pipeline > 1 {
        text += &format!(", {} in flight", case.pipeline);
    }
    text
}

/// Lays out the figures of one case.
pub(super) fn render(case: Case, servers: &[ServerReport]) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(servers.iter().map(row));
    let widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)
    });
    let mut text = format!("{}\n", describe(case));
    for row in &rows {
        // Names to the left, figures to the right.
        let _ = write!(text, "  {:<width$}", row[0], width = widths[0]);
        for (cell, width) in row.iter().zip(widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

fn row(server: &ServerReport) -> [String; COLUMNS] {
    let percent = |fraction: f64| format!("±{:.1} %", fraction * 100.0);
    [
        server.name.clone(),
        thousands(server.requests_per_second.median),
        time(server.latency.p50 as f64),
        time(server.latency.p99 as f64),
        time(server.latency.p999 as f64),
        time(server.cpu_per_request.median),
        percent(server.cpu_per_request.relative()),
        format!("{:.3}", server.ratio.median),
        percent(server.ratio.relative()),
    ]
}

/// Lays out a case.
pub(super) fn render_case(case: &super::record::CaseResults) -> String {
    let mut text = format!("{}\n", case.title);
    for server in &case.servers {
        let _ = writeln!(
            text,
            "  {:12} {:>10} {:>9} {:.3} ±{:.1} % {:?}",
            server.name,
            thousands(server.requests_per_second.map_or(0.0, |rate| rate.median)),
            time(server.cpu_ns.map_or(0.0, |cpu| cpu.median)),
            server.cpu_ratio.unwrap_or(0.0),
            server.cpu_ratio_spread.unwrap_or(0.0) * 100.0,
            server.latency_us
        );
    }
    text
}

/// Writes a number of bytes, in KiB where it is a whole number of them.
fn bytes(count: u64) -> String {
    if count >= 1024 && count % 1024 == 0 {
        format!("{} KiB", count / 1024)
    } else {
        format!("{count} B")
    }
}

/// Writes a number without fraction, with a comma before every third digit.
pub(super) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes nanoseconds with three digits that count, in the unit that fits.
fn time(nanos: f64) -> String {
    let (value, unit) = match nanos {
        _ if nanos < 999.5 => (nanos, "ns"),
        _ if nanos < 999.5e3 => (nanos / 1e3, "µs"),
        _ if nanos < 999.5e6 => (nanos / 1e6, "ms"),
        _ => (nanos / 1e9, "s"),
    };
    let decimals = match value {
        _ if unit == "ns" || value >= 99.95 => 0,
        _ if value >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::results::{Latency, Spread};

    #[test]
    fn numbers() {
        for (number, expected) in
            [(0.4, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.8, "1,234,568")]
        {
            assert_eq!(thousands(number), expected);
        }
    }

    #[test]
    fn times() {
        let cases = [
            (0.0, "0 ns"),
            (332.4, "332 ns"),
            (999.6, "1.00 µs"),
            (5_310.0, "5.31 µs"),
            (9_996.0, "10.0 µs"),
            (99_960.0, "100 µs"),
            (260_400.0, "260 µs"),
            (1_500_000.0, "1.50 ms"),
            (2_000_000_000.0, "2.00 s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(time(nanos), expected);
        }
    }

    #[test]
    fn cases_in_words() {
        let cases = [
            ((50, 64, 1), "50 connections, 64 B"),
            ((1, 1000, 1), "1 connection, 1000 B"),
            ((50, 16_384, 16), "50 connections, 16 KiB, 16 in flight"),
        ];
        for ((connections, size, pipeline), expected) in cases {
            assert_eq!(describe(Case { connections, size, pipeline }), expected);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let server = |name: &str, ratio: f64| ServerReport {
            name: name.to_owned(),
            turns: 10,
            requests: 100_000,
            requests_per_second: Spread { low: 9e4, median: 1e5, high: 1.1e5 },
            latency: Latency { p50: 250_000, p99: 400_000, p999: 1_200_000, max: 2_000_000 },
            cpu_per_request: Spread { low: 5_200.0, median: 5_300.0, high: 5_412.0 },
            ratio: Spread { low: ratio, median: ratio, high: ratio },
        };
        let case = Case { connections: 50, size: 64, pipeline: 1 };
        let expected = "\
50 connections, 64 B
  server  requests/s     p50     p99     p999  CPU/request  spread   ratio  spread
  floor      100,000  250 µs  400 µs  1.20 ms      5.30 µs  ±2.0 %   1.000  ±0.0 %
  tokio      100,000  250 µs  400 µs  1.20 ms      5.30 µs  ±2.0 %  12.500  ±0.0 %
";
        assert_eq!(render(case, &[server("floor", 1.0), server("tokio", 12.5)]), expected);
    }
}

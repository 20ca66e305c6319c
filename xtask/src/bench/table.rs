//! Figures as a table for the terminal.

use std::fmt::Write;

use super::case::Load;
use super::results::{CaseResults, Latency, Paced, ServerResults};

/// A heading, and the cell below it if the server has that figure.
type Column = (&'static str, fn(&ServerResults) -> Option<String>);

/// All columns after the server's name. A table has those in which any server has a figure.
const COLUMNS: &[Column] = &[
    ("answered", |server| Some(answered(&server.paced?))),
    ("p50", |server| Some(wait(server.paced?.p50_us))),
    ("p99", |server| Some(wait(server.paced?.p99_us))),
    ("max", |server| Some(wait(server.paced?.max_us))),
    ("late", |server| Some(wait(server.paced?.late_us))),
    ("neighbour/s", |server| Some(thousands(server.neighbour_per_second?.median))),
    ("CPU", |server| Some(format!("{:.0} %", server.cpu_share?.median * 100.0))),
    ("requests/s", |server| Some(thousands(server.requests_per_second?.median))),
    ("notes/s", |server| Some(thousands(server.notes_per_second?.median))),
    ("spread", |server| Some(percent(server.notes_per_second?.relative()))),
    ("ratio", |server| Some(format!("{:.2}", server.notes_ratio?.median))),
    ("spread", |server| Some(percent(server.notes_ratio?.relative()))),
    ("p50", |server| latency(server, |latency| latency.p50)),
    ("ratio", |server| Some(format!("{:.3}", server.p50_ratio?.median))),
    ("spread", |server| Some(percent(server.p50_ratio?.relative()))),
    ("p99", |server| latency(server, |latency| latency.p99)),
    ("spread", |server| Some(percent(server.p99_spread?))),
    ("p999", |server| latency(server, |latency| latency.p999)),
    ("CPU/request", |server| Some(time(server.cpu_ns?.median))),
    ("spread", |server| Some(percent(server.cpu_ns?.relative()))),
    ("ratio", |server| Some(format!("{:.3}", server.cpu_ratio?))),
    ("spread", |server| Some(percent(server.cpu_ratio_spread?))),
    ("evio/it", |server| Some(format!("{:.3}", server.evio_ratio?))),
    ("lost", |server| Some(thousands(server.lost? as f64))),
    ("bytes/connection", |server| Some(thousands(server.bytes_per_connection?))),
    ("system calls/request", |server| Some(format!("{:.2}", server.syscalls_per_request?))),
];

/// Says in words what a load is.
pub(super) fn describe(load: Load) -> String {
    let plural = if load.connections == 1 { "" } else { "s" };
    let mut text = format!("{} connection{plural}, {}", load.connections, bytes(load.size));
    if load.pipeline > 1 {
        text += &format!(", {} in flight", load.pipeline);
    }
    text
}

/// Lays out the figures of one case.
pub(super) fn render(case: &CaseResults) -> String {
    let names = case.servers.iter().map(|server| server.name.clone());
    let mut columns = vec![["server".to_owned()].into_iter().chain(names).collect::<Vec<_>>()];
    for (heading, cell) in COLUMNS {
        let cells: Vec<Option<String>> = case.servers.iter().map(cell).collect();
        if cells.iter().any(Option::is_some) {
            let cells = cells.into_iter().map(Option::unwrap_or_default);
            columns.push([(*heading).to_owned()].into_iter().chain(cells).collect());
        }
    }
    let width = |column: &Vec<String>| column.iter().map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = columns.iter().map(|column| width(column).unwrap_or(0)).collect();
    let mut text = format!("{}\n", case.title);
    for row in 0..=case.servers.len() {
        // Names to the left, figures to the right.
        let _ = write!(text, "  {:<width$}", columns[0][row], width = widths[0]);
        for (column, width) in columns.iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {:>width$}", column[row]);
        }
        text.push('\n');
    }
    text
}

fn latency(server: &ServerResults, percentile: fn(&Latency) -> f64) -> Option<String> {
    Some(time(percentile(&server.latency_us?) * 1e3))
}

/// Says how many of the requests were answered.
fn answered(paced: &Paced) -> String {
    format!("{} of {}", thousands(paced.answered as f64), thousands(paced.asked as f64))
}

/// Writes a waiting time in microseconds, if it had an end.
fn wait(micros: Option<f64>) -> String {
    micros.map_or_else(|| "never".to_owned(), |micros| time(micros * 1e3))
}

fn percent(fraction: f64) -> String {
    format!("±{:.1} %", fraction * 100.0)
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
pub(super) fn time(nanos: f64) -> String {
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
    use crate::bench::case::SMALL;
    use crate::bench::results::Spread;

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
    fn loads_in_words() {
        let cases = [
            ((50, 64, 1), "50 connections, 64 B"),
            ((1, 1000, 1), "1 connection, 1000 B"),
            ((50, 16_384, 16), "50 connections, 16 KiB, 16 in flight"),
        ];
        for ((connections, size, pipeline), expected) in cases {
            assert_eq!(describe(Load { connections, size, pipeline, ..SMALL }), expected);
        }
    }

    #[test]
    fn columns_are_aligned() {
        let server = |name: &str, ratio: f64| ServerResults {
            name: name.to_owned(),
            requests_per_second: Some(Spread { low: 9e4, median: 1e5, high: 1.1e5 }),
            latency_us: Some(Latency { p50: 250.0, p99: 400.0, p999: 1_200.0 }),
            cpu_ns: Some(Spread { low: 5_200.0, median: 5_300.0, high: 5_412.0 }),
            cpu_ratio: Some(ratio),
            cpu_ratio_spread: Some(0.0),
            ..ServerResults::default()
        };
        let servers = vec![server("floor", 1.0), server("tokio", 12.5)];
        let case = CaseResults { key: String::new(), title: "50 connections".to_owned(), servers };
        let expected = "\
50 connections
  server  requests/s     p50     p99     p999  CPU/request  spread   ratio  spread
  floor      100,000  250 µs  400 µs  1.20 ms      5.30 µs  ±2.0 %   1.000  ±0.0 %
  tokio      100,000  250 µs  400 µs  1.20 ms      5.30 µs  ±2.0 %  12.500  ±0.0 %
";
        assert_eq!(render(&case), expected);
    }

    #[test]
    fn request_without_an_answer_waits_for_ever() {
        let paced = Paced {
            asked: 15_000,
            answered: 14_000,
            p50_us: Some(250.0),
            p99_us: None,
            max_us: None,
            late_us: Some(70.0),
        };
        let server = |name: &str, paced| ServerResults {
            name: name.to_owned(),
            paced,
            cpu_share: Some(Spread { low: 0.9, median: 0.97, high: 1.0 }),
            ..ServerResults::default()
        };
        let servers = vec![server("evio", Some(paced))];
        let case = CaseResults { key: String::new(), title: "noise".to_owned(), servers };
        let expected = "noise
  server          answered     p50    p99    max     late   CPU
  evio    14,000 of 15,000  250 µs  never  never  70.0 µs  97 %
";
        assert_eq!(render(&case), expected);
    }

    #[test]
    fn figure_that_one_server_lacks_is_a_gap() {
        let server = |name: &str, lost| ServerResults {
            name: name.to_owned(),
            lost,
            ..ServerResults::default()
        };
        let servers = vec![server("floor", None), server("evio", Some(1000))];
        let case = CaseResults { key: String::new(), title: "udp".to_owned(), servers };
        let expected = "udp\n  server   lost\n  floor        \n  evio    1,000\n";
        assert_eq!(render(&case), expected);
    }
}

//! The memory suite: what an idle connection adds to a server's resident memory.

use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;

use super::args::Suite;
use super::case::Entry;
use super::generator::read_lines;
use super::peers;
use super::progress::Progress;
use super::results::{CaseResults, ServerResults, SuiteResults};
use super::run::Run;
use super::table;

/// Connections to each server: enough that what does not grow with them vanishes.
const CONNECTIONS: u32 = 9_000;

/// Connections to a server that gives each of them a thread, of which a machine has fewer.
const THREADS: u32 = 1_000;

/// How long a server may take to answer two requests on each of its connections.
const LIMIT: Duration = Duration::from_secs(120);

/// How long the instrument may take to end after its report.
const END_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of resident memory per connection.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
struct Report {
    silent: f64,
    small: f64,
    large: f64,
}

/// A case: its key, its title, and its figure in the report.
type Figure = (&'static str, &'static str, fn(&Report) -> f64);

const FIGURES: [Figure; 3] = [
    ("silent", "memory of a connection that never spoke", |report| report.silent),
    ("small", "memory of an idle connection after 64 B", |report| report.small),
    ("large", "memory of an idle connection after 16 KiB", |report| report.large),
];

/// Measures all servers, one after the other: nothing one does changes another's memory.
pub(super) fn run(run: &mut Run) -> crate::Result<SuiteResults> {
    let entries = run.entries(&Suite::Memory.peers(&run.args))?;
    let mut progress = Progress::new("memory", entries.len());
    let mut reports = Vec::new();
    for entry in entries {
        progress.begin(&entry.name);
        let report = measure(run, &entry)?;
        progress.advance(1, 1);
        reports.push((entry.name, report));
    }
    let mut results = run.suite("memory");
    results.cases = FIGURES.iter().map(|figure| case(figure, &reports)).collect();
    for case in &results.cases {
        progress.print(&table::render(case));
    }
    Ok(results)
}

fn measure(run: &Run, entry: &Entry) -> crate::Result<Report> {
    let most = if entry.peer == peers::THREADS { THREADS } else { CONNECTIONS };
    let connections = run.args.connections.unwrap_or(most).min(most);
    let servers = run.programs.serve(std::slice::from_ref(entry), &run.children)?;
    let server = servers.first().ok_or("there is no server")?;
    let mut command = run.programs.memory_meter();
    let address = server.endpoint.strip_prefix("tcp://").unwrap_or(&server.endpoint);
    command.arg(address).arg(server.pid.to_string());
    command.arg("--connections").arg(connections.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let child = run.children.start(&mut command)?;
    let lines = read_lines(child.stdout.ok_or("the instrument's stdout is not piped")?);
    let line = lines
        .recv_timeout(LIMIT)
        .map_err(|_| format!("the memory of {} could not be measured", entry.name))?;
    run.children.wait(child.pid, END_LIMIT)?;
    run.children.end_all();
    Ok(serde_json::from_str(&line)?)
}

/// Returns one figure of all servers.
fn case((key, title, figure): &Figure, reports: &[(String, Report)]) -> CaseResults {
    let server = |(name, report): &(String, Report)| ServerResults {
        name: name.clone(),
        bytes_per_connection: Some(figure(report)),
        ..ServerResults::default()
    };
    CaseResults {
        key: (*key).to_owned(),
        title: (*title).to_owned(),
        servers: reports.iter().map(server).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_figure_has_its_case() {
        let report: Report =
            serde_json::from_str(r#"{"large":3.5,"silent":1.0,"small":2.0}"#).unwrap();
        let reports = [("floor".to_owned(), report)];
        let bytes: Vec<Option<f64>> = FIGURES
            .iter()
            .map(|figure| case(figure, &reports).servers[0].bytes_per_connection)
            .collect();
        assert_eq!(bytes, [Some(1.0), Some(2.0), Some(3.5)]);
    }
}

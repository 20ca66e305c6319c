//! System calls per request, counted by strace in a run of their own: a traced server is many times
//! slower, but it makes the same calls.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::case::{Case, Entry, Load};
use super::generator;
use super::outside::Tool;
use super::results::{CaseResults, ServerResults};
use super::run::Run;
use super::table;

/// Seconds of traced load: some thousand requests, to which connecting adds a hundredth.
const SECONDS: f64 = 1.0;

pub(super) const STRACE: Tool = Tool { program: "strace", package: "strace", version_option: "-V" };

/// How long strace may take to attach to a server, or to write down what it has counted.
const LIMIT: Duration = Duration::from_secs(10);

/// Counts the system calls of each server of `case` and adds them to its results. Without strace,
/// it says how to get it.
pub(super) fn count(run: &Run, case: &Case, results: &mut CaseResults) -> crate::Result {
    if let Err(reason) = STRACE.find() {
        eprintln!("left out: system calls per request: {reason}");
        return Ok(());
    }
    let mut counted = Vec::new();
    for entry in &case.entries {
        match count_one(run, entry, case.load) {
            Ok(calls) => {
                let servers = &mut results.servers;
                if let Some(server) = servers.iter_mut().find(|server| server.name == entry.name) {
                    server.syscalls_per_request = Some(calls);
                }
                counted.push(ServerResults {
                    name: entry.name.clone(),
                    syscalls_per_request: Some(calls),
                    ..ServerResults::default()
                });
            }
            // Tracing may be forbidden; the other figures stand.
            Err(error) => eprintln!("left out: system calls of {}: {error}", entry.name),
        }
        run.children.end_all();
    }
    println!("{}", table::render(&case.results(counted)));
    Ok(())
}

/// Returns how many system calls per request one server makes.
fn count_one(run: &Run, entry: &Entry, load: Load) -> crate::Result<f64> {
    let servers = run.programs.serve(std::slice::from_ref(entry), &run.children)?;
    let server = servers.first().ok_or("there is no server")?;
    let scratch = run.programs.scratch();
    fs::create_dir_all(&scratch)?;
    let file = scratch.join("strace");
    let tracer = attach(run, server.pid, &file)?;
    // Every request that is sent must count, as every call does.
    let load = Load { warm_up: 0, seconds: SECONDS, patience: 1, ..load };
    let driven = generator::drive(&run.programs, &run.children, &servers, load, |_, _| ())?;
    let requests = driven.first().ok_or("there are no figures")?.requests;
    // strace ends with what it traces.
    run.children.end(server.pid);
    run.children.wait(tracer, LIMIT)?;
    let calls = parse_total(&fs::read_to_string(&file)?).ok_or("strace counted nothing")?;
    fs::remove_file(&file)?;
    Ok(calls as f64 / requests as f64)
}

/// Starts strace and waits until it has attached. Returns its process id.
fn attach(run: &Run, pid: u32, file: &Path) -> crate::Result<u32> {
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-p", &pid.to_string(), "-o"]).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let started = run.children.start(&mut command)?;
    let stderr = started.stderr.ok_or("strace's stderr is not piped")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            // Only the first line is waited for; the others are read so that the pipe has room.
            let _ = sender.send(line);
        }
    });
    match receiver.recv_timeout(LIMIT) {
        Ok(line) if line.contains("attached") => Ok(started.pid),
        Ok(line) => Err(line.into()),
        Err(_) => Err("strace does not attach".into()),
    }
}

/// Returns the number of calls in the last line of what `strace -c` writes.
fn parse_total(text: &str) -> Option<u64> {
    let line = text.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    // Share of the time, seconds, microseconds per call, calls.
    line.split_ascii_whitespace().nth(3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn total_of_a_summary() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.003000           1      3000        10 recvfrom
 40.00    0.002000           1      2000           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.005000           1      5000        10 total
";
        assert_eq!(parse_total(text), Some(5000));
        assert_eq!(parse_total(&text.replace("        10 total", "           total")), Some(5000));
        assert_eq!(parse_total(""), None);
    }
}

//! `cargo xtask bench`: evio beside what a user would pick instead, measured in one run.
//!
//! Here servers are started and stopped, and figures are shown and kept. The measuring itself is
//! done by `load-generator` of the benchmarks package, in a process of its own.

mod args;
mod case;
mod chart;
mod compare;
mod driver;
mod echo;
mod generator;
mod go;
mod http;
pub(crate) mod machine;
mod memory;
mod neighbours;
mod outside;
mod page;
mod peers;
mod programs;
mod progress;
mod proxy;
mod publish;
mod readme;
mod redis;
mod results;
#[cfg(test)]
mod results_sample;
mod run;
mod suites;
mod syscalls;
mod table;
mod turns;
mod wake;

use std::collections::BTreeSet;

pub(crate) use args::Args;
use args::Suite;
use machine::Machine;
use results::{Results, SuiteResults};
use run::Run;

/// Runs the suites, or compares two runs that were kept.
pub(crate) fn run(args: Args) -> crate::Result {
    args.check()?;
    // Tried first, so that what is wrong does not cost a run.
    if let Some(file) = &args.json {
        publish::check_writable(file)?;
    }
    if args.save {
        publish::check_saved()?;
        if let Some(packages) = missing_packages(&args) {
            return Err(format!("--save keeps whole suites: apt-get install {packages}").into());
        }
    }
    let kept = args.compare.iter().map(|file| publish::read(file));
    let kept = kept.collect::<crate::Result<Vec<Results>>>()?;
    if let [old, new] = kept.as_slice() {
        print!("{}", compare::render(old, new));
        return Ok(());
    }
    // Before anything is measured: the commit may be another one afterwards.
    let machine = Machine::describe();
    let mut run = Run::prepare(args)?;
    let (suites, failed) = measure(&mut run);
    for (package, version) in &run.versions {
        println!("{package} {version}");
    }
    println!("{}", machine.summary());
    let results = Results {
        commit: Some(machine.commit().to_owned()).filter(|commit| commit != machine::UNKNOWN),
        date: machine::today(),
        machine,
        versions: run.versions,
        suites,
    };
    if let [old] = kept.as_slice() {
        print!("\n{}", compare::render(old, &results));
    }
    keep(&run.args, &results)?;
    if let Some(packages) = missing_packages(&run.args) {
        eprintln!("to measure everything, on Debian: apt-get install {packages}");
    }
    failed?;
    match results.suites.as_slice() {
        [echo] if run.args.self_check => echo::self_check(&echo.cases),
        _ => Ok(()),
    }
}

/// Measures the suites one after the other, and tells what failed last: the others can still be
/// measured.
fn measure(run: &mut Run) -> (Vec<SuiteResults>, crate::Result) {
    let mut suites = Vec::new();
    let mut failed = Ok(());
    for suite in run.args.suites() {
        match measure_one(run, suite) {
            Ok(results) => suites.extend(results),
            Err(error) => {
                run.children.end_all();
                eprintln!("{suite}: {error}");
                failed = Err(error);
            }
        }
    }
    (suites, failed)
}

/// Measures a suite. Without its tools it has no cases, which is an error if it was asked for.
fn measure_one(run: &mut Run, suite: Suite) -> crate::Result<Option<SuiteResults>> {
    let results = match suite {
        Suite::Echo => echo::run(run),
        Suite::Udp => suites::udp(run),
        Suite::Connect => suites::connect(run),
        Suite::Idle => suites::idle(run),
        Suite::Memory => memory::run(run),
        Suite::Latency => suites::latency(run),
        Suite::Scale => suites::scale(run),
        Suite::Wake => wake::run(run),
        Suite::Http => http::run(run),
        Suite::Redis => redis::run(run),
        Suite::Proxy => proxy::run(run),
        Suite::Neighbours => neighbours::run(run),
    }?;
    if results.cases.is_empty() && run.args.names(suite) {
        return Err(format!("nothing of {suite} can be measured here").into());
    }
    Ok(Some(results).filter(|results| !results.cases.is_empty()))
}

/// Names the Debian packages without which something is left out, if there are any.
fn missing_packages(args: &Args) -> Option<String> {
    let missing = args.tools().into_iter().filter(|tool| tool.find().is_err());
    let packages: BTreeSet<&str> = missing.map(|tool| tool.package).collect();
    let packages = packages.into_iter().collect::<Vec<_>>().join(" ");
    Some(packages).filter(|packages| !packages.is_empty())
}

/// Writes the results wherever the options ask for them.
fn keep(args: &Args, results: &Results) -> crate::Result {
    if let Some(file) = &args.json {
        results.write(file)?;
    }
    if args.save {
        publish::save(results)?;
    }
    Ok(())
}

//! Runs the cases, some at a time, and sums up what became of them.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::case::{Case, Outcome};
use super::lab::Lab;

/// What became of all cases.
#[derive(Debug, Default)]
pub(super) struct Summary {
    rows: BTreeMap<(&'static str, &'static str), Row>,
    not_fired: Vec<String>,
    pub(super) fired: usize,
    pub(super) found: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    cases: usize,
    fired: usize,
    found: usize,
}

/// Runs the cases until `limit` is over, and prints what is found as it is.
pub(super) fn run(cases: &[Case], lab: &Lab<'_>, jobs: u16, limit: Option<Duration>) -> Summary {
    let bar = ProgressBar::new(cases.len() as u64);
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} cases  {msg}  {eta}");
    bar.set_style(style.expect("the template names only fields that exist"));
    let is_terminal = std::io::stderr().is_terminal();
    let (next, summary) = (AtomicUsize::new(0), Mutex::new(Summary::default()));
    let started = Instant::now();
    let work = || {
        while limit.is_none_or(|limit| started.elapsed() < limit) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(case) = cases.get(index) else { break };
            bar.set_message(case.to_string());
            let outcome = case.run(lab);
            if let Outcome::Found(what) = &outcome {
                let repeat = format!("cargo xtask faults --case {case} --seed {}", lab.seed);
                bar.suspend(|| println!("FOUND {case}: {what}\n    to repeat it: {repeat}"));
            }
            summary.lock().expect("no case panics").add(case, &outcome);
            bar.inc(1);
            // A line for each tenth is enough where there is no bar.
            let tenth = |count: usize| count * 10 / cases.len();
            if !is_terminal && tenth(index + 1) > tenth(index) {
                let seconds = started.elapsed().as_secs();
                eprintln!("{} of {} cases in {seconds} s", index + 1, cases.len());
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(work);
        }
    });
    bar.finish_and_clear();
    summary.into_inner().expect("no case panics")
}

impl Summary {
    fn add(&mut self, case: &Case, outcome: &Outcome) {
        let row = self.rows.entry((case.server.name, case.call)).or_default();
        row.cases += 1;
        match outcome {
            Outcome::NotFired => self.not_fired.push(case.to_string()),
            Outcome::Passed => row.fired += 1,
            Outcome::Found(_) => {
                row.fired += 1;
                row.found += 1;
                self.found += 1;
            }
        }
        if *outcome != Outcome::NotFired {
            self.fired += 1;
        }
    }

    /// Returns a line for each server and call, and the cases that did not fire.
    pub(super) fn table(&self) -> String {
        let mut table =
            format!("{:<14}{:<16}{:>6}{:>7}{:>7}\n", "server", "call", "cases", "fired", "found");
        for ((server, call), Row { cases, fired, found }) in &self.rows {
            table += &format!("{server:<14}{call:<16}{cases:>6}{fired:>7}{found:>7}\n");
        }
        for case in &self.not_fired {
            table += &format!("not counted, since its call was not made: {case}\n");
        }
        table
    }
}

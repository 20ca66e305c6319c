//! How far a run is, on stderr: a bar on a terminal, plain lines elsewhere.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a run is.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    suite: String,
    /// Cases that are to be run.
    cases: usize,
    /// Cases that were begun.
    begun: usize,
    /// Quarters of the current case that a line was printed for.
    quarters: usize,
}

/// Steps of the bar per case.
const STEPS: usize = 100;

impl Progress {
    /// Begins to show the progress of a suite of so many cases.
    pub(super) fn new(suite: &str, cases: usize) -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg}  {eta}")
                .expect("the template names only fields that exist");
            ProgressBar::new((cases * STEPS) as u64).with_style(style)
        });
        Self { bar, suite: suite.to_owned(), cases, begun: 0, quarters: 0 }
    }

    /// Says which case begins.
    pub(super) fn begin(&mut self, name: &str) {
        self.begun += 1;
        self.quarters = 0;
        match &self.bar {
            Some(bar) => bar.set_message(format!("{}: {name}", self.suite)),
            None => eprintln!("{} {} of {}: {name}", self.suite, self.begun, self.cases),
        }
    }

    /// Says how much of the case is done.
    pub(super) fn advance(&mut self, done: usize, total: usize) {
        let total = total.max(1);
        if let Some(bar) = &self.bar {
            let before = self.begun.saturating_sub(1) * STEPS;
            bar.set_position((before + done * STEPS / total) as u64);
            return;
        }
        let quarters = done * 4 / total;
        if quarters > self.quarters {
            self.quarters = quarters;
            eprintln!("  {} %", quarters * 25);
        }
    }

    /// Prints to stdout without disturbing the bar.
    pub(super) fn print(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| println!("{text}")),
            None => println!("{text}"),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

//! What all suites of a run have in common.

use std::collections::BTreeMap;

use super::Args;
use super::case::{Case, Entry};
use super::generator::{self, Driven};
use super::go;
use super::machine;
use super::peers::{self, Peer};
use super::programs::Programs;
use super::progress::Progress;
use super::results::SuiteResults;
use super::table;
use crate::children::Children;

/// A run: its options, its programs and the processes it has started.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) args: Args,
    pub(super) programs: Programs,
    pub(super) children: Children,
    /// Versions of what was measured so far, by package.
    pub(super) versions: BTreeMap<String, String>,
}

impl Run {
    /// Builds the programs, unless the options say otherwise.
    pub(super) fn prepare(args: Args) -> crate::Result<Self> {
        let children = Children::new()?;
        let programs = Programs::find()?;
        if !args.no_build {
            let (go, servers): (Vec<&str>, Vec<&str>) =
                args.programs().into_iter().partition(|&program| program == peers::GO.program);
            programs.build(&children, &servers)?;
            if !go.is_empty() {
                go::build(&programs, &children)?;
            }
        }
        for warning in machine::warnings() {
            eprintln!("warning: {warning}");
        }
        Ok(Self { args, programs, children, versions: BTreeMap::new() })
    }

    /// Returns those of `peers` that were built, as entries of a case, and names the others.
    pub(super) fn entries(&mut self, peers: &[Peer]) -> crate::Result<Vec<Entry>> {
        let (built, missing): (Vec<Peer>, Vec<Peer>) =
            peers.iter().partition(|peer| self.programs.has(peer.program));
        for peer in missing {
            let reason = match peer {
                peers::GO => go::missing(),
                _ => format!("{} was not built", peer.program),
            };
            eprintln!("left out: {}: {reason}", peer.name);
        }
        if built.is_empty() {
            return Err("there is no server to measure".into());
        }
        let versions = machine::versions(built.iter().filter_map(|peer| peer.package));
        self.versions.extend(versions.into_iter().map(|(name, version)| (name.into(), version)));
        if built.contains(&peers::GO) {
            self.versions.extend(go::GO.version().map(|version| ("go".to_owned(), version)));
        }
        Ok(built.into_iter().map(Entry::from).collect())
    }

    /// Measures all `cases` and prints their tables.
    pub(super) fn measure(&self, suite: &str, cases: &[Case]) -> crate::Result<SuiteResults> {
        let mut progress = Progress::new(suite, cases.len());
        let mut results = self.suite(suite);
        for case in cases {
            progress.begin(&case.title);
            let driven = self.drive(case, |done, total| progress.advance(done, total))?;
            let servers = driven.into_iter().map(|driven| driven.results).collect();
            results.cases.push(case.results(servers));
            progress.print(&table::render(results.cases.last().expect("one was just pushed")));
        }
        Ok(results)
    }

    /// Measures one case with fresh servers, so that it does not depend on those before it.
    pub(super) fn drive(
        &self,
        case: &Case,
        progress: impl FnMut(usize, usize),
    ) -> crate::Result<Vec<Driven>> {
        let servers = self.programs.serve(&case.entries, &self.children)?;
        let driven =
            generator::drive(&self.programs, &self.children, &servers, case.load, progress)?;
        self.children.end_all();
        Ok(driven)
    }

    /// Returns the results of a suite of which nothing is measured yet.
    pub(super) fn suite(&self, suite: &str) -> SuiteResults {
        SuiteResults { suite: suite.to_owned(), duration: self.args.duration(), cases: Vec::new() }
    }
}

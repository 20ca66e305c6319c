//! One fault in the life of a server, and what becomes of it.

use std::fmt;
use std::path::Path;

use super::errors::{Cost, cost_of};
use super::lab::Lab;
use super::process::Process;
use super::protocol::Endpoint;
use super::servers::Server;
use super::strace::{self, Injected, Injection, Phase};
use super::workload::Clients;

/// A call of a server that is to fail.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) server: Server,
    pub(super) call: &'static str,
    pub(super) error: &'static str,
    pub(super) phase: Phase,
    /// Which call of the phase, from 1.
    pub(super) position: usize,
    /// Which call of the thread's life, from 1.
    pub(super) when: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, call, error, phase, position, .. } = self;
        write!(f, "{}/{call}/{error}/{}/{position}", server.name, phase.name())
    }
}

/// What became of a case.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server is as it should be after the fault.
    Passed,
    /// The call was not made this time.
    NotFired,
    /// What is wrong.
    Found(String),
}

/// A server is ended by the error, and says so.
struct Refused;

impl Case {
    /// Runs the server with the fault, and judges it.
    pub(super) fn run(&self, lab: &Lab<'_>) -> Outcome {
        let name = self.to_string();
        let log = lab.log(&name);
        let outcome = match self.judge(lab, &name, &log) {
            Err(what) => Outcome::Found(what),
            Ok(refused) => match Injected::read(&log) {
                Err(error) => Outcome::Found(format!("the log of strace: {error}")),
                Ok(Injected { stale, .. }) if !stale.is_empty() => {
                    Outcome::Found(format!("a descriptor that is not open: {}", stale.join("; ")))
                }
                Ok(Injected { faults: 0, .. }) if refused.is_some() => {
                    Outcome::Found("the server does not start, and no fault has fired".into())
                }
                Ok(Injected { faults: 0, .. }) => Outcome::NotFired,
                Ok(_) => Outcome::Passed,
            },
        };
        let _ = std::fs::remove_file(log);
        outcome
    }

    fn judge(&self, lab: &Lab<'_>, name: &str, log: &Path) -> Result<Option<Refused>, String> {
        let Self { call, error, when, .. } = *self;
        let injection = Injection { call, error, when };
        let mut command = strace::inject(log, &injection, &lab.command_line(self.server));
        let started = Process::start(lab.children, &mut command);
        let mut process = started.map_err(|error| error.to_string())?;
        let Some(address) = process.address() else {
            return self.is_refused(&mut process).map(Some);
        };
        let server = Endpoint { protocol: self.server.protocol, address };
        let mut clients = Clients::new(server, lab.seed, name);
        clients.run_for(self.phase);
        let serves = clients.wrong.is_empty() && clients.serves_the_next();
        if !serves && self.phase == Phase::Start && process.ends_soon() {
            return self.is_refused(&mut process).map(Some);
        }
        let injected = Injected::read(log).map_err(|error| error.to_string())?;
        self.judge_clients(&process, &clients, serves, &injected)?;
        // A close that is not made leaves its descriptor to nobody; strace counts in each thread.
        let left = if call == "close" { self.server.loops } else { 0 };
        process.judge_end(lab.descriptors(self.server) + left)?;
        Ok(None)
    }

    fn judge_clients(
        &self,
        process: &Process<'_>,
        clients: &Clients<'_>,
        serves: bool,
        injected: &Injected,
    ) -> Result<(), String> {
        let faults = injected.faults;
        let Clients { lost, wrong, .. } = clients;
        let may_be_lost = match cost_of(self.call, self.error) {
            Some(Cost::OneConnection) => faults - injected.at_the_end,
            Some(Cost::Nothing) | None => 0,
        };
        let has_ended = (!lost.is_empty() && process.ends_soon()) || process.has_ended();
        let what = match wrong.first() {
            _ if has_ended => "the server has ended",
            Some(wrong) => wrong,
            None if !serves => "a new client is not served",
            None if lost.len() > may_be_lost => "more connections are lost than faults explain",
            None => return Ok(()),
        };
        let lost = lost.join("; ");
        let said = process.excerpt();
        Err(format!("{what} ({faults} faults; lost: {lost})\n{said}"))
    }

    /// Checks a server that ends because it could not start.
    fn is_refused(&self, process: &mut Process<'_>) -> Result<Refused, String> {
        let status = process.wait();
        let said = process.excerpt();
        let problem = match status {
            Err(error) => format!("the server neither listens nor ends: {error}"),
            Ok(_) if self.phase != Phase::Start => "the server ended before the fault".into(),
            Ok(_) if process.has_panicked() => "a panic".into(),
            Ok(status) if status.success() => "the server ends with success".into(),
            Ok(status) if status.code().is_none() => format!("the server is killed: {status}"),
            Ok(_) if !said.contains("error: ") => "the server ends without a word".into(),
            Ok(_) => return Ok(Refused),
        };
        Err(format!("{problem}\n{said}"))
    }
}

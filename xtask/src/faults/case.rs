//! One fault in the life of a server, and what becomes of it.

use std::fmt;
use std::path::Path;

use nix::sys::signal::Signal;

use super::errors::{Cost, cost_of};
use super::lab::Lab;
use super::process::Process;
use super::protocol::Endpoint;
use super::servers::Server;
use super::strace::{self, Injection, Phase};
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
    /// The server is as it should be, after so many faults.
    Passed(usize),
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
            Ok(()) => match strace::injected(&log) {
                Ok(0) => Outcome::NotFired,
                Ok(faults) => Outcome::Passed(faults),
                Err(error) => Outcome::Found(format!("the log of strace: {error}")),
            },
        };
        let _ = std::fs::remove_file(log);
        outcome
    }

    fn judge(&self, lab: &Lab<'_>, name: &str, log: &Path) -> Result<(), String> {
        let Self { call, error, when, .. } = *self;
        let injection = Injection { call, error, when };
        let mut command = strace::inject(log, &injection, &lab.command_line(self.server));
        let started = Process::start(lab.children, &mut command);
        let mut process = started.map_err(|error| error.to_string())?;
        let Some(address) = process.address() else {
            return self.is_refused(&mut process).map(|Refused| ());
        };
        let server = Endpoint { protocol: self.server.protocol, address };
        let mut clients = Clients::new(server, lab.seed, name);
        clients.run_for(self.phase);
        let serves = clients.wrong.is_empty() && clients.serves_the_next();
        if !serves && self.phase == Phase::Start && process.ends_soon() {
            return self.is_refused(&mut process).map(|Refused| ());
        }
        let faults = strace::injected(log).map_err(|error| error.to_string())?;
        self.judge_clients(&process, &clients, serves, faults)?;
        self.judge_idle(&process, lab.descriptors(self.server), faults)?;
        process.signal(Signal::SIGTERM);
        self.judge_end(&mut process)
    }

    fn judge_clients(
        &self,
        process: &Process<'_>,
        clients: &Clients<'_>,
        serves: bool,
        faults: usize,
    ) -> Result<(), String> {
        let Clients { lost, wrong, .. } = clients;
        let may_be_lost = match cost_of(self.call, self.error) {
            Some(Cost::OneConnection) => faults,
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
        let said = process.said();
        Err(format!("{what} ({faults} faults; lost: {lost})\n{said}"))
    }

    fn judge_idle(
        &self,
        process: &Process<'_>,
        baseline: usize,
        faults: usize,
    ) -> Result<(), String> {
        // A close that is not made leaves its descriptor to nobody.
        let left = if self.call == "close" { faults } else { 0 };
        let descriptors = process.settle(|count| count <= baseline + left);
        if descriptors > baseline + left {
            return Err(format!("{descriptors} descriptors are open, {baseline} were before"));
        }
        if !process.is_idle() {
            return Err("the server is busy with nothing".into());
        }
        Ok(())
    }

    fn judge_end(&self, process: &mut Process<'_>) -> Result<(), String> {
        let status = process.wait();
        let said = process.said();
        match status {
            Err(error) => Err(format!("SIGTERM does not end the server: {error}\n{said}")),
            Ok(status) if !status.success() => {
                Err(format!("SIGTERM ends the server with {status}\n{said}"))
            }
            Ok(_) if said.contains("panicked") => Err(format!("a panic:\n{said}")),
            Ok(_) => Ok(()),
        }
    }

    /// Checks a server that ends because it could not start.
    fn is_refused(&self, process: &mut Process<'_>) -> Result<Refused, String> {
        let status = process.wait();
        let said = process.said();
        let problem = match status {
            Err(error) => format!("the server neither listens nor ends: {error}"),
            Ok(_) if self.phase != Phase::Start => "the server ended before the fault".into(),
            Ok(_) if said.contains("panicked") => "a panic".into(),
            Ok(status) if status.success() => "the server ends with success".into(),
            Ok(status) if status.code().is_none() => format!("the server is killed: {status}"),
            Ok(_) if !said.contains("error: ") => "the server ends without a word".into(),
            Ok(_) => return Ok(Refused),
        };
        Err(format!("{problem}\n{said}"))
    }
}

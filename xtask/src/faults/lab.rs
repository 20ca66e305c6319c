//! What all cases share: the programs, a directory, the server behind the proxy, and what a server
//! is like without a fault.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::case::Case;
use super::errors::CALLS;
use super::process::Process;
use super::protocol::Endpoint;
use super::servers::{SERVERS, Server};
use super::strace::{self, Calls, Phase};
use super::workload::Clients;
use crate::Result;
use crate::children::Children;
use crate::workspace_root;

/// How long a release build of everything may take, from nothing and on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How many calls of a phase fail, one in each case.
const POSITIONS: usize = 8;

/// What the cases share.
#[derive(Debug)]
pub(super) struct Lab<'a> {
    pub(super) children: &'a Children,
    pub(super) seed: u64,
    programs: PathBuf,
    scratch: PathBuf,
    upstream: String,
    /// The server behind the proxy, for as long as this lives.
    _upstream: Process<'a>,
    /// How many descriptors each server has when nobody is connected.
    descriptors: BTreeMap<&'static str, usize>,
}

impl<'a> Lab<'a> {
    /// Builds the servers unless that is `built`, and starts what they need.
    pub(super) fn open(children: &'a Children, seed: u64, built: bool) -> Result<Self> {
        // Cargo has put this program beside the release directory.
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).ok_or("xtask does not lie in a target directory")?;
        let programs = target.join("release");
        if !built {
            build(children)?;
        }
        let scratch = target.join("faults").join(std::process::id().to_string());
        fs::create_dir_all(&scratch)?;
        let mut command = Command::new(programs.join("echo-server"));
        let behind = Process::start(children, command.args(["--port", "0"]))?;
        let upstream = behind.address().ok_or("the server behind the proxy does not start")?;
        Ok(Self {
            children,
            seed,
            programs,
            scratch,
            upstream: upstream.to_string(),
            _upstream: behind,
            descriptors: BTreeMap::new(),
        })
    }

    pub(super) fn command_line(&self, server: Server) -> Vec<OsString> {
        server.command_line(&self.programs, &self.upstream)
    }

    /// Returns a file for a case of this name.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.scratch.join(name.replace('/', "-"))
    }

    pub(super) fn descriptors(&self, server: Server) -> usize {
        self.descriptors.get(server.name).copied().unwrap_or(0)
    }

    /// Observes a server without a fault, and returns its cases.
    ///
    /// # Errors
    /// There is something wrong with it even so.
    pub(super) fn enumerate(&mut self, server: Server) -> Result<Vec<Case>> {
        let all = self.observe(server, Phase::Serve)?;
        let one = self.observe(server, Phase::End)?;
        let mut cases = Vec::new();
        for phase in Phase::ALL {
            let calls = if phase == Phase::Serve { &all } else { &one };
            for call in CALLS {
                // A signal handler tells of the signal by sending a byte. What it cannot send is
                // lost, and the signal has to be sent once more.
                if phase == Phase::End && call.name == "sendto" {
                    continue;
                }
                let numbers = calls.numbers(call.name, phase);
                for (position, &when) in (1..=POSITIONS).zip(&numbers) {
                    cases.extend(call.errors().iter().map(|&(error, _)| Case {
                        server,
                        call: call.name,
                        error,
                        phase,
                        position,
                        when,
                    }));
                }
            }
        }
        Ok(cases)
    }

    fn observe(&mut self, server: Server, phase: Phase) -> Result<Calls> {
        let log = self.log(server.name);
        let mut command = strace::observe(&log, &self.command_line(server));
        let mut process = Process::start(self.children, &mut command)?;
        let complain = |what: &str, said: &str| format!("{}: {what}\n{said}", server.name);
        let Some(address) = process.address() else {
            return Err(complain("it does not listen", &process.excerpt()).into());
        };
        let endpoint = Endpoint { protocol: server.protocol, address };
        let mut clients = Clients::new(endpoint, self.seed, server.name);
        clients.run_for(phase);
        let serves = clients.serves_the_next();
        if !serves || !clients.wrong.is_empty() || !clients.lost.is_empty() {
            let what = [clients.wrong, clients.lost].concat().join("; ");
            return Err(complain(&what, &process.excerpt()).into());
        }
        self.descriptors.insert(server.name, process.fewest_descriptors());
        process.signal(Signal::SIGTERM);
        let status = process.wait()?;
        if !status.success() {
            return Err(complain(&format!("it ends with {status}"), &process.excerpt()).into());
        }
        let calls = Calls::read(&log)?;
        fs::remove_file(&log)?;
        Ok(calls)
    }
}

impl Drop for Lab<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.scratch);
    }
}

fn build(children: &Children) -> Result {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace_root());
    command.args(["build", "--release", "-p", "evio-examples"]);
    for server in SERVERS {
        command.args(["--bin", server.program]);
    }
    let pid = children.start(&mut command)?.pid;
    let status = children.wait(pid, BUILD_LIMIT)?;
    if status.success() { Ok(()) } else { Err("the release build failed".into()) }
}

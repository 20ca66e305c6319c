//! The programs of this workspace that a run needs: building them and starting servers.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::case::{Core, Entry};
use crate::children::Children;
use crate::workspace_root;

/// How long a release build of everything may take, from nothing and on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long a server may take until it listens. It does nothing before.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Which of the usable cores all servers run on.
pub(super) const SERVER_CORE: &str = "0";

/// Which of the usable cores the generator runs on.
pub(super) const GENERATOR_CORE: &str = "1";

/// What starts everything else.
const LAUNCHER: &str = "launch";

const GENERATOR: &str = "load-generator";

/// What measures memory.
pub(super) const MEMORY_METER: &str = "connection-memory";

/// What measures notes to a loop. It chooses its cores itself.
pub(super) const WAKE_METER: &str = "wake";

/// What measures how much a noisy neighbour takes from others.
pub(super) const NEIGHBOUR_LOAD: &str = "neighbour-load";

/// What stands for all cores.
const ANY_CORE: &str = "any";

/// The programs of this workspace, built for release.
#[derive(Debug)]
pub(super) struct Programs {
    directory: PathBuf,
}

/// A server that listens.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: String,
    /// Where it listens, as in tcp://127.0.0.1:5000.
    pub(super) endpoint: String,
    pub(super) pid: u32,
}

impl Programs {
    /// Finds the release directory: cargo has put this program beside it.
    pub(super) fn find() -> crate::Result<Self> {
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).ok_or("xtask does not lie in a target directory")?;
        Ok(Self { directory: target.join("release") })
    }

    /// Builds `servers`, and what drives them.
    pub(super) fn build(&self, children: &Children, servers: &[&str]) -> crate::Result {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(workspace_root());
        command.args(["build", "--release", "-p", "evio-benchmarks", "-p", "evio-examples"]);
        for program in [LAUNCHER, GENERATOR].iter().chain(servers) {
            command.args(["--bin", program]);
        }
        let pid = children.start(&mut command)?.pid;
        let status = children.wait(pid, BUILD_LIMIT)?;
        if status.success() { Ok(()) } else { Err("the release build failed".into()) }
    }

    /// Tells whether `program` was built.
    pub(super) fn has(&self, program: &str) -> bool {
        self.path(program).is_file()
    }

    /// Starts all servers of a case, and waits until all of them listen. One that ends before,
    /// because this machine lacks what it needs, is named and left out.
    pub(super) fn serve(
        &self,
        entries: &[Entry],
        children: &Children,
    ) -> crate::Result<Vec<Server>> {
        let mut started = Vec::with_capacity(entries.len());
        for Entry { name, peer, arguments, core } in entries {
            let core = match core {
                Core::Own => SERVER_CORE,
                Core::Generator => GENERATOR_CORE,
                Core::Any => ANY_CORE,
            };
            let mut command = self.launch(core, &self.path(peer.program));
            command.args(peer.arguments).args(arguments).args(["--port", "0"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let child = children.start(&mut command)?;
            let stderr = child.stderr.ok_or("the server's stderr is not piped")?;
            started.push((name, child.pid, watch(name.clone(), stderr)));
        }
        let deadline = Instant::now() + START_LIMIT;
        let mut servers = Vec::with_capacity(started.len());
        for (name, pid, endpoint) in started {
            let left = deadline.saturating_duration_since(Instant::now());
            match endpoint.recv_timeout(left) {
                Ok(endpoint) => servers.push(Server { name: name.clone(), endpoint, pid }),
                Err(RecvTimeoutError::Disconnected) => {
                    eprintln!("left out: {name}, because it ended before it listened");
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!("{name} does not say where it listens").into());
                }
            }
        }
        match (servers.first(), entries.first()) {
            (Some(server), Some(entry)) if server.name == entry.name => Ok(servers),
            _ => Err("the server that the others are compared to does not run".into()),
        }
    }

    /// Returns the command that starts the load generator.
    pub(super) fn generator(&self) -> Command {
        self.launch(GENERATOR_CORE, &self.path(GENERATOR))
    }

    /// Returns the command that starts what measures memory.
    pub(super) fn memory_meter(&self) -> Command {
        self.launch(GENERATOR_CORE, &self.path(MEMORY_METER))
    }

    /// Returns the command that starts what measures notes to a loop.
    pub(super) fn wake_meter(&self) -> Command {
        self.launch(ANY_CORE, &self.path(WAKE_METER))
    }

    /// Returns the command that starts what measures how much a noisy neighbour takes from others.
    pub(super) fn neighbour_load(&self) -> Command {
        self.launch(GENERATOR_CORE, &self.path(NEIGHBOUR_LOAD))
    }

    /// Returns the command that starts `program` on one core, for as long as the calling thread
    /// lives.
    pub(super) fn launch(&self, core: &str, program: &Path) -> Command {
        let mut command = Command::new(self.path(LAUNCHER));
        command.arg(core).arg(program);
        command
    }

    /// Returns a directory for what servers need beside their program, which nobody else uses.
    pub(super) fn scratch(&self) -> PathBuf {
        self.directory.with_file_name("bench")
    }

    /// Returns where `program` is or would be.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        let file = format!("{program}{}", env::consts::EXE_SUFFIX);
        Path::new(&self.directory).join(file)
    }
}

/// Reads a server's stderr for as long as there is any, so that the server never waits for room in
/// the pipe. Sends where it listens and passes all other lines on.
fn watch(name: String, stderr: ChildStderr) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            match parse_listening(&line) {
                // Nobody waits any more after the first address.
                Some(endpoint) => drop(sender.send(endpoint)),
                None => eprintln!("{name}: {line}"),
            }
        }
    });
    receiver
}

/// Returns the endpoint in a line like `listening on tcp://127.0.0.1:5000`.
fn parse_listening(line: &str) -> Option<String> {
    let (scheme, address) = line.trim().strip_prefix("listening on ")?.split_once("://")?;
    let mut address: SocketAddr = address.parse().ok()?;
    if address.ip().is_unspecified() {
        // Every peer is reached in the same way.
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    matches!(scheme, "tcp" | "udp").then(|| format!("{scheme}://{address}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_lines() {
        let cases = [
            ("listening on tcp://127.0.0.1:5000", Some("tcp://127.0.0.1:5000")),
            ("listening on tcp://[::1]:5000\r", Some("tcp://[::1]:5000")),
            ("listening on udp://0.0.0.0:5000", Some("udp://127.0.0.1:5000")),
            ("listening on tcp://[::]:5000", Some("tcp://127.0.0.1:5000")),
            ("listening on http://127.0.0.1:5000", None),
            ("listening on unix:///tmp/echo", None),
            ("listening on tcp://localhost:5000", None),
            ("warning: listening on tcp://127.0.0.1:5000", None),
            ("", None),
        ];
        for (line, expected) in cases {
            assert_eq!(parse_listening(line).as_deref(), expected, "{line:?}");
        }
    }
}

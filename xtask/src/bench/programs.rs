//! The programs of this workspace that a run needs: building them and starting servers.

use std::env;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::children::Children;
use super::peers::Peer;
use crate::workspace_root;

/// How long a release build of everything may take, from nothing and on a slow machine.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);

/// How long a server may take until it listens. It does nothing before.
const START_LIMIT: Duration = Duration::from_secs(10);

/// Which of the usable cores all servers run on.
pub(super) const SERVER_CORE: &str = "0";

/// Which of the usable cores the generator runs on.
pub(super) const GENERATOR_CORE: &str = "1";

/// The programs of this workspace, built for release.
#[derive(Debug)]
pub(super) struct Programs {
    directory: PathBuf,
}

/// A server that listens.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) pid: u32,
}

impl Programs {
    /// Finds the release directory: cargo has put this program beside it.
    pub(super) fn find() -> crate::Result<Self> {
        let this = env::current_exe()?;
        let target = this.ancestors().nth(2).ok_or("xtask does not lie in a target directory")?;
        Ok(Self { directory: target.join("release") })
    }

    /// Builds servers and generator.
    pub(super) fn build(&self, children: &Children) -> crate::Result {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(workspace_root()).args([
            "build",
            "--release",
            "-p",
            "evio-benchmarks",
            "-p",
            "evio-examples",
        ]);
        let pid = children.start(&mut command)?.pid;
        let status = children.wait(pid, BUILD_LIMIT)?;
        if status.success() { Ok(()) } else { Err("the release build failed".into()) }
    }

    /// Tells whether `program` was built.
    pub(super) fn has(&self, program: &str) -> bool {
        self.path(program).is_file()
    }

    /// Starts one server for each of `peers` on one core, and waits until all of them listen.
    pub(super) fn serve(&self, peers: &[Peer], children: &Children) -> crate::Result<Vec<Server>> {
        let mut started = Vec::with_capacity(peers.len());
        for peer in peers {
            let mut command = self.launch(SERVER_CORE, &self.path(peer.program));
            command.args(peer.arguments).args(["--port", "0"]);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
            let child = children.start(&mut command)?;
            let stderr = child.stderr.ok_or("the server's stderr is not piped")?;
            started.push((peer.name, child.pid, watch(peer.name, stderr)));
        }
        let deadline = Instant::now() + START_LIMIT;
        started
            .into_iter()
            .map(|(name, pid, address)| {
                let left = deadline.saturating_duration_since(Instant::now());
                let address = address
                    .recv_timeout(left)
                    .map_err(|_| format!("{name} does not say where it listens"))?;
                Ok(Server { name, address, pid })
            })
            .collect()
    }

    /// Returns the command that starts the load generator.
    pub(super) fn generator(&self) -> Command {
        self.launch(GENERATOR_CORE, &self.path("load-generator"))
    }

    /// Returns the command that starts `program` on one core, for as long as the calling thread
    /// lives.
    pub(super) fn launch(&self, core: &str, program: &Path) -> Command {
        let mut command = Command::new(self.path("launch"));
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
/// the pipe. Sends the address it listens on and passes all other lines on.
fn watch(name: &'static str, stderr: ChildStderr) -> Receiver<SocketAddr> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            match parse_listening(&line) {
                // Nobody waits any more after the first address.
                Some(address) => drop(sender.send(address)),
                None => eprintln!("{name}: {line}"),
            }
        }
    });
    receiver
}

/// Returns the address in a line like `listening on tcp://127.0.0.1:5000`.
fn parse_listening(line: &str) -> Option<SocketAddr> {
    let mut address: SocketAddr = line.trim().strip_prefix("listening on tcp://")?.parse().ok()?;
    if address.ip().is_unspecified() {
        // Every peer is reached in the same way.
        address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    Some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listening_lines() {
        let cases = [
            ("listening on tcp://127.0.0.1:5000", Some("127.0.0.1:5000")),
            ("listening on tcp://[::1]:5000\r", Some("[::1]:5000")),
            ("listening on tcp://0.0.0.0:5000", Some("127.0.0.1:5000")),
            ("listening on tcp://[::]:5000", Some("127.0.0.1:5000")),
            ("listening on unix:///tmp/echo", None),
            ("listening on tcp://localhost:5000", None),
            ("warning: listening on tcp://127.0.0.1:5000", None),
            ("", None),
        ];
        for (line, expected) in cases {
            let address = parse_listening(line).map(|address| address.to_string());
            assert_eq!(address.as_deref(), expected, "{line:?}");
        }
    }
}

//! The peer that is written in Go: building it, where Go is installed.

use std::process::Command;
use std::time::Duration;

use super::outside::Tool;
use super::peers;
use super::programs::Programs;
use crate::children::Children;
use crate::workspace_root;

/// What builds it.
pub(super) const GO: Tool = Tool { program: "go", package: "golang-go", version_option: "version" };

/// How long the first build may take: it compiles a part of Go's own library.
const BUILD_LIMIT: Duration = Duration::from_secs(300);

/// Builds the peer, if there is something to build it with. It needs no modules, hence no network.
pub(super) fn build(programs: &Programs, children: &Children) -> crate::Result {
    let Ok(go) = GO.find() else { return Ok(()) };
    let mut command = Command::new(go);
    command.current_dir(workspace_root().join("benchmarks/go"));
    command.env("GO111MODULE", "off").env("GOCACHE", programs.scratch().join("go"));
    command.args(["build", "-o"]).arg(programs.path(peers::GO.program)).arg("echo.go");
    let pid = children.start(&mut command)?.pid;
    let status = children.wait(pid, BUILD_LIMIT)?;
    if status.success() { Ok(()) } else { Err("the build of the Go server failed".into()) }
}

/// Says why the peer was not built.
pub(super) fn missing() -> String {
    GO.find().err().unwrap_or_else(|| format!("{} was not built", peers::GO.program))
}

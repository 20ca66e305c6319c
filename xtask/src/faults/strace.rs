//! What strace is asked for, and what it says.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::errors::CALLS;

/// One fault: the call of this number fails with this error, and is not made.
#[derive(Debug)]
pub(super) struct Injection<'a> {
    pub(super) call: &'a str,
    pub(super) error: &'a str,
    /// Counted from 1, in each thread by itself.
    pub(super) when: usize,
}

/// When in the life of a server a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// From the beginning of `main` to the first poll of the loop.
    Start,
    /// From there to the signal that ends the server.
    Serve,
    /// After that.
    End,
}

impl Phase {
    pub(super) const ALL: [Self; 3] = [Self::Start, Self::Serve, Self::End];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Serve => "serve",
            Self::End => "end",
        }
    }
}

/// Says why strace cannot be used here, if it cannot.
pub(crate) fn obstacle() -> Option<String> {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-e", "trace=close", "-o", "/dev/null"]);
    match command.arg("true").stdin(Stdio::null()).output() {
        Err(_) => Some("there is no strace here (apt-get install strace)".into()),
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!("strace may not trace here: {}", said.trim()))
        }
    }
}

/// Returns a command that runs a server and logs all calls that faults are injected into.
pub(super) fn observe(log: &Path, server: &[OsString]) -> Command {
    // A question mark passes over calls that this processor does not have.
    let names = CALLS.iter().map(|call| call.name).chain(["rt_sigaction"]);
    let calls = names.map(|name| format!("?{name}")).collect::<Vec<_>>().join(",");
    trace(log, &format!("trace={calls}"), None, server)
}

/// Returns a command that runs a server in which one call fails.
pub(super) fn inject(log: &Path, injection: &Injection<'_>, server: &[OsString]) -> Command {
    let Injection { call, error, when } = injection;
    let fault = format!("inject={call}:error={error}:when={when}");
    // A descriptor that is closed twice shows in any case.
    trace(log, &format!("trace={call},close"), Some(&fault), server)
}

/// `-D` makes the server itself the child, `-f` follows its threads, and the filter of
/// `--seccomp-bpf` lets all other calls run as fast as ever.
fn trace(log: &Path, calls: &str, fault: Option<&str>, server: &[OsString]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "--seccomp-bpf", "-qq", "-s", "0", "-e", calls]);
    command.args(fault.into_iter().flat_map(|fault| ["-e", fault]));
    command.arg("-o").arg(log).args(server);
    command
}

/// What a log says of one fault.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Injected {
    /// How often it was injected.
    pub(super) faults: usize,
    /// How many of these were made for a connection that the server is done with.
    pub(super) at_the_end: usize,
    /// Calls with a descriptor that is not open: it was closed twice, or too early.
    pub(super) stale: Vec<String>,
}

impl Injected {
    pub(super) fn read(log: &Path) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(log)?))
    }

    fn parse(log: &str) -> Self {
        let (injected, made): (Vec<&str>, _) =
            log.lines().partition(|line| line.ends_with("(INJECTED)"));
        let is_stale = |line: &&str| line.contains(" = -1 EBADF ");
        Self {
            faults: injected.len(),
            at_the_end: injected.iter().filter(|line| line.contains("EPOLL_CTL_DEL")).count(),
            stale: made.into_iter().filter(is_stale).map(str::to_owned).collect(),
        }
    }
}

/// The calls that the first thread of a server made. What the loader does before `main` is in no
/// phase, but counted by strace as well.
#[derive(Debug)]
pub(super) struct Calls(Vec<(Option<Phase>, String)>);

impl Calls {
    /// Reads a log of [`observe`].
    pub(super) fn read(log: &Path) -> io::Result<Self> {
        Ok(Self::parse(&fs::read_to_string(log)?))
    }

    fn parse(log: &str) -> Self {
        let thread = log.split(' ').next().unwrap_or("");
        let mut calls = Vec::new();
        let mut phase = None;
        for line in log.lines() {
            let Some((pid, call)) = line.split_once(' ') else { continue };
            let call = call.trim_start();
            if call.starts_with("--- SIGTERM ") {
                phase = Some(Phase::End);
            }
            if pid != thread || !call.starts_with(|first: char| first.is_ascii_lowercase()) {
                continue;
            }
            if phase.is_none() && call.starts_with("rt_sigaction(SIGPIPE") {
                // The runtime of Rust ignores SIGPIPE before anything else.
                phase = Some(Phase::Start);
            }
            let polls = call.starts_with("epoll_wait(") || call.starts_with("epoll_pwait");
            if phase == Some(Phase::Start) && polls {
                phase = Some(Phase::Serve);
            }
            calls.push((phase, call.to_owned()));
        }
        Self(calls)
    }

    /// Returns the numbers, as strace counts, of the calls with this name in a phase.
    pub(super) fn numbers(&self, name: &str, phase: Phase) -> Vec<usize> {
        let has_name =
            |call: &str| call.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
        let numbered = self.0.iter().filter(|(_, call)| has_name(call)).zip(1..);
        let in_phase = numbered.filter(|((of, _), _)| *of == Some(phase));
        in_phase.map(|(_, number)| number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Calls, Injected, Phase};

    const LOG: &str = "\
7 close(3) = 0
7 rt_sigaction(SIGPIPE, {sa_handler=SIG_IGN}, 8) = 0
7 close(3) = 0
7 write(2, \"\"..., 10) = 10
8 close(5) = 0
7 write(4, \"\"..., 8) = 8
7 epoll_wait(3, [], 1024, -1) = 1
7 close(4 <unfinished ...>
8 close(5) = 0
7 <... close resumed>) = 0
7 close(6) = -1 EIO (Input/output error) (INJECTED)
7 epoll_wait(3, [], 1024, -1) = -1 EINTR (Interrupted system call)
7 --- SIGTERM {si_signo=SIGTERM} ---
7 close(7) = 0
";

    #[test]
    fn faults_are_counted_and_stale_descriptors_seen() {
        let log = "\
7 epoll_ctl(3, EPOLL_CTL_DEL, 4, NULL) = -1 ENOENT (No such file or directory) (INJECTED)
7 epoll_ctl(3, EPOLL_CTL_MOD, 5, NULL) = -1 ENOENT (No such file or directory) (INJECTED)
7 close(4) = 0
7 close(4) = -1 EBADF (Bad file descriptor)
";
        let stale = vec!["7 close(4) = -1 EBADF (Bad file descriptor)".to_owned()];
        assert_eq!(Injected::parse(log), Injected { faults: 2, at_the_end: 1, stale });
        assert_eq!(Injected::parse("7 close(4) = 0\n"), Injected::default());
    }

    #[test]
    fn calls_are_numbered_as_strace_counts_them() {
        let calls = Calls::parse(LOG);
        assert_eq!(calls.numbers("close", Phase::Start), [2]);
        assert_eq!(calls.numbers("close", Phase::Serve), [3, 4]);
        assert_eq!(calls.numbers("close", Phase::End), [5]);
        assert_eq!(calls.numbers("epoll_wait", Phase::Serve), [1, 2]);
        assert_eq!(calls.numbers("write", Phase::Start), [1, 2]);
        assert!(calls.numbers("epoll", Phase::Serve).is_empty());
    }
}

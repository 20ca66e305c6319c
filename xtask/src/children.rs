//! The processes that a run starts, and their end.

use std::io;
use std::process::{self, Child, ChildStderr, ChildStdout, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How often a child is asked whether it has ended: too fast to be noticed, too slow to cost.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

/// All children of this run. They are killed, by process id, when this is dropped, and on Ctrl-C or
/// SIGTERM if it was made by [`new`](Self::new).
#[derive(Debug, Default)]
pub(crate) struct Children {
    running: Arc<Mutex<Vec<Child>>>,
}

/// What a child leaves to its parent.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) pid: u32,
    /// The piped streams, if the command asked for pipes.
    pub(crate) stdout: Option<ChildStdout>,
    pub(crate) stderr: Option<ChildStderr>,
}

impl Children {
    /// Takes over Ctrl-C and SIGTERM, which can be done once per process.
    pub(crate) fn new() -> crate::Result<Self> {
        let running = Arc::new(Mutex::new(Vec::new()));
        let seen_by_handler = Arc::clone(&running);
        ctrlc::set_handler(move || {
            // Held until the process is gone, so that no further child is started.
            let mut running = lock(&seen_by_handler);
            end_all(&mut running);
            process::exit(INTERRUPTED);
        })?;
        Ok(Self { running })
    }

    /// Starts a child.
    pub(crate) fn start(&self, command: &mut Command) -> io::Result<Started> {
        let mut running = lock(&self.running);
        let mut child = command.spawn().map_err(|error| {
            let program = command.get_program().to_string_lossy();
            io::Error::new(error.kind(), format!("cannot start {program}: {error}"))
        })?;
        let started =
            Started { pid: child.id(), stdout: child.stdout.take(), stderr: child.stderr.take() };
        running.push(child);
        Ok(started)
    }

    /// Waits until the child `pid` has ended. Kills it after `limit`.
    pub(crate) fn wait(&self, pid: u32, limit: Duration) -> io::Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.try_wait(pid, Instant::now() >= deadline)? {
                return Ok(status);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Returns the status of the child `pid` if it has ended, and kills it if it is `late`.
    fn try_wait(&self, pid: u32, late: bool) -> io::Result<Option<ExitStatus>> {
        let mut running = lock(&self.running);
        let Some(place) = running.iter().position(|child| child.id() == pid) else {
            return Err(io::Error::other(format!("process {pid} is no child of this run")));
        };
        let status = running[place].try_wait()?;
        if status.is_some() || late {
            end(running.swap_remove(place));
        }
        if status.is_none() && late {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "took too long and was killed"));
        }
        Ok(status)
    }

    /// Kills the child `pid`, if there is one, and waits for its end.
    pub(crate) fn end(&self, pid: u32) {
        let mut running = lock(&self.running);
        if let Some(place) = running.iter().position(|child| child.id() == pid) {
            end(running.swap_remove(place));
        }
    }

    /// Kills all children and waits for their end.
    pub(crate) fn end_all(&self) {
        end_all(&mut lock(&self.running));
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// A panic elsewhere leaves the list as it was, and the children must be ended all the more.
fn lock(running: &Mutex<Vec<Child>>) -> MutexGuard<'_, Vec<Child>> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

fn end_all(running: &mut Vec<Child>) {
    running.drain(..).for_each(end);
}

fn end(mut child: Child) {
    // Both fail only when the child has ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn status_of_a_child_is_reported_once() {
        let children = Children::default();
        let pid = children.start(&mut shell("exit 3")).unwrap().pid;
        let status = children.wait(pid, Duration::from_secs(60)).unwrap();
        assert_eq!(status.code(), Some(3));
        assert!(children.wait(pid, Duration::from_secs(60)).is_err());
    }

    #[test]
    fn child_that_takes_too_long_is_killed() {
        let children = Children::default();
        let pid = children.start(&mut shell("exec sleep 600")).unwrap().pid;
        let error = children.wait(pid, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(lock(&children.running).is_empty());
    }

    #[test]
    fn one_child_can_be_ended() {
        let children = Children::default();
        let ended = children.start(&mut shell("exec sleep 600")).unwrap().pid;
        let other = children.start(&mut shell("exec sleep 600")).unwrap().pid;
        children.end(ended);
        let left: Vec<u32> = lock(&children.running).iter().map(Child::id).collect();
        assert_eq!(left, [other]);
    }

    #[test]
    fn children_end_with_their_owner() {
        let children = Children::default();
        let mut command = shell("echo up; exec sleep 600");
        let started = children.start(command.stdout(process::Stdio::piped())).unwrap();
        drop(children);
        // The pipe ends when its last writer has.
        let output = io::read_to_string(started.stdout.unwrap()).unwrap();
        assert!(output.is_empty() || output == "up\n", "{output:?}");
    }

    #[test]
    fn missing_program_is_named() {
        let error = Children::default().start(&mut Command::new("/no/such/program")).unwrap_err();
        assert!(error.to_string().contains("/no/such/program"), "{error}");
    }
}

//! A server under test, looked at from outside.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::children::Children;

/// How long a server may take to listen or to end.
const LIMIT: Duration = Duration::from_secs(10);

/// How soon a server ends whose clients are all lost because it ends.
const SOON: Duration = Duration::from_secs(1);

/// How often `/proc` is asked for what takes a moment.
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// How often the descriptors of a server are counted that closes what has ended.
const SETTLED: usize = 50;

/// How long an idle server is watched.
const WATCHED: Duration = Duration::from_millis(60);

/// What it may use meanwhile. One that spins uses all that strace and others leave to it.
const IDLE: Duration = Duration::from_millis(6);

/// How often it is watched: a server has work left now and then, one that spins always does.
const WATCHES: usize = 20;

/// The most lines of a server that are printed.
const EXCERPT: usize = 16;

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process<'a> {
    children: &'a Children,
    pid: u32,
    reader: Option<JoinHandle<()>>,
    said: Arc<Mutex<String>>,
}

impl<'a> Process<'a> {
    /// Starts a server, or a program such as strace that becomes one.
    pub(crate) fn start(children: &'a Children, command: &mut Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let started = children.start(command)?;
        let stderr = started.stderr.ok_or_else(|| io::Error::other("stderr is not piped"))?;
        let said = Arc::default();
        let reader = watch(stderr, Arc::clone(&said));
        Ok(Self { children, pid: started.pid, reader: Some(reader), said })
    }

    /// Waits until the server listens. None if it ends before.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        let find = || {
            let said = self.said();
            let address = said.lines().find_map(|line| line.strip_prefix("listening on tcp://"));
            address.and_then(|address| address.parse().ok())
        };
        let has_ended = || self.reader.as_ref().is_none_or(JoinHandle::is_finished);
        until(LIMIT, || has_ended() || find().is_some());
        find()
    }

    /// Tells whether the server has ended.
    pub(super) fn has_ended(&self) -> bool {
        let stat = fs::read_to_string(self.proc("stat")).unwrap_or_default();
        // The name before the state may have any character, a parenthesis included.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, None | Some('Z' | 'X'))
    }

    /// Waits a moment for the server to end by itself, and tells whether it has.
    pub(super) fn ends_soon(&self) -> bool {
        until(SOON, || self.has_ended())
    }

    /// Returns how many descriptors the server has open, unless it has ended.
    fn descriptors(&self) -> Option<usize> {
        fs::read_dir(self.proc("fd")).ok().map(Iterator::count)
    }

    /// Tells whether a server without work sleeps.
    pub(super) fn is_idle(&self) -> bool {
        (0..WATCHES).any(|_| {
            let before = self.busy_time();
            // The window that is measured.
            thread::sleep(WATCHED);
            self.busy_time().saturating_sub(before) <= IDLE
        })
    }

    /// Returns how long the threads ran, or would have, had there been a processor for them: on a
    /// busy machine a server that spins gets little.
    fn busy_time(&self) -> Duration {
        let tasks = fs::read_dir(self.proc("task")).into_iter().flatten().flatten();
        let times = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            let mut numbers = text.split(' ').map(|number| number.parse::<u64>().ok());
            Some(numbers.next()?? + numbers.next()??)
        });
        Duration::from_nanos(times.sum())
    }

    /// Returns how few descriptors the server has within a moment, in which it closes connections
    /// that have ended.
    pub(super) fn fewest_descriptors(&self) -> usize {
        let counts = (0..SETTLED).map(|_| {
            thread::sleep(POLL_INTERVAL);
            self.descriptors().unwrap_or(usize::MAX)
        });
        counts.min().unwrap_or(usize::MAX)
    }

    pub(super) fn signal(&self, signal: Signal) {
        // It fails for one that has ended, which is looked for elsewhere.
        let _ = kill(Pid::from_raw(self.pid as i32), signal);
    }

    /// Checks that a server whose clients have gone has closed what it opened, sleeps, and ends
    /// with success after SIGTERM.
    pub(super) fn judge_end(mut self, descriptors: usize) -> Result<(), String> {
        until(LIMIT, || self.descriptors().is_none_or(|count| count <= descriptors));
        let left = self.descriptors().ok_or("the server has ended")?;
        if left > descriptors {
            return Err(format!("{left} descriptors are open, {descriptors} were before"));
        }
        if !self.is_idle() {
            return Err("the server is busy with nothing".into());
        }
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        let said = self.excerpt();
        match status {
            Err(error) => Err(format!("SIGTERM does not end the server: {error}\n{said}")),
            Ok(status) if !status.success() => {
                Err(format!("SIGTERM ends the server with {status}\n{said}"))
            }
            Ok(_) if self.has_panicked() => Err(format!("a panic:\n{said}")),
            Ok(_) => Ok(()),
        }
    }

    /// Waits for the end of the server and of what it says.
    ///
    /// # Errors
    /// It does not end in time.
    pub(super) fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.children.wait(self.pid, LIMIT);
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        status
    }

    /// Returns everything that the server has said so far.
    fn said(&self) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells whether a thread has panicked, by the message of the runtime.
    pub(super) fn has_panicked(&self) -> bool {
        self.said().contains("panicked at ")
    }

    /// Returns the beginning and the end of what it has said: a panic begins with its reason, and
    /// warnings may come by the thousand.
    pub(crate) fn excerpt(&self) -> String {
        let said = self.said();
        let lines: Vec<&str> = said.lines().collect();
        match lines.len() {
            ..=EXCERPT => said,
            count => {
                let (begin, end) = (&lines[..EXCERPT / 2], &lines[count - EXCERPT / 2..]);
                format!("{}\n[...]\n{}\n", begin.join("\n"), end.join("\n"))
            }
        }
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid))
    }
}

impl Drop for Process<'_> {
    fn drop(&mut self) {
        self.children.end(self.pid);
    }
}

/// Asks again and again for so long, and returns the last answer.
pub(super) fn until(time: Duration, mut is_true: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    loop {
        if is_true() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Reads what a server says, to the end.
fn watch(stderr: ChildStderr, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            said.push_str(&line);
            said.push('\n');
        }
    })
}

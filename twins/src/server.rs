//! A server under test, in a process of its own.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::client::{Client, DEADLINE};
use crate::verdict::Verdict;

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    process: Process,
    stdin: Option<ChildStdin>,
    reports: Receiver<String>,
    address: SocketAddr,
}

#[derive(Debug)]
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    /// Starts a server, and waits until it listens.
    pub(crate) fn spawn(command: &mut Command) -> Verdict<Self> {
        let mut process = Process(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let stdin = process.0.stdin.take();
        let stdout = process.0.stdout.take().expect("it is piped");
        let (sender, reports) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The check may be over; the server must not be held up by a full pipe.
                let _ = sender.send(line);
            }
        });
        let first = reports.recv_timeout(DEADLINE)?;
        let address = first.strip_prefix("listening ").ok_or_else(|| first.clone())?.parse()?;
        Ok(Self { process, stdin, reports, address })
    }

    /// Returns the number of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.0.id()
    }

    /// Connects a client; the servers number connections in this order.
    ///
    /// # Errors
    ///
    /// Fails when the server does not listen any more.
    pub fn connect(&self) -> io::Result<Client> {
        Client::connect(self.address)
    }

    /// Gives the server a command.
    ///
    /// # Errors
    ///
    /// Fails when it has ended.
    pub fn command(&mut self, command: &str) -> io::Result<()> {
        let stdin = self.stdin.as_mut().ok_or(ErrorKind::BrokenPipe)?;
        writeln!(stdin, "{command}")
    }

    /// Waits for the next report.
    ///
    /// # Errors
    ///
    /// Fails when the server ends, or says nothing for long.
    pub fn next_report(&self) -> Verdict<String> {
        let report = self.reports.recv_timeout(DEADLINE);
        report.map_err(|error| format!("the server reports nothing more: {error}").into())
    }

    /// Returns the reports that are there.
    #[must_use]
    pub fn reports(&self) -> Vec<String> {
        self.reports.try_iter().collect()
    }

    /// Waits for a report, and returns it with all that come before it.
    ///
    /// # Errors
    ///
    /// As [`next_report`](Self::next_report).
    pub fn reports_until(&self, wanted: &str) -> Verdict<Vec<String>> {
        let mut reports = Vec::new();
        while reports.last().is_none_or(|last| last != wanted) {
            reports.push(self.next_report()?);
        }
        Ok(reports)
    }

    /// Has the server end, and returns its last reports.
    ///
    /// # Errors
    ///
    /// Fails when it does not end, or not with success.
    pub fn quit(mut self) -> Verdict<Vec<String>> {
        drop(self.stdin.take());
        let mut reports = Vec::new();
        loop {
            match self.reports.recv_timeout(DEADLINE) {
                Ok(report) => reports.push(report),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => return Err("the server does not end".into()),
            }
        }
        match self.process.0.wait()? {
            status if status.success() => Ok(reports),
            status => Err(format!("the server failed: {status}").into()),
        }
    }

    /// Returns the processor time that the server has used. It is exact when the server sleeps.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(self.proc("task"))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            nanoseconds += number(text.split(' ').next())?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Returns how many bytes of memory the server has.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended.
    pub fn memory(&self) -> io::Result<u64> {
        let text = fs::read_to_string(self.proc("smaps_rollup"))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        Ok(number(line.and_then(|line| line.split_whitespace().next()))? << 10)
    }

    /// Returns how many descriptors the server has open.
    ///
    /// # Errors
    ///
    /// Fails when the server has ended.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(self.proc("fd"))?.count())
    }

    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.pid()))
    }
}

fn number(text: Option<&str>) -> io::Result<u64> {
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| io::Error::other("/proc has something else than a number"))
}

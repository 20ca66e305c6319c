//! A server under test, in a process of its own, and its clients.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use evio_sys::net::Stream;

use crate::bug::Bug;
use crate::checks::Verdict;

/// Nothing that must come is waited for longer; it is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(20);

/// A server that takes nothing for this long has stopped to read: one that is merely slow, on a
/// busy machine, takes something now and then.
const STALL: Duration = Duration::from_millis(500);

/// A program to check, with its arguments.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<String>,
    descriptors: Option<usize>,
}

impl Program {
    /// Names a program that speaks the [`protocol`](crate::protocol).
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), descriptors: None }
    }

    /// Names the twin at `path`, with `bug` planted.
    #[must_use]
    pub fn twin(path: impl Into<PathBuf>, bug: Bug) -> Self {
        Self::new(path).with(&["--bug", &bug.name()])
    }

    /// Appends arguments.
    #[must_use]
    pub fn with(&self, arguments: &[&str]) -> Self {
        let mut program = self.clone();
        program.arguments.extend(arguments.iter().map(|&argument| argument.to_owned()));
        program
    }

    /// Gives the program this many descriptors only.
    #[must_use]
    pub fn with_descriptors(&self, count: usize) -> Self {
        Self { descriptors: Some(count), ..self.clone() }
    }

    fn command(&self) -> Command {
        let mut command = match self.descriptors {
            None => Command::new(&self.path),
            Some(count) => {
                let mut shell = Command::new("sh");
                let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
                shell.args(["-c", &script]).arg(&self.path);
                shell
            }
        };
        command.args(&self.arguments);
        command
    }

    /// Starts the program, and waits until it listens.
    ///
    /// # Errors
    ///
    /// Fails when it does not start, or does not say where it listens.
    pub fn start(&self) -> Verdict<Server> {
        let mut child = self.command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().expect("it is piped");
        let stdin = child.stdin.take();
        let (sender, reports) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // The check may be over; the server must not be held up by a full pipe.
                let _ = sender.send(line);
            }
        });
        let unbound = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Server { child, stdin, reports, address: unbound };
        let first = server.next_report()?;
        let address = first.strip_prefix("listening ").ok_or_else(|| first.clone())?;
        server.address = address.parse()?;
        Ok(server)
    }
}

/// A running server. It is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    reports: Receiver<String>,
    address: SocketAddr,
}

impl Server {
    /// Returns the number of the server's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the address that it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connects a client; the servers number connections in this order.
    ///
    /// # Errors
    ///
    /// Fails when the server does not listen any more.
    pub fn connect(&self) -> io::Result<Client> {
        let stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        stream.set_write_timeout(Some(DEADLINE))?;
        Ok(Client(stream))
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
        while let Ok(report) = self.next_report() {
            reports.push(report);
        }
        match self.child.try_wait()? {
            Some(status) if !status.success() => Err(format!("the server failed: {status}").into()),
            _ => Ok(reports),
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

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn number(text: Option<&str>) -> io::Result<u64> {
    let parsed = text.and_then(|text| text.parse().ok());
    parsed.ok_or_else(|| io::Error::other("/proc has something else than a number"))
}

/// A blocking client with a deadline on everything it does.
#[derive(Debug)]
pub struct Client(pub TcpStream);

impl Client {
    /// Sends all of `bytes`.
    ///
    /// # Errors
    ///
    /// Fails when the server does not take them.
    pub fn send(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.0).write_all(bytes)
    }

    /// Receives exactly `len` bytes.
    ///
    /// # Errors
    ///
    /// Fails when they do not come in time.
    pub fn receive(&self, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        (&self.0).read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Receives everything up to the end of the connection.
    ///
    /// # Errors
    ///
    /// Fails when the end does not come in time, or is a reset.
    pub fn receive_to_end(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.0).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Sends `bytes` and receives them back.
    ///
    /// # Errors
    ///
    /// Fails when something else comes back, or nothing does.
    pub fn echo(&self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        if self.receive(bytes.len())? == bytes {
            return Ok(());
        }
        Err(io::Error::other("the echo differs"))
    }

    /// Sends and does not read, until the server takes nothing more; returns how much it took.
    ///
    /// # Errors
    ///
    /// Fails when the connection does.
    pub fn send_until_stalled(&self, bytes: &[u8]) -> io::Result<usize> {
        self.0.set_write_timeout(Some(STALL))?;
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.0).write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.0.set_write_timeout(Some(DEADLINE))?;
        Ok(sent)
    }

    /// Closes the connection by a reset.
    ///
    /// # Errors
    ///
    /// Fails when the connection is gone already.
    pub fn reset(self) -> io::Result<()> {
        Stream::from(self.0).reset_on_drop()
    }
}

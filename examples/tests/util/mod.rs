//! Starting the servers as a user does, and looking at them from outside.
#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::TimeVal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// No read waits longer: a server that does not answer is a failure.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Tells whether a test has to be left out on kqueue, and says why.
pub fn left_out_on_kqueue(reason: &str) -> bool {
    let is_left_out = evio::BACKEND == "kqueue";
    if is_left_out {
        println!("left out on kqueue: {reason}");
    }
    is_left_out
}

/// What each server is asked, and how its answer begins.
pub const SERVERS: [(&str, &str, &str); 4] = [
    (env!("CARGO_BIN_EXE_echo-server"), "hello", "hello"),
    (env!("CARGO_BIN_EXE_chat-server"), "", "Type /nick NAME"),
    (env!("CARGO_BIN_EXE_http-server"), "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200 OK\r\n"),
    (env!("CARGO_BIN_EXE_redis-server"), "PING\r\n", "+PONG\r\n"),
];

/// A server in a process of its own, killed when the test is over.
pub struct Server {
    child: Child,
    /// What it says it listens on: `tcp://127.0.0.1:12345`.
    pub addresses: Vec<String>,
    /// What it says after that.
    said: Mutex<Receiver<String>>,
}

impl Server {
    /// Starts the program and waits for `addresses` lines that say where it listens.
    pub fn start(program: &str, arguments: &[&str], addresses: usize) -> Self {
        Self::start_command(Command::new(program).args(arguments), addresses)
    }

    /// As `start`, for a command such as `strace` that runs the server.
    pub fn start_command(command: &mut Command, addresses: usize) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the server starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr).lines();
        let mut found = Vec::new();
        while found.len() < addresses {
            let line = lines.next().expect("the server says where it listens").unwrap();
            let address = line.strip_prefix("listening on ");
            found.push(address.unwrap_or_else(|| panic!("unexpected: {line}")).to_owned());
        }
        // Depends on the shell that the test is started from.
        let is_news = |line: &String| !line.starts_with("descriptor limit raised");
        let said = received(lines.map_while(Result::ok).filter(is_news));
        Self { child, addresses: found, said: Mutex::new(said) }
    }

    /// Waits for the server to say something more.
    pub fn next_line(&self) -> String {
        self.said.lock().unwrap().recv_timeout(DEADLINE).expect("the server says something")
    }

    pub fn port(&self) -> u16 {
        let address = &self.addresses[0];
        address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port")
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port())).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Returns the bytes of memory that the server has, where the system tells.
    pub fn memory(&self) -> Option<u64> {
        let rollup = std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid())).ok()?;
        let kilobytes = rollup.lines().find_map(|line| line.strip_prefix("Rss:"))?;
        Some(kilobytes.trim().trim_end_matches(" kB").parse::<u64>().ok()? << 10)
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Stops the server until SIGCONT. Its threads run on for a moment after the signal is sent.
    pub fn stop(&self) {
        self.signal(Signal::SIGSTOP);
        let status = waitpid(self.pid(), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert_eq!(status, WaitStatus::Stopped(self.pid(), Signal::SIGSTOP));
    }

    /// Waits for the server to end by itself.
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a program to end by itself.
#[track_caller]
pub fn wait(child: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(Instant::now() < deadline, "the program does not end");
        std::thread::yield_now();
    }
}

/// Reads lines by a thread of their own: who waits for one can have a deadline, and a program is
/// never held up by a full pipe.
pub fn received(lines: impl Iterator<Item = String> + Send + 'static) -> Receiver<String> {
    let (say, said) = mpsc::channel();
    std::thread::spawn(move || lines.for_each(|line| drop(say.send(line))));
    said
}

/// Accepts a connection; neither that nor its reads and writes wait longer than the deadline.
#[track_caller]
pub fn accept(listener: &TcpListener) -> TcpStream {
    let deadline = TimeVal::new(DEADLINE.as_secs() as i64, 0);
    setsockopt(listener, sockopt::ReceiveTimeout, &deadline).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// Sends `request` and returns everything up to the end of the connection.
pub fn exchange(server: &Server, request: &[u8]) -> Vec<u8> {
    let mut stream = server.connect();
    stream.write_all(request).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

/// Returns whether a program is installed. In CI all of them must be: a check that silently does
/// not run is no check.
pub fn installed(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).exists()));
    if !found {
        // Some of them are Linux's, which is where the gate runs.
        let is_gate = std::env::consts::OS == "linux" && std::env::var_os("CI").is_some();
        assert!(!is_gate, "{program} is missing; .ci/run installs it");
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// Runs a client to its end and returns what it printed; it must succeed.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the client starts");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {stdout}{stderr}");
    assert!(stderr.is_empty(), "{program} {arguments:?} complains: {stderr}");
    stdout
}

/// Counts the calls that strace, by its log, has had fail with this error.
pub fn injected(log: &str, error: &str) -> usize {
    let text = std::fs::read_to_string(log).unwrap();
    text.lines().filter(|line| line.contains(error) && line.contains("(INJECTED)")).count()
}

/// A path for a socket of this test's own.
pub fn socket_path(name: &str) -> String {
    format!("{}/{name}-{}.sock", env!("CARGO_TARGET_TMPDIR"), std::process::id())
}

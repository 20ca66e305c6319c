//! Many clients that behave badly at once, a server that is stopped for a while, and one without
//! descriptors. A client that behaves well has its bytes exchanged meanwhile.
//!
//! The twins of `twins/` have checks for some of that, of a small server of their own; this is for
//! the example servers.

use std::ffi::OsString;
use std::fmt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::signal::Signal;

use super::client::{Client, Done, Trouble};
use super::lab::Lab;
use super::process::Process;
use super::protocol::Endpoint;
use super::random::Random;
use super::servers::Server;

/// Connections of a storm.
const STORM: u64 = 2_000;

/// Threads that make them.
const THREADS: u64 = 4;

/// Clients that send a request to a server that is stopped.
const WAITING: u64 = 100;

/// What a server may have open. With much less, the proxy has no margin beside its clients.
const DESCRIPTORS: usize = 128;

/// More clients than that has room for.
const CROWD: u64 = 2 * DESCRIPTORS as u64;

/// What happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storm {
    Resets,
    Closes,
    HalfCloses,
    Stopped,
    FewDescriptors,
}

impl Storm {
    pub(super) const ALL: [Self; 5] =
        [Self::Resets, Self::Closes, Self::HalfCloses, Self::Stopped, Self::FewDescriptors];

    /// Runs a server through the storm, and judges it.
    ///
    /// # Errors
    /// Says what is wrong with the server.
    pub(super) fn run(self, lab: &Lab<'_>, server: Server) -> Result<(), String> {
        let process = self.start(lab, server).map_err(|error| error.to_string())?;
        let address =
            process.address().ok_or_else(|| format!("no start:\n{}", process.excerpt()))?;
        let endpoint = Endpoint { protocol: server.protocol, address };
        let crowd = Crowd { endpoint, seed: lab.seed, name: server.name };
        let happened = self.happen(&crowd, &process);
        let baseline = happened.map_err(|trouble| format!("{trouble:?}\n{}", process.excerpt()))?;
        process.judge_end(baseline)
    }

    fn start<'a>(self, lab: &Lab<'a>, server: Server) -> std::io::Result<Process<'a>> {
        let line = lab.command_line(server);
        let mut command = Command::new(&line[0]);
        if self == Self::FewDescriptors {
            command = Command::new("sh");
            let script = format!("ulimit -n {DESCRIPTORS} && exec \"$0\" \"$@\"");
            command.args([OsString::from("-c"), script.into(), line[0].clone()]);
        }
        command.args(&line[1..]);
        Process::start(lab.children, &mut command)
    }

    /// Returns how many descriptors the server had before.
    fn happen(self, crowd: &Crowd<'_>, process: &Process<'_>) -> Done<usize> {
        crowd.polite(0)?;
        let baseline = process.fewest_descriptors();
        match self {
            Self::Resets => crowd.storm(|client| client.reset_behind(100)),
            Self::Closes => crowd.storm(|client| {
                drop(client);
                Ok(())
            }),
            Self::HalfCloses => crowd.storm(|mut client| client.last_exchange(2_000)),
            Self::Stopped => crowd.wait(process),
            Self::FewDescriptors => crowd.outnumber(process),
        }?;
        crowd.polite(1)?;
        Ok(baseline)
    }
}

impl fmt::Display for Storm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resets => "resets",
            Self::Closes => "closes",
            Self::HalfCloses => "half-closes",
            Self::Stopped => "SIGSTOP",
            Self::FewDescriptors => "few descriptors",
        })
    }
}

/// The clients of one server.
struct Crowd<'a> {
    endpoint: Endpoint,
    seed: u64,
    name: &'a str,
}

impl Crowd<'_> {
    fn connect(&self, number: u64) -> Done<Client> {
        Client::connect(self.endpoint, Random::of(self.seed, self.name, number), number)
    }

    /// A client that behaves well.
    fn polite(&self, number: u64) -> Done {
        let mut client = self.connect(number)?;
        client.exchange(3_000)?;
        client.end()
    }

    /// Many clients that each do this, and one that behaves well, from before to behind them.
    fn storm(&self, act: impl Fn(Client) -> Done + Sync) -> Done {
        let is_over = AtomicBool::new(false);
        let mut bystander = self.connect(2)?;
        bystander.exchange(10)?;
        thread::scope(|scope| {
            let watching = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    bystander.exchange(5_000)?;
                }
                bystander.last_exchange(5_000)
            });
            let rage = |first: u64| {
                (0..STORM / THREADS).try_for_each(|index| act(self.connect(first + index)?))
            };
            let raging: Vec<_> =
                (1..=THREADS).map(|thread| scope.spawn(move || rage(thread * STORM))).collect();
            let mut done = Ok(());
            for thread in raging {
                done = done.and(thread.join().expect("no client panics"));
            }
            is_over.store(true, Ordering::Relaxed);
            done.and(watching.join().expect("no client panics"))
        })
    }

    /// Clients of all kinds come while the server is stopped, and are served when it goes on.
    fn wait(&self, process: &Process<'_>) -> Done {
        let mut bystander = self.connect(2)?;
        bystander.exchange(10)?;
        process.signal(Signal::SIGSTOP);
        let mut waiting = Vec::new();
        for number in 3..3 + WAITING {
            let mut client = self.connect(number)?;
            match number % 4 {
                0 => client.reset_behind(100)?,
                1 => drop(client),
                _ => waiting.push((client.ask(1_000)?, client)),
            }
        }
        process.signal(Signal::SIGCONT);
        bystander.last_exchange(10_000)?;
        for (replies, client) in &mut waiting {
            client.hear(replies)?;
        }
        Ok(())
    }

    /// More clients than there are descriptors for: those that are served already still are, and
    /// the server does nothing about the others but wait, or turn them away.
    fn outnumber(&self, process: &Process<'_>) -> Done {
        let mut bystander = self.connect(2)?;
        bystander.exchange(10)?;
        let mut crowd = Vec::new();
        for number in 3..3 + CROWD {
            crowd.push(self.connect(number)?);
        }
        for _ in 0..3 {
            bystander.exchange(20_000)?;
            if !process.is_idle() {
                return Err(Trouble::Fault("the server is busy without descriptors".into()));
            }
        }
        drop(crowd);
        bystander.last_exchange(10)
    }
}

//! What the tests share: servers on threads of their own, clients with deadlines, a record of the
//! callbacks, and payloads.

#![allow(dead_code, unused_imports, reason = "each test binary uses a part of this")]

mod alone;
mod client;
mod driver;
mod hold;
mod late;
mod owing;
mod pair;
mod payload;
mod peers;
mod recorder;
mod running;
mod thread_clock;
mod thread_wakes;
mod turns;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use evio::Limits;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

pub(crate) use alone::{giving_back_memory, installed, is_alone, resident, run_alone};
pub(crate) use client::Client;
pub(crate) use driver::{Driven, Driver, after_turns, start_driven};
pub(crate) use hold::{Held, Hold, hold};
pub(crate) use late::Late;
pub(crate) use owing::keep;
pub(crate) use pair::{Transport, pair};
pub(crate) use payload::{Random, payload, seed};
pub(crate) use peers::{accept, deserted, full_queue, listener, silent};
pub(crate) use recorder::{Call, Calls, Reason, Recorder, recorder};
pub(crate) use running::{Running, bind, bind_all, start, start_each};
pub(crate) use thread_clock::ThreadClock;
pub(crate) use thread_wakes::ThreadWakes;
pub(crate) use turns::Turns;

/// Everything that a test waits for must come within this time. It is reached by failures only.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Tells whether a test has to be left out on kqueue, and says why.
pub(crate) fn left_out_on_kqueue(reason: &str) -> bool {
    let is_left_out = evio::BACKEND == "kqueue";
    if is_left_out {
        println!("left out on kqueue: {reason}");
    }
    is_left_out
}

/// A TCP address with a port of the system's choice.
pub(crate) const TCP: &str = "tcp://127.0.0.1:0";

/// Tells whether a test has to be left out since sockets that share a port are not balanced here.
pub(crate) fn left_out_without_shared_ports() -> bool {
    let error = evio::Server::bind([format!("{TCP}?reuseport=true")]).err();
    let is_left_out = error.is_some();
    if is_left_out {
        println!("left out on {}: sockets that share a port are not balanced", evio::BACKEND);
    }
    is_left_out
}

/// Returns the address of a Unix socket that does not exist yet.
pub(crate) fn unix_address() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("evio-test-{}-{number}.sock", std::process::id());
    format!("unix://{}", std::env::temp_dir().join(name).display())
}

/// Returns an address of each kind of stream socket.
pub(crate) fn transports() -> [String; 2] {
    [TCP.to_owned(), unix_address()]
}

/// Returns the default limits but for what `set` changes.
pub(crate) fn limits(set: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    set(&mut limits);
    limits
}

/// What `pre_write` returns when all is well, whichever type that is.
pub(crate) trait Done {
    fn done() -> Self;
}

impl Done for () {
    fn done() {}
}

impl Done for std::io::Result<()> {
    fn done() -> Self {
        Ok(())
    }
}

/// Lets this process have as many descriptors as it may, and returns how many that are.
pub(crate) fn raise_descriptor_limit() -> usize {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the system tells");
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).expect("it is allowed");
    usize::try_from(hard).unwrap_or(usize::MAX)
}

/// Creates a channel for what a handler wants to tell the test.
pub(crate) fn reports<T>() -> (Sender<T>, Reports<T>) {
    let (sender, receiver) = mpsc::channel();
    (sender, Reports(receiver))
}

/// What a handler has told the test, in order.
pub(crate) struct Reports<T>(Receiver<T>);

impl<T> Reports<T> {
    /// Waits for the next report.
    #[track_caller]
    pub(crate) fn next(&self) -> T {
        self.0.recv_timeout(DEADLINE).expect("the handler reports in time")
    }

    /// Takes the reports that are there, without waiting: all of them, once the server has ended.
    pub(crate) fn rest(&self) -> Vec<T> {
        self.0.try_iter().collect()
    }
}

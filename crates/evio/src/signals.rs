//! SIGINT and SIGTERM end servers.
//!
//! Signals belong to the process and not to a server: what all servers share is a static here, and
//! the only one of this crate.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::{self, pipe};

const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The status of a process that a signal has ended begins here, as in a shell.
const SIGNALLED: i32 = 128;

static PROCESS: Mutex<Process> = Mutex::new(Process { servers: 0, ends_at_once: None });

/// What the servers of a process share.
struct Process {
    /// How many servers end by signals.
    servers: usize,
    /// The next signal ends the process: the one before was for the servers, or there is none.
    ends_at_once: Option<Arc<AtomicBool>>,
}

/// The signals of a server, which they end until this is dropped.
#[derive(Debug)]
pub(crate) struct Signals {
    ids: Vec<SigId>,
    /// It is one of the servers of the process.
    is_counted: bool,
}

impl Signals {
    /// Registers a handler that writes to a socket, whose other end this returns too.
    pub(crate) fn register() -> io::Result<(Self, UnixStream)> {
        let (stop, signalled) = UnixStream::pair()?;
        let mut process = PROCESS.lock();
        process.prepare()?;
        let mut signals = Self { ids: Vec::new(), is_counted: false };
        // The sockets come last: a signal that has reached one may have the server end, in another
        // thread, while its handlers still run.
        for signal in SIGNALS {
            signals.ids.push(pipe::register(signal, signalled.try_clone()?)?);
        }
        process.begin_server();
        signals.is_counted = true;
        Ok((signals, stop))
    }
}

impl Drop for Signals {
    /// After the last server a signal ends the process: no signal finds handlers without a socket.
    fn drop(&mut self) {
        if self.is_counted {
            PROCESS.lock().end_server();
        }
        unregister(&mut self.ids);
    }
}

fn unregister(ids: &mut Vec<SigId>) {
    for id in ids.drain(..) {
        low_level::unregister(id);
    }
}

/// Registers handlers that end the process when a signal comes while the flag is up, and that put
/// it up. Returns the flag, which is up: there is no server yet.
fn end_at_second_signal() -> io::Result<Arc<AtomicBool>> {
    let ends_at_once = Arc::new(AtomicBool::new(true));
    let mut ids = Vec::new();
    let mut register = |signal| {
        // In this order, so that the first signal for a server finds the flag down.
        let (status, flag) = (SIGNALLED + signal, &ends_at_once);
        ids.push(flag::register_conditional_shutdown(signal, status, Arc::clone(flag))?);
        ids.push(flag::register(signal, Arc::clone(flag))?);
        io::Result::Ok(())
    };
    let result = SIGNALS.into_iter().try_for_each(&mut register);
    if result.is_err() {
        unregister(&mut ids);
    }
    result.map(|()| ends_at_once)
}

impl Process {
    fn prepare(&mut self) -> io::Result<()> {
        if self.ends_at_once.is_none() {
            self.ends_at_once = Some(end_at_second_signal()?);
        }
        Ok(())
    }

    /// The first signal from now on is for servers.
    fn begin_server(&mut self) {
        if let Some(flag) = &self.ends_at_once {
            flag.store(false, Ordering::SeqCst);
        }
        self.servers += 1;
    }

    /// Without a server, a signal ends the process, as it does a program that knows of none.
    fn end_server(&mut self) {
        self.servers -= 1;
        if let Some(flag) = self.ends_at_once.as_ref().filter(|_| self.servers == 0) {
            flag.store(true, Ordering::SeqCst);
        }
    }
}

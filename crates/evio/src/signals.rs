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
}

impl Signals {
    /// Registers a handler that writes to a socket, whose other end this returns too.
    pub(crate) fn register() -> io::Result<(Self, UnixStream)> {
        let (stop, signalled) = UnixStream::pair()?;
        PROCESS.lock().begin_server()?;
        // From now on it is counted, until it is dropped.
        let mut signals = Self { ids: Vec::new() };
        for signal in SIGNALS {
            signals.ids.push(pipe::register(signal, signalled.try_clone()?)?);
        }
        Ok((signals, stop))
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
        PROCESS.lock().end_server();
    }
}

impl Process {
    /// The first signal from now on is for servers.
    fn begin_server(&mut self) -> io::Result<()> {
        let ends_at_once = match &self.ends_at_once {
            Some(flag) => flag,
            None => {
                let ends_at_once = Arc::new(AtomicBool::new(false));
                for signal in SIGNALS {
                    // In this order, so that the first signal finds the flag down.
                    let status = SIGNALLED + signal;
                    flag::register_conditional_shutdown(signal, status, Arc::clone(&ends_at_once))?;
                    flag::register(signal, Arc::clone(&ends_at_once))?;
                }
                self.ends_at_once.insert(ends_at_once)
            }
        };
        ends_at_once.store(false, Ordering::SeqCst);
        self.servers += 1;
        Ok(())
    }

    /// Without a server, a signal ends the process, as it does a program that knows of none.
    fn end_server(&mut self) {
        self.servers -= 1;
        if let Some(flag) = self.ends_at_once.as_ref().filter(|_| self.servers == 0) {
            flag.store(true, Ordering::SeqCst);
        }
    }
}

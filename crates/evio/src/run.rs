//! A server's loops and their threads, from beginning to end.

use std::io;
use std::panic;
use std::thread;

use evio_core::{EventLoop, Handler};

use crate::error::Error;
use crate::loops::Loops;
use crate::server::Server;
use crate::server_handle::ServerHandle;
#[cfg(feature = "signals")]
use crate::signals::Signals;

impl Server {
    /// Runs `handler` on one loop, on this thread, until the server shuts down.
    ///
    /// # Errors
    ///
    /// Fails when the loop cannot be made, or its poller fails.
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here.
    pub fn run<H: Handler>(self, handler: H) -> Result<(), Error> {
        let pins_loops = self.pins_loops;
        let (mut loops, _guard) = self.start(1)?;
        let event_loop = loops.pop().expect("a group of one has one loop");
        run_loop(event_loop, pins_loops, || handler).map_err(Error::Loop)
    }

    /// Runs several loops until the server shuts down, each with a handler that `make` makes from
    /// the loop's index, on the loop's own thread. Loop 0 runs on this thread; the others are named
    /// `evio-loop-1` and so on.
    ///
    /// # Errors
    ///
    /// Fails when a loop or its thread cannot be made, a further socket for `reuseport` cannot be
    /// bound, or a poller fails. The other loops have shut down then.
    ///
    /// # Panics
    ///
    /// A panic of a callback ends the server, and goes on out of here.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use evio::{Action, Events, Loops, Server};
    ///
    /// Server::bind(["tcp://:5000"])?.run_each(Loops::Available, |_loop_id| {
    ///     Events::new().data(|conn, _, input| {
    ///         conn.write(input);
    ///         Action::None
    ///     })
    /// })?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    pub fn run_each<H, F>(self, loops: impl Into<Loops>, make: F) -> Result<(), Error>
    where
        H: Handler,
        F: Fn(usize) -> H + Sync,
    {
        let pins_loops = self.pins_loops;
        let (loops, _guard) = self.start(loops.into().count())?;
        let make = &make;
        thread::scope(|scope| {
            let mut loops = loops.into_iter().enumerate();
            let (_, first) = loops.next().expect("a group has at least one loop");
            let mut threads = Vec::new();
            for (loop_id, event_loop) in loops {
                let name = format!("evio-loop-{loop_id}");
                let run = move || run_loop(event_loop, pins_loops, || make(loop_id));
                threads.push(thread::Builder::new().name(name).spawn_scoped(scope, run)?);
            }
            let mut result = run_loop(first, pins_loops, || make(0));
            for thread in threads {
                let ended = thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
                result = result.and(ended);
            }
            result
        })
        .map_err(Error::Loop)
    }

    /// Makes the loops and gives each its sockets.
    fn start(self, count: usize) -> Result<(Vec<EventLoop>, HandleGuard), Error> {
        let (limits, addresses) = (self.config.address_limits.len(), self.addresses);
        if limits > addresses {
            let index = u16::try_from(limits - 1).map_err(|_| Error::TooManyAddresses)?;
            return Err(Error::NoSuchAddress { index, addresses });
        }
        let mut loops = EventLoop::group(count, self.config).map_err(Error::Loop)?;
        for bound in self.bound {
            for (loop_id, share) in bound.share(count)? {
                share.give_to(&mut loops[loop_id]).map_err(Error::Loop)?;
            }
        }
        for (stop, grace) in self.stops {
            loops[0].shutdown_on(stop.into(), grace).map_err(Error::Loop)?;
        }
        let guard = HandleGuard {
            handle: self.handle,
            #[cfg(feature = "signals")]
            _signals: self.signals,
        };
        guard.handle.started(loops[0].handle(), self.addresses);
        Ok((loops, guard))
    }
}

/// Runs a loop on this thread, with a handler that is made here.
fn run_loop<H: Handler>(
    event_loop: EventLoop,
    pins: bool,
    make: impl FnOnce() -> H,
) -> io::Result<()> {
    if pins {
        evio_sys::thread::pin(event_loop.handle().loop_id())?;
    }
    event_loop.run(make())
}

/// Lets go of the loops when they have ended, however they did: handles may live on for long.
struct HandleGuard {
    handle: ServerHandle,
    /// They end the server as long as it runs.
    #[cfg(feature = "signals")]
    _signals: Vec<Signals>,
}

impl Drop for HandleGuard {
    fn drop(&mut self) {
        self.handle.ended();
    }
}

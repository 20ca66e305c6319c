//! A server's loops and their threads, from beginning to end.

use std::io;
use std::panic;
use std::thread;

use evio_core::{Config, EventLoop, Handler, LoopHandle};

use crate::error::Error;
use crate::loop_threads::LoopThreads;
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
    ///
    /// # Examples
    ///
    /// See [`Server`].
    pub fn run<M, H>(self, handler: H) -> Result<(), Error>
    where
        M: Send + 'static,
        H: Handler<M>,
    {
        let threads = self.threads;
        let (mut loops, _guard) = self.into_loops(1)?;
        let event_loop = loops.pop().expect("a group of one has one loop");
        run_loop(event_loop, threads, |_| handler).map_err(Error::Loop)
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
    pub fn run_each<M, H, F>(self, loops: impl Into<Loops>, make: F) -> Result<(), Error>
    where
        M: Send + 'static,
        H: Handler<M>,
        F: Fn(usize) -> H + Sync,
    {
        self.run_each_with(loops, |event_loop| make(event_loop.loop_id()))
    }

    /// As [`run_each`](Self::run_each), with the handle of the loop for `make`: for handlers that
    /// send [messages](crate::MessageSender) to each other.
    ///
    /// # Errors
    ///
    /// As [`run_each`](Self::run_each).
    ///
    /// # Panics
    ///
    /// A panic of a callback ends the server, and goes on out of here.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use evio::{Action, Conn, Handler, Loop, LoopHandle, MessageSender, Server, Serving};
    ///
    /// /// Passes a message around: each loop to the next, and the last ends the server.
    /// struct Ring {
    ///     next: Option<MessageSender<&'static str>>,
    /// }
    ///
    /// impl Ring {
    ///     fn new(event_loop: LoopHandle) -> Self {
    ///         let next = event_loop.of_loop(event_loop.loop_id() + 1);
    ///         Self { next: next.and_then(|next| next.message_sender().ok()) }
    ///     }
    /// }
    ///
    /// impl Handler<&'static str> for Ring {
    ///     type Context = ();
    ///
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///
    ///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
    ///         Action::None
    ///     }
    ///
    ///     fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
    ///         self.message(event_loop, "pass it on")
    ///     }
    ///
    ///     fn message(&mut self, _: &mut Loop<'_>, message: &'static str) -> ControlFlow<()> {
    ///         match &self.next {
    ///             Some(next) if next.send(message).is_ok() => ControlFlow::Continue(()),
    ///             _ => ControlFlow::Break(()),
    ///         }
    ///     }
    /// }
    ///
    /// Server::bind(["tcp://127.0.0.1:0"])?.run_each_with(3, Ring::new)?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    pub fn run_each_with<M, H, F>(self, loops: impl Into<Loops>, make: F) -> Result<(), Error>
    where
        M: Send + 'static,
        H: Handler<M>,
        F: Fn(LoopHandle) -> H + Sync,
    {
        let threads = self.threads;
        let (loops, _guard) = self.into_loops(loops.into().count())?;
        let make = &make;
        thread::scope(|scope| {
            let mut loops = loops.into_iter().enumerate();
            let (_, first) = loops.next().expect("a group has at least one loop");
            let mut others = Vec::new();
            for (loop_id, event_loop) in loops {
                let name = format!("evio-loop-{loop_id}");
                let run = move || run_loop(event_loop, threads, make);
                others.push(thread::Builder::new().name(name).spawn_scoped(scope, run)?);
            }
            let mut result = run_loop(first, threads, make);
            for thread in others {
                let ended = thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
                result = result.and(ended);
            }
            result
        })
        .map_err(Error::Loop)
    }

    /// Makes the loops and gives each its sockets.
    pub(crate) fn into_loops(self, count: usize) -> Result<(Vec<EventLoop>, HandleGuard), Error> {
        let addresses = self.addresses;
        let Config { address_limits, address_max_connections, .. } = &self.config;
        let named = address_limits.len().max(address_max_connections.len());
        if named > addresses {
            let index = u16::try_from(named - 1).map_err(|_| Error::TooManyAddresses)?;
            return Err(Error::NoSuchAddress { index, addresses });
        }
        let mut loops = EventLoop::group(count, self.config).map_err(Error::Loop)?;
        for bound in self.bound {
            for (loop_id, share) in bound.share(count)? {
                share.give_to(&mut loops[loop_id]).map_err(Error::Loop)?;
            }
        }
        for (stop, grace) in self.stops {
            // All of them: one without connections ends at once, and the others do not.
            for event_loop in &mut loops {
                let stop = stop.try_clone().map_err(Error::Loop)?;
                event_loop.shutdown_on(stop.into(), grace).map_err(Error::Loop)?;
            }
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
fn run_loop<M, H>(
    event_loop: EventLoop,
    threads: LoopThreads,
    make: impl FnOnce(LoopHandle) -> H,
) -> io::Result<()>
where
    M: Send + 'static,
    H: Handler<M>,
{
    let handle = event_loop.handle();
    threads.prepare(handle.loop_id())?;
    event_loop.run(make(handle))
}

/// Lets go of the loops when they have ended, however they did: handles may live on for long.
#[derive(Debug)]
pub(crate) struct HandleGuard {
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

//! What ends the server, and how.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio_core::PanicPolicy;

#[cfg(feature = "signals")]
use crate::error::Error;
use crate::server::Server;
#[cfg(feature = "signals")]
use crate::signals::Signals;

impl Server {
    /// Sets how long a shutdown waits for peers to take what was written to them. Default: 5
    /// seconds. A peer that has everything gets half a second to close its end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use evio::{PanicPolicy, Server};
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?
    ///     .shutdown_timeout(Duration::from_secs(1))
    ///     .panic_policy(PanicPolicy::CloseConnection);
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.config.shutdown_timeout = timeout;
        self
    }

    /// Shuts the server down, as [`ServerHandle::shutdown`] does, as soon as `stop` has something
    /// to read or its other end is closed.
    ///
    /// This is how a signal ends a server: a handler can do little but write to a socket. The loop
    /// waits for it along with everything else, so that no thread is needed; in a process with one
    /// thread, system calls are cheaper. One socket can be cloned for several signals, and a server
    /// can have several sockets.
    ///
    /// [`ServerHandle::shutdown`]: crate::ServerHandle::shutdown
    ///
    /// # Examples
    ///
    /// The server ends when a line is typed. So that a signal ends it, give the other end to a
    /// signal handler, as with `low_level::pipe::register` of the crate `signal-hook`; for the
    /// usual signals, the feature `signals` of this crate does that and more.
    ///
    /// ```no_run
    /// use std::os::unix::net::UnixStream;
    /// use std::{io, thread};
    /// use evio::{Action, Events, Server};
    ///
    /// let (stop, other_end) = UnixStream::pair()?;
    /// thread::spawn(move || {
    ///     let _ = io::stdin().read_line(&mut String::new());
    ///     drop(other_end);
    /// });
    /// let events = Events::new().data(|_, _, _| Action::None);
    /// Server::bind(["tcp://:5000"])?.shutdown_on(stop).run(events)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shutdown_on(mut self, stop: UnixStream) -> Self {
        self.stops.push((stop, None));
        self
    }

    /// As [`shutdown_on`](Self::shutdown_on), but shuts down as
    /// [`ServerHandle::shutdown_gracefully`] does: connections are told, and have `timeout` to
    /// finish by themselves.
    ///
    /// [`ServerHandle::shutdown_gracefully`]: crate::ServerHandle::shutdown_gracefully
    ///
    /// # Examples
    ///
    /// Each connection ends with a goodbye; here there is none, so the server ends at once.
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use std::time::Duration;
    /// use evio::{Action, Events, Server};
    ///
    /// let (stop, other_end) = UnixStream::pair()?;
    /// let events = Events::new().data(|_, _, _| Action::None).stopping(|conn, _| {
    ///     conn.write(b"goodbye\n");
    ///     Action::Close
    /// });
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// drop(other_end);
    /// server.shutdown_gracefully_on(stop, Duration::from_secs(30)).run(events)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn shutdown_gracefully_on(mut self, stop: UnixStream, timeout: Duration) -> Self {
        self.stops.push((stop, Some(timeout)));
        self
    }

    /// Lets SIGINT (Ctrl-C) and SIGTERM end the server. The first one shuts it down as
    /// [`ServerHandle::shutdown_gracefully`] does: connections are told, and have `grace` to finish
    /// by themselves. The second one ends the process at once, with the status 130 or 143, as a
    /// shell gives it; what was not sent by then is lost.
    ///
    /// Signals are handled from now on, and come through a socket
    /// ([`shutdown_gracefully_on`](Self::shutdown_gracefully_on)): no thread is needed. The first
    /// signal is for all servers of the process that have asked for it. When the last of them has
    /// ended, the next signal ends the process; a further server begins anew. Other signals stay as
    /// they are: Rust ignores SIGPIPE, which this crate's sockets do not raise either.
    ///
    /// A program asks for it before it says what it listens on: a signal that comes earlier ends
    /// the process. Code that makes a server for tests as well does not ask for it: in a simulation
    /// of evio-sim there are no signals, and the server does not start. A test does what the signal
    /// would, by [`ServerHandle::shutdown_gracefully`].
    ///
    /// [`ServerHandle::shutdown_gracefully`]: crate::ServerHandle::shutdown_gracefully
    ///
    /// # Errors
    ///
    /// Fails when the system refuses a signal handler or has no descriptor left.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use evio::{Action, Events, Server};
    ///
    /// let server = Server::bind(["tcp://:5000"])?.shutdown_on_signals(Duration::from_secs(30))?;
    /// server.run(Events::new().stopping(|conn, _| {
    ///     conn.write(b"goodbye\n");
    ///     Action::Close
    /// }))?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[cfg(feature = "signals")]
    #[cfg_attr(docsrs, doc(cfg(feature = "signals")))]
    pub fn shutdown_on_signals(mut self, grace: Duration) -> Result<Self, Error> {
        let (signals, stop) = Signals::register().map_err(Error::Signals)?;
        self.signals.push(signals);
        Ok(self.shutdown_gracefully_on(stop, grace))
    }

    /// Sets the consequence of a panic in a callback of a connection. Default:
    /// [`PanicPolicy::EndServer`].
    ///
    /// # Examples
    ///
    /// See [`shutdown_timeout`](Self::shutdown_timeout) and [`PanicPolicy`].
    #[must_use]
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.config.panic_policy = policy;
        self
    }
}

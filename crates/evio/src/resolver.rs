//! Connections to names.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use evio_core::{ConnectOptions, DialId, Loop};

use crate::worker_pool::{PoolFull, WorkerPool};

/// Connects to names, which the system's resolver looks up on threads of a [`WorkerPool`]: it can
/// take many seconds, which no loop waits for.
///
/// All addresses of a name are tried, as [`Loop::dial`] says. Cloning a resolver gives another
/// handle for the same threads: the handlers of all loops share one.
///
/// # Examples
///
/// A client and nothing else, which asks for a page and prints it:
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use evio::{Action, ConnectOptions, Events, Resolver, Server};
///
/// let resolver = Resolver::new()?;
/// let events = Events::new()
///     .serving(move |event_loop, _| {
///         match resolver.dial(event_loop, "example.org:80", &ConnectOptions::default()) {
///             Ok(_) => ControlFlow::Continue(()),
///             Err(_) => ControlFlow::Break(()),
///         }
///     })
///     .opened(|conn, ()| {
///         conn.write(b"GET / HTTP/1.0\r\nHost: example.org\r\n\r\n");
///         Action::None
///     })
///     .data(|_, (), input| {
///         print!("{}", String::from_utf8_lossy(input));
///         Action::None
///     })
///     .closed(|_, (), _| ControlFlow::Break(()))
///     .dial_failed(|_, error| {
///         eprintln!("{error}");
///         ControlFlow::Break(())
///     });
/// Server::without_addresses().run(events)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resolver {
    pool: WorkerPool,
}

/// A name server that does not answer keeps a thread for as long as resolv.conf(5) says, 20 seconds
/// or so.
const THREADS: usize = 4;

/// Names that wait for a thread to resolve them.
const MAX_WAITING: usize = 1024;

impl Resolver {
    /// Starts four threads, for which up to 1,024 names may wait.
    ///
    /// # Errors
    ///
    /// Fails when the system has no more threads.
    pub fn new() -> io::Result<Self> {
        Ok(Self::with_pool(WorkerPool::new(THREADS, MAX_WAITING)?))
    }

    /// Creates a resolver that uses the threads of a pool, which may have other work, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Resolver, WorkerPool};
    ///
    /// // The names of backends are looked up by the threads that hash passwords.
    /// let pool = WorkerPool::new(8, 1000)?;
    /// let resolver = Resolver::with_pool(pool.clone());
    /// # drop((pool, resolver));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn with_pool(pool: WorkerPool) -> Self {
        Self { pool }
    }

    /// Begins to connect to `name`, a host and a port: `example.org:80`, `192.0.2.1:80` or
    /// `[2001:db8::1]:80`, with or without `tcp://` before it.
    /// [`Handler::opened`](crate::Handler::opened) or
    /// [`Handler::dial_failed`](crate::Handler::dial_failed) is called, as [`Loop::dial`] says: the
    /// latter, too, when `name` is none, or as many names wait to be resolved as may.
    ///
    /// Another thread dials by a task for the loop; see [`LoopHandle::post`](crate::LoopHandle).
    ///
    /// # Examples
    ///
    /// See [`Resolver`].
    ///
    /// # Errors
    ///
    /// Fails as [`Loop::dial`] does, without a callback.
    pub fn dial(
        &self,
        event_loop: &mut Loop<'_>,
        name: &str,
        options: &ConnectOptions,
    ) -> io::Result<DialId> {
        // As addresses to listen on are often written.
        let name = name.strip_prefix("tcp://").unwrap_or(name);
        if let Ok(address) = name.parse::<SocketAddr>() {
            return event_loop.dial([address], options);
        }
        let (id, addresses) = event_loop.dial_name(name, options)?;
        let name = name.to_owned();
        match self.pool.reserve() {
            Ok(place) => place.run(move || {
                // Names that have waited for too long cost the others no more time.
                if addresses.is_wanted() {
                    addresses.give(resolve(&name));
                }
            }),
            Err(PoolFull) => addresses.give(Err(busy())),
        }
        Ok(id)
    }
}

fn busy() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "too many names wait to be resolved")
}

fn resolve(name: &str) -> io::Result<Vec<SocketAddr>> {
    match name.to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Err(io::Error::new(
            error.kind(),
            "not a host and a port, such as example.org:80 or [2001:db8::1]:80",
        )),
        Err(error) => Err(error),
    }
}

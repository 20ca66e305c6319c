//! A server: bound addresses and a configuration.

mod bounds;
mod clients;

use std::net;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio_core::{Config, Handler, LoadBalance, PanicPolicy, PlaceFn};
use evio_sys::net::ListenOptions;

use crate::address::Address;
use crate::bind::{Bound, ReadySocket};
use crate::bound_address::BoundAddress;
use crate::error::Error;
use crate::loop_threads::LoopThreads;
use crate::server_handle::ServerHandle;
#[cfg(feature = "signals")]
use crate::signals::Signals;

/// Runs `handler` on one loop that listens on `addresses`, until it shuts down.
///
/// [`Server`] gives more control.
///
/// # Errors
///
/// Fails when an address is wrong or cannot be bound, before any callback is called; and when the
/// loop itself fails.
///
/// # Examples
///
/// ```no_run
/// use evio::{Action, Conn, Handler};
///
/// struct Echo;
///
/// impl Handler for Echo {
///     type Context = ();
///     fn context(&mut self, _: &Conn<'_>) {}
///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
///         conn.write(input);
///         Action::None
///     }
/// }
///
/// evio::serve(Echo, ["tcp://localhost:5000"])?;
/// # Ok::<(), evio::Error>(())
/// ```
pub fn serve<M, H, A>(handler: H, addresses: impl IntoIterator<Item = A>) -> Result<(), Error>
where
    M: Send + 'static,
    H: Handler<M>,
    A: TryInto<Address>,
    Error: From<A::Error>,
{
    Server::bind(addresses)?.run(handler)
}

/// A server that is bound to its addresses and not running yet.
///
/// Clients can connect from now on; they are accepted once the server runs.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use evio::{Action, Events, Server};
///
/// let server = Server::bind(["tcp://127.0.0.1:0"])?;
/// let address = server.local_addrs()[0].addr().as_inet().expect("a TCP address");
/// let handle = server.handle();
///
/// let client = std::thread::spawn(move || {
///     let mut client = std::net::TcpStream::connect(address)?;
///     client.write_all(b"hello")?;
///     let mut reply = [0; 5];
///     client.read_exact(&mut reply)?;
///     handle.shutdown();
///     std::io::Result::Ok(reply)
/// });
/// server.run(Events::new().data(|conn, _, input| {
///     conn.write(input);
///     Action::None
/// }))?;
/// assert_eq!(&client.join().unwrap().unwrap(), b"hello");
/// # Ok::<(), evio::Error>(())
/// ```
#[derive(Debug)]
pub struct Server {
    pub(crate) bound: Vec<Bound>,
    /// How many addresses there are; a host name may have several sockets.
    pub(crate) addresses: usize,
    pub(crate) config: Config,
    pub(crate) threads: LoopThreads,
    pub(crate) stops: Vec<(UnixStream, Option<Duration>)>,
    #[cfg(feature = "signals")]
    pub(crate) signals: Vec<Signals>,
    pub(crate) handle: ServerHandle,
}

impl Server {
    /// Binds `addresses`: anything that parses as an [`Address`], or addresses themselves.
    ///
    /// # Errors
    ///
    /// Fails when there are none, when one is wrong, and when one cannot be bound; then none of
    /// them stays bound.
    pub fn bind<A>(addresses: impl IntoIterator<Item = A>) -> Result<Self, Error>
    where
        A: TryInto<Address>,
        Error: From<A::Error>,
    {
        Self::bind_with(&ListenOptions::default(), addresses)
    }

    /// Binds `addresses` with socket options: the backlog, and what connections inherit. What an
    /// address says itself (`reuseport`, `mode`, the family) comes before them.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Keepalive, ListenOptions, Server};
    ///
    /// let options = ListenOptions::default().backlog(512).keepalive(Keepalive::default());
    /// let server = Server::bind_with(&options, ["tcp://127.0.0.1:0"])?;
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    pub fn bind_with<A>(
        options: &ListenOptions,
        addresses: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error>
    where
        A: TryInto<Address>,
        Error: From<A::Error>,
    {
        let addresses: Vec<Address> =
            addresses.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        let mut bound = Vec::new();
        for (index, address) in addresses.iter().enumerate() {
            let index = u16::try_from(index).map_err(|_| Error::TooManyAddresses)?;
            bound.extend(Bound::all(index, address, options)?);
        }
        if bound.is_empty() {
            return Err(Error::NoAddress);
        }
        Ok(Self { bound, addresses: addresses.len(), ..Self::new() })
    }

    /// Makes a server that listens nowhere: for a program that is a client only, or that is given
    /// its addresses [later](ServerHandle::listen).
    ///
    /// # Examples
    ///
    /// See [`Resolver`](crate::Resolver).
    #[must_use]
    pub fn without_addresses() -> Self {
        Self::new()
    }

    fn new() -> Self {
        Self {
            bound: Vec::new(),
            addresses: 0,
            config: Config::default(),
            threads: LoopThreads::default(),
            stops: Vec::new(),
            #[cfg(feature = "signals")]
            signals: Vec::new(),
            handle: ServerHandle::new(),
        }
    }

    /// Makes a server of a socket that is bound already, such as one that systemd or a parent
    /// process has handed over.
    ///
    /// Its options stay as they are but for the few that [`ReadySocket`] names, so small replies
    /// are sent at once only if `TCP_NODELAY` is set on the listener, as `NoDelay=` of systemd
    /// does, or on the [connection](crate::Conn::set_nodelay). Connections are spread over the
    /// loops as usual; datagrams all go to loop 0.
    ///
    /// # Errors
    ///
    /// Fails when it is no socket.
    ///
    /// # Examples
    ///
    /// See [`ReadySocket`].
    pub fn from_socket(socket: ReadySocket) -> Result<Self, Error> {
        Self::new().with_socket(socket)
    }

    /// Adds a socket that is bound already. Its address has the index after those that are there.
    ///
    /// # Errors
    ///
    /// Fails when it is no socket.
    pub fn with_socket(mut self, socket: ReadySocket) -> Result<Self, Error> {
        let index = u16::try_from(self.addresses).map_err(|_| Error::TooManyAddresses)?;
        self.bound.push(Bound::ready(index, socket).map_err(Error::Socket)?);
        self.addresses += 1;
        Ok(self)
    }

    /// Chooses how connections are spread over the loops. Default: [`LoadBalance::RoundRobin`].
    #[must_use]
    pub fn load_balance(mut self, load_balance: LoadBalance) -> Self {
        self.config.load_balance = load_balance;
        self
    }

    /// Chooses the loop of each connection by a function of the peer's address and the open
    /// connections of each loop, instead of a [`LoadBalance`]; see [`PlaceFn`].
    #[must_use]
    pub fn place_with(
        mut self,
        place: impl Fn(Option<net::SocketAddr>, &[usize]) -> usize + Send + Sync + 'static,
    ) -> Self {
        self.config.place_fn = Some(PlaceFn::new(place));
        self
    }

    /// Pins each loop to one processor of its own, as far as there are enough. Default: the system
    /// moves the threads as it likes.
    ///
    /// # Platform notes
    ///
    /// Linux only; elsewhere the server does not start. Threads that are started on a loop are put
    /// on its processor too, and the thread that runs loop 0 stays there after the server's end.
    #[must_use]
    pub fn pin_loops(mut self, pin: bool) -> Self {
        self.threads.pins = pin;
        self
    }

    /// Runs the loops under `SCHED_BATCH` (sched(7)): one that is woken waits until its processor
    /// is free, and does not take it from the thread that runs there. Default: it may take it.
    ///
    /// This is for more loops than processors: they interrupt each other at every wake-up, and then
    /// serve few connections in each turn. Four loops on one processor with 50 clients take a fifth
    /// less processor time so. Beside other busy programs a reply can be some milliseconds later.
    ///
    /// # Platform notes
    ///
    /// Linux only; it does nothing elsewhere. Threads that are started on a loop are as it
    /// is, and the thread that runs loop 0 stays so after the server's end.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Loops, Server};
    ///
    /// let loops = 8;
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let server = server.batch_loops(loops > Loops::Available.count());
    /// # drop(server);
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn batch_loops(mut self, batch: bool) -> Self {
        self.threads.are_batch = batch;
        self
    }

    /// Sets how long a shutdown waits for peers to take what was written to them. Default: 5
    /// seconds. A peer that has everything gets half a second to close its end.
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
    /// # Examples
    ///
    /// With the crate `signal-hook`, whose handler writes to the other end; for the usual signals,
    /// the feature `signals` does this and more:
    ///
    /// ```no_run
    /// use std::os::unix::net::UnixStream;
    /// use evio::{Action, Events, Server};
    /// use signal_hook::{consts::SIGTERM, low_level::pipe};
    ///
    /// let (stop, signalled) = UnixStream::pair()?;
    /// pipe::register(SIGTERM, signalled)?;
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
    /// # Examples
    ///
    /// SIGTERM has each connection end with a goodbye:
    ///
    /// ```no_run
    /// use std::os::unix::net::UnixStream;
    /// use std::time::Duration;
    /// use evio::{Action, Events, Server};
    /// use signal_hook::{consts::SIGTERM, low_level::pipe};
    ///
    /// let (stop, signalled) = UnixStream::pair()?;
    /// let events = Events::new().data(|_, _, _| Action::None).stopping(|conn, _| {
    ///     conn.write(b"goodbye\n");
    ///     Action::Close
    /// });
    /// pipe::register(SIGTERM, signalled)?;
    /// let server = Server::bind(["tcp://:5000"])?;
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
    #[must_use]
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.config.panic_policy = policy;
        self
    }

    /// Returns the addresses that are bound, with the real ports.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<BoundAddress> {
        self.bound.iter().map(Bound::local_addr).collect()
    }

    /// Returns a handle that can end the server from any thread, now or later.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }
}

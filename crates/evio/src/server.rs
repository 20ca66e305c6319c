//! A server: bound addresses, a configuration, and the threads of its loops.

use std::fmt;
use std::panic;
use std::thread;
use std::time::Duration;

use evio_core::{Config, EventLoop, Handler, Limits, LoadBalance, PanicPolicy};
use evio_sys::net::SocketAddr;

use crate::address::{Address, Scheme};
use crate::bind::{Socket, bind, bind_again};
use crate::error::Error;
use crate::server_handle::ServerHandle;

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
pub fn serve<H, A>(handler: H, addresses: impl IntoIterator<Item = A>) -> Result<(), Error>
where
    H: Handler,
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
    bound: Vec<Bound>,
    config: Config,
    handle: ServerHandle,
}

#[derive(Debug)]
struct Bound {
    index: u16,
    address: Address,
    local: SocketAddr,
    socket: Socket,
}

/// An address that a server is bound to, with the real port.
///
/// Displays as an address that clients and [`Server::bind`] understand: `tcp://127.0.0.1:5000`.
#[derive(Clone, Debug)]
pub struct BoundAddress {
    index: usize,
    scheme: Scheme,
    addr: SocketAddr,
}

impl BoundAddress {
    /// Returns the index of the address that was given to [`Server::bind`]. A host name can stand
    /// for several bound addresses, which then have the same index.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// Returns the socket's address.
    #[must_use]
    pub fn addr(&self) -> &SocketAddr {
        &self.addr
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addr = self.addr.to_string();
        // A path that has a `?` needs one more, since the last one begins the options.
        let end = if self.scheme == Scheme::Unix && addr.contains('?') { "?" } else { "" };
        write!(f, "{}://{addr}{end}", self.scheme)
    }
}

/// How many loops a server runs.
///
/// # Examples
///
/// ```
/// use evio::Loops;
///
/// assert_eq!(Loops::from(4).count(), 4);
/// assert!(Loops::Available.count() >= 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loops {
    /// This many; zero is taken as one.
    Exactly(usize),
    /// As many as the process may use processors, counting affinity and control groups.
    Available,
}

impl Loops {
    /// Returns the number.
    #[must_use]
    pub fn count(self) -> usize {
        match self {
            Self::Exactly(count) => count.max(1),
            Self::Available => thread::available_parallelism().map_or(1, usize::from),
        }
    }
}

impl From<usize> for Loops {
    fn from(count: usize) -> Self {
        Self::Exactly(count)
    }
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
        let addresses: Vec<Address> =
            addresses.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?;
        let mut bound = Vec::new();
        for (index, address) in (0..=u16::MAX).zip(addresses) {
            let failed = |source| Error::Bind { address: Box::new(address.clone()), source };
            for socket in bind(&address).map_err(failed)? {
                let local = socket.local_addr().map_err(failed)?;
                bound.push(Bound { index, address: address.clone(), local, socket });
            }
        }
        if bound.is_empty() {
            return Err(Error::NoAddress);
        }
        Ok(Self { bound, config: Config::default(), handle: ServerHandle::new() })
    }

    /// Chooses how connections are spread over the loops. Default: [`LoadBalance::Random`].
    #[must_use]
    pub fn load_balance(mut self, load_balance: LoadBalance) -> Self {
        self.config.load_balance = load_balance;
        self
    }

    /// Sets what a connection may hold, and how long its ending may take.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Sets how long a shutdown waits for peers to take what was written to them. Default: 5
    /// seconds.
    #[must_use]
    pub fn shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.config.shutdown_timeout = timeout;
        self
    }

    /// Chooses what a panic in a callback of a connection does. Default:
    /// [`PanicPolicy::EndServer`].
    #[must_use]
    pub fn panic_policy(mut self, policy: PanicPolicy) -> Self {
        self.config.panic_policy = policy;
        self
    }

    /// Sets how many messages from other threads may wait for a loop before [`ConnHandle`] and
    /// [`LoopHandle`] refuse more. Default: 65,536.
    ///
    /// [`ConnHandle`]: crate::ConnHandle
    /// [`LoopHandle`]: crate::LoopHandle
    #[must_use]
    pub fn mailbox_capacity(mut self, capacity: usize) -> Self {
        self.config.mailbox_capacity = capacity;
        self
    }

    /// Returns the addresses that are bound, with the real ports.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<BoundAddress> {
        self.bound
            .iter()
            .map(|bound| BoundAddress {
                index: usize::from(bound.index),
                scheme: bound.address.scheme(),
                addr: bound.local.clone(),
            })
            .collect()
    }

    /// Returns a handle that can end the server from any thread, now or later.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

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
        let (mut loops, _running) = self.start(1)?;
        let event_loop = loops.pop().expect("a group of one has one loop");
        event_loop.run(handler).map_err(Error::Loop)
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
        let (loops, _running) = self.start(loops.into().count())?;
        let make = &make;
        thread::scope(|scope| {
            let mut loops = loops.into_iter().enumerate();
            let (_, first) = loops.next().expect("a group has at least one loop");
            let mut threads = Vec::new();
            for (loop_id, event_loop) in loops {
                let name = format!("evio-loop-{loop_id}");
                let run = move || event_loop.run(make(loop_id));
                threads.push(thread::Builder::new().name(name).spawn_scoped(scope, run)?);
            }
            let mut result = first.run(make(0));
            for thread in threads {
                let ended = thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
                result = result.and(ended);
            }
            result
        })
        .map_err(Error::Loop)
    }

    /// Makes the loops and gives each its sockets: listeners in turn, so that accepting is shared
    /// too; those with `reuseport` one for every loop.
    fn start(self, count: usize) -> Result<(Vec<EventLoop>, Running), Error> {
        let mut loops = EventLoop::group(count, self.config).map_err(Error::Loop)?;
        for (number, bound) in self.bound.into_iter().enumerate() {
            let Bound { index, address, local, socket } = bound;
            if address.reuse_port() {
                let place = local.as_inet().expect("a unix address cannot have reuseport");
                let failed = |source| Error::Bind { address: Box::new(address.clone()), source };
                for event_loop in &mut loops[1..] {
                    let socket = bind_again(&address, place).map_err(failed)?;
                    give(event_loop, index, socket, true)?;
                }
                give(&mut loops[0], index, socket, true)?;
            } else {
                give(&mut loops[number % count], index, socket, false)?;
            }
        }
        let running = Running(self.handle);
        running.0.started(loops[0].handle());
        Ok((loops, running))
    }
}

fn give(
    event_loop: &mut EventLoop,
    index: u16,
    socket: Socket,
    stays_here: bool,
) -> Result<(), Error> {
    match socket {
        Socket::Stream(listener) if stays_here => event_loop.listen_here(index, listener),
        Socket::Stream(listener) => event_loop.listen(index, listener),
        Socket::Datagram(socket) => event_loop.bind(index, socket),
    }
    .map_err(Error::Loop)
}

/// Lets go of the loops when they have ended, however they did: handles may live on for long.
struct Running(ServerHandle);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ended();
    }
}

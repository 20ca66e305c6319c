//! A server: bound addresses and a configuration.

mod bounds;
mod clients;
mod ending;
mod spreading;

use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio_core::{Config, Handler};
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
    /// Fails when the system does not tell the socket's address.
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
    /// Fails when the system does not tell the socket's address, and after 65,536 addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::{TcpListener, UdpSocket};
    /// use evio::Server;
    ///
    /// let tcp = TcpListener::bind("127.0.0.1:0")?;
    /// let udp = UdpSocket::bind("127.0.0.1:0")?;
    /// let server = Server::from_socket(tcp.try_into()?)?.with_socket(udp.try_into()?)?;
    /// assert_eq!(server.local_addrs()[1].index(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_socket(mut self, socket: ReadySocket) -> Result<Self, Error> {
        let index = u16::try_from(self.addresses).map_err(|_| Error::TooManyAddresses)?;
        self.bound.push(Bound::ready(index, socket).map_err(Error::Socket)?);
        self.addresses += 1;
        Ok(self)
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

//! A server, as other threads see it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evio_core::{LoopHandle, SendError};
use evio_sys::net::ListenOptions;
use parking_lot::Mutex;

use crate::address::Address;
use crate::bind::{Bound, ReadySocket};
use crate::bound_address::BoundAddress;
use crate::error::Error;

/// Reaches a server from any thread, at any time: before it runs, while it does, or afterwards.
///
/// # Examples
///
/// ```
/// use evio::{Events, Server};
///
/// let server = Server::bind(["tcp://127.0.0.1:0"])?;
/// let handle = server.handle();
/// std::thread::spawn(move || handle.shutdown());
/// server.run(Events::new())?;
/// # Ok::<(), evio::Error>(())
/// ```
#[derive(Clone)]
pub struct ServerHandle {
    state: Arc<Mutex<State>>,
}

enum State {
    Bound,
    /// Shut down before it ran: it will end as soon as it does.
    Stopping,
    Running {
        event_loop: LoopHandle,
        /// The index of the next address.
        addresses: usize,
    },
    Ended,
}

impl ServerHandle {
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State::Bound)) }
    }

    /// Returns a handle for a loop of the running server: for tasks, messages, and connections that
    /// are to be made. `None` when the server does not run, or has fewer loops.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Events, Server};
    ///
    /// let server = Server::without_addresses();
    /// let handle = server.handle();
    /// assert!(handle.event_loop(0).is_none(), "it does not run yet");
    /// server.run(Events::new().serving(move |_, _| {
    ///     let event_loop = handle.event_loop(0).expect("it runs");
    ///     event_loop.post(|event_loop| event_loop.shutdown()).expect("there is room");
    ///     std::ops::ControlFlow::Continue(())
    /// }))?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn event_loop(&self, loop_id: usize) -> Option<LoopHandle> {
        match &*self.state.lock() {
            State::Running { event_loop, .. } => event_loop.of_loop(loop_id),
            State::Bound | State::Stopping | State::Ended => None,
        }
    }

    /// Stops accepting, and closes every connection once what was written to it has been sent, or
    /// the server's shutdown timeout has passed.
    ///
    /// Returns at once; the server's `run` returns when all is over. Calling it again does nothing.
    pub fn shutdown(&self) {
        let mut state = self.state.lock();
        match &*state {
            State::Bound => *state = State::Stopping,
            State::Running { event_loop, .. } => event_loop.shutdown(),
            State::Stopping | State::Ended => {}
        }
    }

    /// Stops accepting, calls [`Handler::stopping`](crate::Handler::stopping) for every connection,
    /// and ends the server when they have all come to an end, or after `timeout`.
    ///
    /// Returns at once. Before the server runs this is the same as [`shutdown`](Self::shutdown),
    /// which can also follow it, to wait no longer.
    ///
    /// # Draining
    ///
    /// Before `stopping` is called, connections that wait in the backlog are accepted, up to 4,096
    /// at each listener and as far as limits allow, and what peers have sent by then comes to
    /// [`data`](crate::Handler::data), of each connection whose input is not paused. Those that go
    /// on sending hold this up for half of the time at most. The rest is up to the handler:
    ///
    /// - A handler without `stopping` closes each connection when what was written to it is sent,
    ///   after the [replies](crate::Conn::reply) that are owed. So work that threads do for a
    ///   connection needs nothing else, if its result is a reply.
    /// - For work of another kind the context has a flag. `stopping` returns
    ///   [`Action::None`](crate::Action::None) while there is work, and the callback that ends the
    ///   work closes. Until then the connection is as open as before: input comes, timers run down.
    ///   `timeout` bounds all of it.
    /// - A handler that connects to other servers returns `None` for these connections, too, and
    ///   closes them with their clients. It can go on to connect while a client is left.
    ///
    /// # Examples
    ///
    /// Each line that comes in takes a while, which a timer stands for here. The client that waits
    /// for an answer gets it, though the server is told to end before:
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    /// use std::thread;
    /// use std::time::Duration;
    /// use evio::{Action, Conn, Handler, Server};
    ///
    /// #[derive(Default)]
    /// struct Guest {
    ///     is_working: bool,
    ///     is_stopping: bool,
    /// }
    ///
    /// struct Worker;
    ///
    /// impl Handler for Worker {
    ///     type Context = Guest;
    ///
    ///     fn context(&mut self, _: &Conn<'_>) -> Guest {
    ///         Guest::default()
    ///     }
    ///
    ///     fn data(&mut self, conn: &mut Conn<'_>, guest: &mut Guest, _: &[u8]) -> Action {
    ///         conn.write(b"begun\n");
    ///         guest.is_working = true;
    ///         // One task at a time: until it is done, no other is read.
    ///         conn.pause_reading();
    ///         conn.set_timer(Some(Duration::from_millis(20)));
    ///         Action::None
    ///     }
    ///
    ///     fn timer(&mut self, conn: &mut Conn<'_>, guest: &mut Guest) -> Action {
    ///         conn.write(b"done\n");
    ///         guest.is_working = false;
    ///         conn.resume_reading();
    ///         if guest.is_stopping { Action::Close } else { Action::None }
    ///     }
    ///
    ///     fn stopping(&mut self, _: &mut Conn<'_>, guest: &mut Guest) -> Action {
    ///         guest.is_stopping = true;
    ///         if guest.is_working { Action::None } else { Action::Close }
    ///     }
    /// }
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let address = server.local_addrs()[0].addr().as_inet().expect("a TCP address");
    /// let handle = server.handle();
    /// let client = thread::spawn(move || {
    ///     let mut client = TcpStream::connect(address)?;
    ///     client.write_all(b"do it\n")?;
    ///     client.read_exact(&mut [0; 6])?;
    ///     handle.shutdown_gracefully(Duration::from_secs(30));
    ///     let mut rest = String::new();
    ///     client.read_to_string(&mut rest)?;
    ///     std::io::Result::Ok(rest)
    /// });
    /// server.run(Worker)?;
    /// assert_eq!(client.join().expect("it does not panic")?, "done\n");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shutdown_gracefully(&self, timeout: Duration) {
        let mut state = self.state.lock();
        match &*state {
            State::Bound => *state = State::Stopping,
            State::Running { event_loop, .. } => event_loop.shutdown_gracefully(timeout),
            State::Stopping | State::Ended => {}
        }
    }

    /// Appends `bytes` to the output of every open connection; those that are half-closed take no
    /// output. The bytes are shared, not copied.
    ///
    /// # Errors
    ///
    /// See [`SendError`]: [`NotStarted`](SendError::NotStarted) before the server runs. If a loop
    /// refuses them, others may send them all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{SendError, ServerHandle};
    ///
    /// /// Tells every client the time, until the server ends.
    /// fn tell_time(server: &ServerHandle, clock: impl Iterator<Item = String>) {
    ///     for time in clock {
    ///         // A loop that has no room for it will have some for the next one.
    ///         if server.broadcast(time.into_bytes()) == Err(SendError::Stopped) {
    ///             return;
    ///         }
    ///     }
    /// }
    /// ```
    pub fn broadcast(&self, bytes: impl Into<Arc<[u8]>>) -> Result<(), SendError> {
        match &*self.state.lock() {
            State::Bound | State::Stopping => Err(SendError::NotStarted),
            State::Running { event_loop, .. } => event_loop.broadcast(bytes),
            State::Ended => Err(SendError::Stopped),
        }
    }

    /// Binds one more address and has the running server listen on it. Returns where that is, with
    /// the index that [`Conn::address_index`](crate::Conn::address_index) gives for it.
    ///
    /// # Errors
    ///
    /// Fails when the address is wrong or cannot be bound, when the server is not running or is
    /// ending, and after 65,536 addresses: an index is not given twice.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use evio::{Events, Server};
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let handle = server.handle();
    /// server.run(Events::new().serving(move |_, _| {
    ///     let bound = handle.listen("tcp://127.0.0.1:0").expect("a free port");
    ///     assert_eq!(bound[0].index(), 1);
    ///     handle.stop_listening(0);
    ///     ControlFlow::Break(())
    /// }))?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    pub fn listen<A>(&self, address: A) -> Result<Vec<BoundAddress>, Error>
    where
        A: TryInto<Address>,
        Error: From<A::Error>,
    {
        self.listen_with(&ListenOptions::default(), address)
    }

    /// As [`listen`](Self::listen), with socket options.
    ///
    /// # Errors
    ///
    /// As [`listen`](Self::listen).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use evio::{BoundAddress, ListenOptions, ServerHandle};
    ///
    /// /// Opens one more address for clients that must speak first.
    /// fn open(server: &ServerHandle, address: &str) -> Result<Vec<BoundAddress>, evio::Error> {
    ///     let options = ListenOptions::default().defer_accept(Duration::from_secs(5));
    ///     server.listen_with(&options, address)
    /// }
    /// ```
    pub fn listen_with<A>(
        &self,
        options: &ListenOptions,
        address: A,
    ) -> Result<Vec<BoundAddress>, Error>
    where
        A: TryInto<Address>,
        Error: From<A::Error>,
    {
        let address = address.try_into()?;
        self.add(|index| Bound::all(index, &address, options))
    }

    /// Makes the running server listen on a socket that is bound already.
    ///
    /// # Errors
    ///
    /// Fails when the system does not tell the socket's address, when the server is not running or
    /// is ending, and after 65,536 addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use evio::{BoundAddress, Error, ServerHandle};
    ///
    /// /// Takes over a listener, such as one that another process has sent.
    /// fn take_over(server: &ServerHandle, listener: TcpListener) -> Result<BoundAddress, Error> {
    ///     server.listen_on(listener.try_into().map_err(Error::Socket)?)
    /// }
    /// ```
    pub fn listen_on(&self, socket: ReadySocket) -> Result<BoundAddress, Error> {
        let bound = |index| Ok(vec![Bound::ready(index, socket).map_err(Error::Socket)?]);
        Ok(self.add(bound)?.swap_remove(0))
    }

    /// Stops listening on the address with this index: its sockets are closed, its connections
    /// stay. Connections that wait to be accepted are accepted first, as far as limits allow; the
    /// kernel resets the others. Nothing happens if there is none.
    ///
    /// # Examples
    ///
    /// See [`listen`](Self::listen).
    pub fn stop_listening(&self, address_index: u16) {
        if let State::Running { event_loop, .. } = &*self.state.lock() {
            event_loop.stop_listening(address_index);
        }
    }

    /// Sends a datagram from the server's UDP socket for the address with this index; if that is no
    /// UDP address, nothing happens.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use evio::{SendError, ServerHandle};
    ///
    /// /// Wakes a peer, whatever the loops are at; the second address is that of a UDP socket.
    /// fn wake(server: &ServerHandle, peer: SocketAddr) -> Result<(), SendError> {
    ///     server.send_datagram(1, "wake up", peer)
    /// }
    /// ```
    pub fn send_datagram(
        &self,
        address_index: u16,
        bytes: impl Into<Vec<u8>>,
        peer: SocketAddr,
    ) -> Result<(), SendError> {
        match &*self.state.lock() {
            State::Running { event_loop, .. } => {
                event_loop.send_datagram(address_index, bytes, peer)
            }
            State::Bound | State::Stopping => Err(SendError::NotStarted),
            State::Ended => Err(SendError::Stopped),
        }
    }

    /// Binds sockets for the next address and shares them out. Nobody is kept waiting meanwhile:
    /// a name can take long to resolve.
    fn add(
        &self,
        bind: impl FnOnce(u16) -> Result<Vec<Bound>, Error>,
    ) -> Result<Vec<BoundAddress>, Error> {
        let (event_loop, index) = self.next_address()?;
        let bound = bind(index)?;
        let local_addrs = bound.iter().map(Bound::local_addr).collect();
        let shares = bound.into_iter().map(|bound| bound.share(event_loop.loops()));
        // All of them are made before the first is given away: it is all or nothing.
        let shares = shares.collect::<Result<Vec<_>, _>>()?;
        for (loop_id, share) in shares.into_iter().flatten() {
            let event_loop = event_loop.of_loop(loop_id).expect("shares are for loops");
            share.send_to(&event_loop).map_err(|_| Error::NotRunning)?;
        }
        Ok(local_addrs)
    }

    /// Takes the index of an address that is about to be bound; it is used up even if that fails.
    fn next_address(&self) -> Result<(LoopHandle, u16), Error> {
        match &mut *self.state.lock() {
            State::Running { event_loop, addresses } => {
                let index = u16::try_from(*addresses).map_err(|_| Error::TooManyAddresses)?;
                *addresses += 1;
                Ok((event_loop.clone(), index))
            }
            State::Bound | State::Stopping | State::Ended => Err(Error::NotRunning),
        }
    }

    pub(crate) fn started(&self, event_loop: LoopHandle, addresses: usize) {
        let mut state = self.state.lock();
        if matches!(*state, State::Stopping) {
            event_loop.shutdown();
        }
        *state = State::Running { event_loop, addresses };
    }

    pub(crate) fn ended(&self) {
        *self.state.lock() = State::Ended;
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerHandle").finish_non_exhaustive()
    }
}

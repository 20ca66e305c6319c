//! Callbacks as closures.

mod dial_failed;
mod endings;
mod handler;
mod loop_timer;
mod message;
mod output;
mod ready;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use evio_core::{Action, CloseReason, Conn, ConnId, Detached, Loop, Serving, Udp, Watched};

use crate::address::Address;
use crate::error::Error;
use crate::server::Server;

/// A [`Handler`](crate::Handler) that is put together from closures; what is not set does what the
/// trait does.
///
/// The closures of one value run on one thread and may borrow from around them. Each sees the
/// connection and its context, which is `()` unless [`with_context`](Self::with_context) says
/// otherwise.
///
/// # Examples
///
/// ```no_run
/// use evio::{Action, Events};
///
/// Events::new()
///     .data(|conn, _, input| {
///         conn.write(input);
///         Action::None
///     })
///     .serve(["tcp://localhost:5000"])?;
/// # Ok::<(), evio::Error>(())
/// ```
///
/// With a context, which counts the requests of a client, and more of the callbacks:
///
/// ```no_run
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// use evio::{Action, Events};
///
/// Events::with_context(|_| 0)
///     .opened(|conn, _| {
///         conn.write(b"welcome, you have ten minutes\n");
///         conn.set_timer(Some(Duration::from_secs(600)));
///         Action::None
///     })
///     .data(|conn, requests, input| {
///         *requests += 1;
///         conn.write(input);
///         Action::None
///     })
///     .timer(|conn, _| {
///         conn.write(b"your time is up\n");
///         Action::Close
///     })
///     .closed(|conn, requests, reason| {
///         println!("{}: {requests} requests, {reason:?}", conn.id());
///         ControlFlow::Continue(())
///     })
///     .listener_failed(|_, address_index, error| {
///         eprintln!("nobody can connect to address {address_index}: {error}");
///         ControlFlow::Break(())
///     })
///     .tick(|event_loop| {
///         event_loop.for_each_conn(|mut conn| conn.write(b"another minute\n"));
///         ControlFlow::Continue(Duration::from_secs(60))
///     })
///     .serve(["tcp://localhost:5000"])?;
/// # Ok::<(), evio::Error>(())
/// ```
#[expect(clippy::type_complexity, reason = "each is the signature of its callback, said once")]
pub struct Events<'a, C = (), M = ()> {
    context: Box<dyn FnMut(&Conn<'_>) -> C + 'a>,
    serving: Option<Box<dyn FnMut(&mut Loop<'_>, &Serving) -> ControlFlow<()> + 'a>>,
    opened: Option<ConnCallback<'a, C>>,
    data: Option<Box<dyn FnMut(&mut Conn<'_>, &mut C, &[u8]) -> Action + 'a>>,
    woken: Option<ConnCallback<'a, C>>,
    drained: Option<ConnCallback<'a, C>>,
    timer: Option<ConnCallback<'a, C>>,
    peer_closed: Option<ConnCallback<'a, C>>,
    unanswered: Option<ConnCallback<'a, C>>,
    stopping: Option<ConnCallback<'a, C>>,
    closed: Option<Box<dyn FnMut(&mut Conn<'_>, C, CloseReason) -> ControlFlow<()> + 'a>>,
    detached: Option<Box<dyn FnMut(&mut Loop<'_>, ConnId, C, Detached) -> ControlFlow<()> + 'a>>,
    connect_failed: Option<ConnectFailedCallback<'a>>,
    dial_failed: Option<dial_failed::Callback<'a>>,
    message: Option<Box<dyn FnMut(&mut Loop<'_>, M) -> ControlFlow<()> + 'a>>,
    loop_timer: Option<loop_timer::Callback<'a>>,
    datagram: Option<DatagramCallback<'a>>,
    ready: Option<ReadyCallback<'a>>,
    listener_failed: Option<ListenerCallback<'a>>,
    pre_write: Option<Box<dyn FnMut(&mut Loop<'_>) -> io::Result<()> + 'a>>,
    tick: Option<Box<dyn FnMut(&mut Loop<'_>) -> ControlFlow<(), Duration> + 'a>>,
}

type ConnCallback<'a, C> = Box<dyn FnMut(&mut Conn<'_>, &mut C) -> Action + 'a>;
type ConnectFailedCallback<'a> = Box<dyn FnMut(&mut Conn<'_>, CloseReason) -> ControlFlow<()> + 'a>;
type DatagramCallback<'a> = Box<dyn FnMut(&mut Udp<'_>, SocketAddr, &[u8]) -> ControlFlow<()> + 'a>;

type ReadyCallback<'a> = Box<dyn FnMut(&mut Watched<'_>) -> ControlFlow<()> + 'a>;
type ListenerCallback<'a> = Box<dyn FnMut(&mut Loop<'_>, u16, &io::Error) -> ControlFlow<()> + 'a>;

impl Events<'_> {
    /// Creates events without any callback and without a context: input is ignored.
    #[must_use]
    pub fn new() -> Self {
        Self::with_context(|_| ())
    }
}

impl Default for Events<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl<'a, C> Events<'a, C> {
    /// Creates events without any callback, with a context that is made for each connection.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio::{Action, Events, InputStream};
    ///
    /// let events = Events::with_context(|_| InputStream::new()).data(|conn, stream, input| {
    ///     let Ok(mut lines) = stream.begin(input) else { return Action::Close };
    ///     loop {
    ///         match lines.take_line(512) {
    ///             Ok(Some(line)) => conn.write(line),
    ///             Ok(None) => return Action::None,
    ///             Err(_) => return Action::Close,
    ///         }
    ///     }
    /// });
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn with_context(context: impl FnMut(&Conn<'_>) -> C + 'a) -> Self {
        Self {
            context: Box::new(context),
            serving: None,
            opened: None,
            data: None,
            woken: None,
            drained: None,
            timer: None,
            peer_closed: None,
            unanswered: None,
            stopping: None,
            closed: None,
            detached: None,
            connect_failed: None,
            dial_failed: None,
            message: None,
            loop_timer: None,
            datagram: None,
            ready: None,
            listener_failed: None,
            pre_write: None,
            tick: None,
        }
    }
}

impl<'a, C, M> Events<'a, C, M> {
    /// Sets [`Handler::serving`](crate::Handler::serving).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use evio::{Events, Server};
    ///
    /// let events = Events::new().serving(|_, serving| {
    ///     assert_eq!((serving.local_addrs().len(), serving.loops()), (1, 1));
    ///     ControlFlow::Break(())
    /// });
    /// Server::bind(["tcp://127.0.0.1:0"])?.run(events)?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn serving(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, &Serving) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.serving = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::opened`](crate::Handler::opened).
    ///
    /// # Examples
    ///
    /// See [`Events`].
    #[must_use]
    pub fn opened(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.opened = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::data`](crate::Handler::data).
    #[must_use]
    pub fn data(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, &mut C, &[u8]) -> Action + 'a,
    ) -> Self {
        self.data = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::woken`](crate::Handler::woken).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Mutex;
    /// use std::thread;
    /// use std::time::Duration;
    /// use evio::{Action, Events};
    ///
    /// // A thread finds out something, and has each client told.
    /// static NEWS: Mutex<String> = Mutex::new(String::new());
    ///
    /// let events = Events::new()
    ///     .opened(|conn, _| {
    ///         let client = conn.handle();
    ///         thread::spawn(move || {
    ///             thread::sleep(Duration::from_secs(1));
    ///             NEWS.lock().expect("no thread panics with it").push_str("a second\n");
    ///             // A client that has gone is not woken.
    ///             let _ = client.wake();
    ///         });
    ///         Action::None
    ///     })
    ///     .woken(|conn, _| {
    ///         conn.write(NEWS.lock().expect("no thread panics with it").as_bytes());
    ///         Action::None
    ///     });
    /// # drop(events);
    /// ```
    #[must_use]
    pub fn woken(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.woken = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::timer`](crate::Handler::timer).
    ///
    /// # Examples
    ///
    /// See [`Events`].
    #[must_use]
    pub fn timer(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.timer = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::connect_failed`](crate::Handler::connect_failed).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::TcpListener;
    /// use std::ops::ControlFlow;
    /// use evio::{Events, Server};
    ///
    /// // Nobody listens there any more.
    /// let nobody = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr())?;
    /// let events = Events::new()
    ///     .serving(move |event_loop, _| match event_loop.connect(nobody, 0) {
    ///         Ok(_) => ControlFlow::Continue(()),
    ///         Err(_) => ControlFlow::Break(()),
    ///     })
    ///     .connect_failed(|conn, reason| {
    ///         println!("no connection to {:?}: {reason:?}", conn.peer_addr());
    ///         ControlFlow::Break(())
    ///     });
    /// Server::without_addresses().run(events)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn connect_failed(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, CloseReason) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.connect_failed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::datagram`](crate::Handler::datagram).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use std::ops::ControlFlow;
    /// use evio::Events;
    ///
    /// Events::new()
    ///     .datagram(|socket, peer, input| {
    ///         socket.send_to(input, peer);
    ///         ControlFlow::Continue(())
    ///     })
    ///     .serve(["udp://localhost:5000"])?;
    /// # Ok::<(), evio::Error>(())
    /// ```
    #[must_use]
    pub fn datagram(
        mut self,
        callback: impl FnMut(&mut Udp<'_>, SocketAddr, &[u8]) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.datagram = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::listener_failed`](crate::Handler::listener_failed).
    ///
    /// # Examples
    ///
    /// See [`Events`].
    #[must_use]
    pub fn listener_failed(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, u16, &io::Error) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.listener_failed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::tick`](crate::Handler::tick).
    ///
    /// # Examples
    ///
    /// See [`Events`].
    #[must_use]
    pub fn tick(
        mut self,
        callback: impl FnMut(&mut Loop<'_>) -> ControlFlow<(), Duration> + 'a,
    ) -> Self {
        self.tick = Some(Box::new(callback));
        self
    }

    /// Runs one loop that listens on `addresses`, until it shuts down; see
    /// [`serve`](crate::serve()).
    ///
    /// # Errors
    ///
    /// Fails when an address is wrong or cannot be bound, and when the loop itself fails.
    pub fn serve<A>(self, addresses: impl IntoIterator<Item = A>) -> Result<(), Error>
    where
        M: Send + 'static,
        A: TryInto<Address>,
        Error: From<A::Error>,
    {
        Server::bind(addresses)?.run(self)
    }
}

impl<C, M> fmt::Debug for Events<'_, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

//! Callbacks as closures.

mod dial_failed;
mod handler;
mod loop_timer;
mod message;
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
    #[must_use]
    pub fn serving(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, &Serving) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.serving = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::opened`](crate::Handler::opened).
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
    #[must_use]
    pub fn woken(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.woken = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::drained`](crate::Handler::drained).
    #[must_use]
    pub fn drained(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.drained = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::timer`](crate::Handler::timer).
    #[must_use]
    pub fn timer(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.timer = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::peer_closed`](crate::Handler::peer_closed).
    #[must_use]
    pub fn peer_closed(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a,
    ) -> Self {
        self.peer_closed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::unanswered`](crate::Handler::unanswered).
    #[must_use]
    pub fn unanswered(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a,
    ) -> Self {
        self.unanswered = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::stopping`](crate::Handler::stopping).
    #[must_use]
    pub fn stopping(mut self, callback: impl FnMut(&mut Conn<'_>, &mut C) -> Action + 'a) -> Self {
        self.stopping = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::closed`](crate::Handler::closed).
    #[must_use]
    pub fn closed(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, C, CloseReason) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.closed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::detached`](crate::Handler::detached).
    #[must_use]
    pub fn detached(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, ConnId, C, Detached) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.detached = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::connect_failed`](crate::Handler::connect_failed).
    #[must_use]
    pub fn connect_failed(
        mut self,
        callback: impl FnMut(&mut Conn<'_>, CloseReason) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.connect_failed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::datagram`](crate::Handler::datagram).
    #[must_use]
    pub fn datagram(
        mut self,
        callback: impl FnMut(&mut Udp<'_>, SocketAddr, &[u8]) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.datagram = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::listener_failed`](crate::Handler::listener_failed).
    #[must_use]
    pub fn listener_failed(
        mut self,
        callback: impl FnMut(&mut Loop<'_>, u16, &io::Error) -> ControlFlow<()> + 'a,
    ) -> Self {
        self.listener_failed = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::pre_write`](crate::Handler::pre_write).
    #[must_use]
    pub fn pre_write(mut self, callback: impl FnMut(&mut Loop<'_>) -> io::Result<()> + 'a) -> Self {
        self.pre_write = Some(Box::new(callback));
        self
    }

    /// Sets [`Handler::tick`](crate::Handler::tick).
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

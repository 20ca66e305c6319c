//! A server whose turns somebody else begins.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use evio_core::{EventLoop, Handler, LoopHandle, Progress, RunningLoop};

use crate::error::Error;
use crate::loops::Loops;
use crate::run::HandleGuard;
use crate::server::Server;

impl Server {
    /// Begins to run `handler` on one loop, on this thread, and leaves its turns to the caller: for
    /// a server that lives inside another loop, such as that of an async runtime. The callbacks
    /// [`serving`](Handler::serving) and [`tick`](Handler::tick) are made before it returns.
    ///
    /// # Errors
    ///
    /// Fails when the loop cannot be made.
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here.
    ///
    /// # Examples
    ///
    /// See [`RunningServer`].
    pub fn start<M, H>(self, handler: H) -> Result<RunningServer<H, M>, Error>
    where
        M: Send + 'static,
        H: Handler<M>,
    {
        let threads = self.threads;
        let (mut loops, guard) = self.into_loops(1)?;
        let event_loop = loops.pop().expect("a group of one has one loop");
        threads.prepare(0).map_err(Error::Loop)?;
        let running = event_loop.start(handler).map_err(Error::Loop)?;
        Ok(RunningServer { running, _guard: Arc::new(guard) })
    }

    /// Begins to run several loops, each with a handler that `make` makes from the loop's index,
    /// and leaves the turns of all of them to the caller, who may keep them on this thread or move
    /// each to one of its own. The callbacks [`serving`](Handler::serving) and
    /// [`tick`](Handler::tick) of loop 0 are made before it returns.
    ///
    /// Each loop needs its turns, since the others give it connections; none waits for another.
    /// They end together: when one is told to end, or is dropped before its end, the others learn
    /// of it by their descriptors, and come to their ends in their next turns. Dropped after a
    /// panic, too, a loop ends the others.
    ///
    /// [`pin_loops`](Self::pin_loops) and [`batch_loops`](Self::batch_loops) do nothing here: the
    /// threads are the caller's.
    ///
    /// # Errors
    ///
    /// Fails when a loop or a further socket for `reuseport` cannot be made. Loops that have begun
    /// by then end at once.
    ///
    /// # Panics
    ///
    /// A panic of a callback or of `make` goes on out of here.
    ///
    /// # Examples
    ///
    /// Two loops that take turns on one thread, as in a test:
    ///
    /// ```
    /// use std::time::Duration;
    /// use evio::{Action, Events, Progress, Server};
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let handle = server.handle();
    /// let mut loops = server.start_each(2, |_loop_id| {
    ///     Events::new().data(|conn, _, input| {
    ///         conn.write(input);
    ///         Action::None
    ///     })
    /// })?;
    /// handle.shutdown();
    /// let mut is_over = false;
    /// while !is_over {
    ///     is_over = true;
    ///     for event_loop in &mut loops {
    ///         is_over &= event_loop.turn(Some(Duration::from_millis(1)))? == Progress::Ended;
    ///     }
    /// }
    /// # Ok::<(), evio::Error>(())
    /// ```
    pub fn start_each<M, H>(
        self,
        loops: impl Into<Loops>,
        mut make: impl FnMut(usize) -> H,
    ) -> Result<Vec<RunningServer<H, M>>, Error>
    where
        M: Send + 'static,
        H: Handler<M>,
    {
        self.start_each_with(loops, |event_loop| make(event_loop.loop_id()))
    }

    /// As [`start_each`](Self::start_each), with the handle of the loop for `make`: for handlers
    /// that send [messages](crate::MessageSender) to each other.
    ///
    /// # Errors
    ///
    /// As [`start_each`](Self::start_each).
    ///
    /// # Panics
    ///
    /// A panic of a callback or of `make` goes on out of here.
    ///
    /// # Examples
    ///
    /// What one client says is told to those of both loops:
    ///
    /// ```
    /// use evio::{Action, Events, Progress, Server};
    ///
    /// let server = Server::bind(["tcp://127.0.0.1:0"])?;
    /// let mut loops = server.start_each_with(2, |event_loop| {
    ///     Events::new().data(move |_, (), input| match event_loop.broadcast(input) {
    ///         Ok(()) => Action::None,
    ///         Err(_) => Action::Close,
    ///     })
    /// })?;
    /// // One that is dropped ends the other.
    /// loops.pop();
    /// while loops[0].turn(None)? != Progress::Ended {}
    /// # Ok::<(), evio::Error>(())
    /// ```
    pub fn start_each_with<M, H>(
        self,
        loops: impl Into<Loops>,
        mut make: impl FnMut(LoopHandle) -> H,
    ) -> Result<Vec<RunningServer<H, M>>, Error>
    where
        M: Send + 'static,
        H: Handler<M>,
    {
        let (loops, guard) = self.into_loops(loops.into().count())?;
        let guard = Arc::new(guard);
        // The first loop lets the others begin, so none of them waits for it here.
        let start = |event_loop: EventLoop| {
            let handler = make(event_loop.handle());
            let running = event_loop.start(handler).map_err(Error::Loop)?;
            Ok(RunningServer { running, _guard: Arc::clone(&guard) })
        };
        loops.into_iter().map(start).collect()
    }
}

/// A server, or one loop of it, that has begun and makes a turn when it is told to, so that it can
/// live inside another loop: one of evio, of an async runtime, of a window system. Made by
/// [`Server::start`] and [`Server::start_each`].
///
/// The host waits until the descriptor ([`AsFd`]) is readable, at most for
/// [`timeout`](Self::timeout), and then calls [`turn`](Self::turn) with a timeout of zero. What
/// other threads ask of the server makes the descriptor readable like everything else.
///
/// A host that is told of the descriptor once for each change (`EPOLLET`, tokio's `AsyncFd`) calls
/// `turn` until it is [`Idle`](Progress::Idle) before it waits: what the last turn left to the next
/// is no change. The example `inside-tokio` is such a host.
///
/// Dropped before its end, the server ends; the loop's connections are aborted, and their last
/// callbacks made.
///
/// # Examples
///
/// A server inside a loop that has other work, too:
///
/// ```
/// use std::io::{Read, Write};
/// use std::net::TcpStream;
/// use std::time::Duration;
/// use evio::{Action, Events, Progress, Server};
///
/// let server = Server::bind(["tcp://127.0.0.1:0"])?;
/// let address = server.local_addrs()[0].addr().as_inet().expect("a TCP address");
/// let mut server = server.start(Events::new().data(|conn, _, input| {
///     conn.write(input);
///     Action::Shutdown
/// }))?;
/// let client = std::thread::spawn(move || {
///     let mut client = TcpStream::connect(address)?;
///     client.write_all(b"hello")?;
///     let mut reply = String::new();
///     client.read_to_string(&mut reply)?;
///     std::io::Result::Ok(reply)
/// });
/// while server.turn(Some(Duration::from_millis(10)))? != Progress::Ended {
///     // Here is the other work.
/// }
/// assert_eq!(client.join().unwrap().unwrap(), "hello");
/// # Ok::<(), evio::Error>(())
/// ```
pub struct RunningServer<H: Handler<M>, M: 'static = ()> {
    running: RunningLoop<H, M>,
    /// Behind the loop, to be dropped after it; the last loop of the server drops it.
    _guard: Arc<HandleGuard>,
}

impl<M: 'static, H: Handler<M>> RunningServer<H, M> {
    /// Makes one turn: waits until something is ready, at most for `timeout` and for
    /// [`timeout`](Self::timeout), and handles it. `None` waits for the latter alone.
    ///
    /// # Errors
    ///
    /// Fails when the poller does, which ends the server.
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here. The loop is over then, and the others of its
    /// server are when it is dropped.
    pub fn turn(&mut self, timeout: Option<Duration>) -> Result<Progress, Error> {
        self.running.turn(timeout).map_err(Error::Loop)
    }

    /// Returns how long the host may wait before it calls [`turn`](Self::turn) even though the
    /// descriptor is not readable; `None` is for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::fd::{AsFd, BorrowedFd};
    /// use std::time::Duration;
    /// use evio::{Error, Handler, Progress, RunningServer};
    ///
    /// /// Runs a server in a host that waits for a descriptor, or until a time has passed.
    /// fn run<H: Handler>(
    ///     mut server: RunningServer<H>,
    ///     wait: impl Fn(BorrowedFd<'_>, Option<Duration>),
    /// ) -> Result<(), Error> {
    ///     loop {
    ///         match server.turn(Some(Duration::ZERO))? {
    ///             Progress::Worked => {}
    ///             Progress::Idle => wait(server.as_fd(), server.timeout()),
    ///             Progress::Ended => return Ok(()),
    ///         }
    ///     }
    /// }
    /// ```
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.running.timeout()
    }
}

/// The descriptor is readable when [`turn`](RunningServer::turn) has something to do.
impl<M: 'static, H: Handler<M>> AsFd for RunningServer<H, M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.running.as_fd()
    }
}

/// As `AsFd`, for hosts that ask for this.
impl<M: 'static, H: Handler<M>> AsRawFd for RunningServer<H, M> {
    fn as_raw_fd(&self) -> RawFd {
        self.running.as_raw_fd()
    }
}

impl<M: 'static, H: Handler<M>> fmt::Debug for RunningServer<H, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningServer").finish_non_exhaustive()
    }
}

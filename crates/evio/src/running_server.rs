//! A server whose turns somebody else begins.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use evio_core::{Handler, Progress, RunningLoop};

use crate::error::Error;
use crate::run::HandleGuard;

/// A server of one loop that has begun and makes a turn when it is told to, so that it can live
/// inside another loop: one of evio, of an async runtime, of a window system. Made by
/// [`Server::start`](crate::Server::start).
///
/// The host waits until the descriptor ([`AsFd`]) is readable, at most for
/// [`timeout`](Self::timeout), and then calls [`turn`](Self::turn) with a timeout of zero. What
/// other threads ask of the server makes the descriptor readable like everything else.
///
/// A host that is told of the descriptor once for each change (`EPOLLET`, tokio's `AsyncFd`) calls
/// `turn` until it is [`Idle`](Progress::Idle) before it waits: what the last turn left to the next
/// is no change. The example `inside-tokio` is such a host.
///
/// Dropped before its end, the server ends; its connections are aborted, and their last callbacks
/// made.
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
    /// Behind the loop, to be dropped after it.
    _guard: HandleGuard,
}

impl<M: 'static, H: Handler<M>> RunningServer<H, M> {
    pub(crate) fn new(running: RunningLoop<H, M>, guard: HandleGuard) -> Self {
        Self { running, _guard: guard }
    }

    /// Makes one turn: waits until something is ready, at most for `timeout` and for
    /// [`timeout`](Self::timeout), and handles it. `None` waits for the latter alone.
    ///
    /// # Errors
    ///
    /// Fails when the poller does, which ends the server.
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here. The server is over then.
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

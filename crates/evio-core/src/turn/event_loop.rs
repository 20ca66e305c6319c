//! The loop, from its sockets to its end.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evio_sys::Poller;
use evio_sys::net::{Listener, Stream, UdpSocket};

use crate::accept::acceptor::Acceptor;
use crate::accept::connection_limits::ConnectionLimits;
use crate::accept::listener::{BoundListener, Sharing};
use crate::accept::placement::Placement;
use crate::api::config::Config;
use crate::api::group::Group;
use crate::api::handler::Handler;
use crate::api::loop_handle::LoopHandle;
use crate::api::loop_state::LoopState;
use crate::api::message::ShutdownMode;
use crate::api::serving::Serving;
use crate::datagram::bound_udp::BoundUdp;
use crate::datagram::datagrams::Datagrams;
use crate::dial::dials::Dials;
use crate::mail::inbox::Bounds;
use crate::mail::mailbox::Mailbox;
use crate::output::outgoing::Outgoing;
use crate::table::conns::Table;
use crate::timer::loop_timers::LoopTimers;
use crate::turn::end_group::EndGroup;
use crate::turn::parts::Parts;
use crate::turn::runner::Runner;
use crate::turn::running_loop::RunningLoop;
use crate::turn::shutdown::Shutdown;
use crate::watch::watches::Watches;

/// A loop with its sockets, ready to run a [`Handler`].
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use evio_core::{Action, CloseReason, Config, Conn, EventLoop, Handler};
/// use evio_core::net::{ListenOptions, Listener};
///
/// struct Upper;
///
/// impl Handler for Upper {
///     type Context = ();
///     fn context(&mut self, _: &Conn<'_>) {}
///     fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
///         conn.write(&input.to_ascii_uppercase());
///         Action::Shutdown
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default())?;
/// let address = listener.local_addr()?.as_inet().expect("a TCP listener has an inet address");
/// let mut event_loop = EventLoop::new(Config::default())?;
/// event_loop.listen(0, listener)?;
///
/// let client = std::thread::spawn(move || {
///     let mut client = std::net::TcpStream::connect(address)?;
///     client.write_all(b"hello")?;
///     let mut reply = String::new();
///     client.read_to_string(&mut reply)?;
///     std::io::Result::Ok(reply)
/// });
/// event_loop.run(Upper)?;
/// assert_eq!(client.join().unwrap()?, "HELLO");
/// # Ok(())
/// # }
/// ```
pub struct EventLoop {
    parts: Parts,
    end: EndGroup,
}

impl EventLoop {
    /// Creates a single loop.
    ///
    /// # Errors
    ///
    /// Fails when the process or the system is out of file descriptors or memory.
    pub fn new(config: Config) -> io::Result<Self> {
        let mut group = Self::group(1, config)?;
        Ok(group.pop().expect("a group of one has one loop"))
    }

    /// Creates `count` loops that hand connections to each other; zero is taken as one. Each is to
    /// be run on a thread of its own, or [started](Self::start), the first one first. The group
    /// ends together: when one of them fails, panics or is dropped without having run, the others
    /// shut down.
    ///
    /// # Errors
    ///
    /// Fails when the process or the system is out of file descriptors or memory, and when there
    /// are more than 65,535 loops.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::thread;
    /// use evio_core::{Config, EventLoop, Handler};
    /// use evio_core::net::Listener;
    ///
    /// /// Runs as many loops as there are handlers, all of which accept from one listener.
    /// fn run<H: Handler + Send>(listener: Listener, handlers: Vec<H>) -> std::io::Result<()> {
    ///     let listener = Arc::new(listener);
    ///     let mut loops = EventLoop::group(handlers.len(), Config::default())?;
    ///     for event_loop in &mut loops {
    ///         event_loop.listen(0, Arc::clone(&listener))?;
    ///     }
    ///     thread::scope(|scope| {
    ///         let pairs = loops.into_iter().zip(handlers);
    ///         let run = |(one, handler)| scope.spawn(|| EventLoop::run(one, handler));
    ///         let threads: Vec<_> = pairs.map(run).collect();
    ///         threads.into_iter().try_for_each(|thread| thread.join().expect("no panic"))
    ///     })
    /// }
    /// ```
    pub fn group(count: usize, config: Config) -> io::Result<Vec<Self>> {
        let count = u16::try_from(count.max(1))
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "more than 65,535 loops"))?;
        let part = |_| {
            let poller = Poller::new()?;
            let bounds = Bounds { messages: config.mailbox_capacity, bytes: config.mailbox_bytes };
            let mailbox = Mailbox::new(&poller, bounds)?;
            io::Result::Ok((poller, mailbox))
        };
        let parts = (0..count).map(part).collect::<io::Result<Vec<_>>>()?;
        let mailboxes = parts.iter().map(|(_, mailbox)| Arc::clone(mailbox.sender())).collect();
        let loops = usize::from(count);
        let limits =
            ConnectionLimits::new(config.max_connections, &config.address_max_connections, loops);
        let placement = Placement::new(config.policy(), limits, loops);
        let group = Group::new(mailboxes, placement);
        let event_loop = |(loop_id, (poller, mailbox))| {
            let end = EndGroup { group: Arc::clone(&group), armed: true };
            let group = Arc::clone(&group);
            let table =
                Table::new(config.limits, config.address_limits.clone(), evio_sys::clock::now());
            let (outgoing, datagrams) = (Outgoing::default(), Datagrams::default());
            let timers = LoopTimers::new(loop_id, config.max_timers);
            let watches = Watches::new(config.max_watches);
            let dials = Dials::new(loop_id, config.max_dials);
            let state = LoopState {
                table,
                outgoing,
                datagrams,
                loop_id,
                group,
                poller,
                watches,
                timers,
                dials,
                refuses_new: false,
            };
            let parts = Parts {
                state,
                mailbox,
                acceptor: Acceptor::new(usize::from(loop_id)),
                shutdown: Shutdown::new(config.shutdown_timeout),
                panic_policy: config.panic_policy,
            };
            Self { parts, end }
        };
        Ok((0..count).zip(parts).map(event_loop).collect())
    }

    /// Accepts connections from `listener`, and gives them to the loops of the group as
    /// [`Config::load_balance`] says.
    ///
    /// Several loops can listen on the same socket, shared as an [`Arc`]: then one that is held up
    /// by a callback keeps no connection of the others waiting. `address_index` is what
    /// [`Conn::address_index`](crate::Conn::address_index) will say.
    ///
    /// # Errors
    ///
    /// Fails when the listener cannot be polled.
    ///
    /// # Platform notes
    ///
    /// Linux wakes one of the loops for a connection (`EPOLLEXCLUSIVE`); kqueue wakes all that
    /// wait.
    pub fn listen(
        &mut self,
        address_index: u16,
        listener: impl Into<Arc<Listener>>,
    ) -> io::Result<()> {
        self.add_listener(address_index, listener.into(), Sharing::AllLoops)
    }

    /// Accepts connections from `listener` and keeps them in this loop: for one listener per loop,
    /// bound with `SO_REUSEPORT`, where the kernel does the spreading. A connection that the kernel
    /// has given to a loop waits for that loop.
    ///
    /// # Errors
    ///
    /// Fails when the listener cannot be polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use evio_core::{Config, EventLoop};
    /// use evio_core::net::{ListenOptions, Listener, UdpSocket};
    ///
    /// /// Makes loops that each have a listener and a UDP socket of their own for the same port.
    /// fn loops(count: usize, address: SocketAddr) -> std::io::Result<Vec<EventLoop>> {
    ///     let options = ListenOptions::default().reuse_port(true);
    ///     let mut loops = EventLoop::group(count, Config::default())?;
    ///     for event_loop in &mut loops {
    ///         event_loop.listen_here(0, Listener::tcp(address, &options)?)?;
    ///         event_loop.bind(1, UdpSocket::bind(address, &options)?)?;
    ///     }
    ///     Ok(loops)
    /// }
    /// ```
    pub fn listen_here(
        &mut self,
        address_index: u16,
        listener: impl Into<Arc<Listener>>,
    ) -> io::Result<()> {
        self.add_listener(address_index, listener.into(), Sharing::LocalOnly)
    }

    fn add_listener(
        &mut self,
        address_index: u16,
        listener: Arc<Listener>,
        sharing: Sharing,
    ) -> io::Result<()> {
        let Parts { state, acceptor, .. } = &mut self.parts;
        state.group.add_local_addr(address_index, listener.local_addr()?);
        let bound = BoundListener::new(address_index, listener, sharing);
        acceptor.add(bound, &state.group.placement, &state.poller)
    }

    /// Receives datagrams from `socket`.
    ///
    /// # Errors
    ///
    /// Fails when the socket cannot be polled.
    ///
    /// # Examples
    ///
    /// See [`listen_here`](Self::listen_here).
    pub fn bind(&mut self, address_index: u16, socket: UdpSocket) -> io::Result<()> {
        let state = &mut self.parts.state;
        state.group.add_local_addr(address_index, socket.local_addr()?.into());
        state.datagrams.add(BoundUdp::new(address_index, socket), &state.poller)
    }

    /// Ends the server as soon as `stop` has something to read or its other end is closed: as
    /// [`LoopHandle::shutdown_gracefully`] does with the timeout `grace`, or as
    /// [`LoopHandle::shutdown`] does without one. There may be several. A loop that has ended hears
    /// of none any more, so each loop of a group is given a clone.
    ///
    /// # Errors
    ///
    /// Fails when the poller does not take it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::os::unix::net::UnixStream;
    /// use evio_core::{Action, Config, Conn, EventLoop, Handler};
    ///
    /// struct Nothing;
    ///
    /// impl Handler for Nothing {
    ///     type Context = ();
    ///     fn context(&mut self, _: &Conn<'_>) {}
    ///     fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
    ///         Action::None
    ///     }
    /// }
    ///
    /// let (stop, other_end) = UnixStream::pair()?;
    /// let mut event_loop = EventLoop::new(Config::default())?;
    /// event_loop.shutdown_on(stop.into(), None)?;
    /// drop(other_end);
    /// event_loop.run(Nothing)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown_on(&mut self, stop: Stream, grace: Option<Duration>) -> io::Result<()> {
        let mode = grace.map_or(ShutdownMode::Immediate, ShutdownMode::Graceful);
        self.parts.shutdown.add_stop(stop, mode, &self.parts.state.poller)
    }

    /// Returns a handle for this loop and its group that any thread can use.
    ///
    /// # Examples
    ///
    /// ```
    /// use evio_core::{Config, EventLoop};
    ///
    /// let event_loop = EventLoop::new(Config::default())?;
    /// // The task waits for the loop to run.
    /// event_loop.handle().post(|here| println!("loop {} runs", here.loop_id()))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.parts.state.group), self.parts.state.loop_id)
    }

    /// Runs the loop on this thread until the group shuts down. Every connection has had its last
    /// callback when it returns.
    ///
    /// Loops other than the first wait until [`Handler::serving`] and the first [`Handler::tick`]
    /// have run on that one.
    ///
    /// # Errors
    ///
    /// Fails when the poller does, which ends the other loops too, and when the handler takes
    /// messages of another type than other handlers of the group or a
    /// [`MessageSender`](crate::MessageSender). What goes wrong with a single connection is told to
    /// [`Handler::closed`] and never ends a loop.
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here, and ends the other loops.
    pub fn run<M, H>(self, handler: H) -> io::Result<()>
    where
        M: Send + 'static,
        H: Handler<M>,
    {
        self.start(handler)?.run()
    }

    /// Begins to run the loop, which makes its first callbacks, and leaves the turns to the caller:
    /// for a loop that lives inside another one, on this thread.
    ///
    /// Loops other than the first wait here until the first one has begun; where several live on
    /// one thread, that one must be first.
    ///
    /// # Errors
    ///
    /// Fails when the handler takes messages of another type than other handlers of the group or a
    /// [`MessageSender`](crate::MessageSender).
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here, and ends the other loops.
    ///
    /// # Examples
    ///
    /// See [`RunningLoop`].
    pub fn start<M, H>(self, handler: H) -> io::Result<RunningLoop<H, M>>
    where
        M: Send + 'static,
        H: Handler<M>,
    {
        let group = Arc::clone(&self.end.group);
        let message_type = group.message_type.expect::<M>();
        message_type.map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let is_first = self.parts.state.loop_id == 0;
        let serving =
            is_first.then(|| Serving { local_addrs: group.local_addrs(), loops: group.loops() });
        let Self { parts, end } = self;
        // Dropped by a panic, the runner goes before the end of the group, as it does later.
        let mut running = RunningLoop::new(Runner::new(parts, handler), end);
        match serving {
            Some(serving) => {
                running.runner.start(&serving);
                group.open_gate();
            }
            None => group.wait_at_gate(),
        }
        running.begin();
        Ok(running)
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("loop_id", &self.parts.state.loop_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl EventLoop {
        /// Returns the loop, for a test that runs it turn by turn.
        pub(in crate::turn) fn into_runner<H: Handler>(mut self, handler: H) -> Runner<(), H> {
            self.end.armed = false;
            Runner::new(self.parts, handler)
        }
    }
}

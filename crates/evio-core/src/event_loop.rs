//! The loop, from its sockets to its end.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use evio_sys::Poller;
use evio_sys::net::{Listener, SocketAddr, Stream, UdpSocket};

use crate::acceptor::BoundListener;
use crate::config::Config;
use crate::group::Group;
use crate::handler::Handler;
use crate::loop_handle::LoopHandle;
use crate::loop_state::LoopState;
use crate::mailbox::{Mailbox, Manner};
use crate::turn::Running;
use crate::udp::BoundUdp;

/// A loop with its sockets, ready to run a [`Handler`].
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use evio_core::{Action, CloseReason, Config, Conn, EventLoop, Handler};
/// use evio_sys::net::{ListenOptions, Listener};
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
    pub(crate) state: LoopState,
    end: EndGroup,
}

/// What a server tells its handler before it begins.
#[derive(Clone, Debug)]
pub struct Serving {
    local_addrs: Vec<(usize, SocketAddr)>,
    loops: usize,
}

impl Serving {
    /// Returns the bound addresses, each with the index of the address it was bound for: a host
    /// name can stand for several.
    #[must_use]
    pub fn local_addrs(&self) -> &[(usize, SocketAddr)] {
        &self.local_addrs
    }

    /// Returns how many loops the server runs.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.loops
    }
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
    /// be run on a thread of its own, and the group ends together: when one of them fails, panics
    /// or is dropped without having run, the others shut down.
    ///
    /// # Errors
    ///
    /// Fails when the process or the system is out of file descriptors or memory, and when there
    /// are more than 65,535 loops.
    pub fn group(count: usize, config: Config) -> io::Result<Vec<Self>> {
        let count = u16::try_from(count.max(1))
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "more than 65,535 loops"))?;
        let part = |_| {
            let poller = Poller::new()?;
            let mailbox = Mailbox::new(&poller, config.mailbox_capacity)?;
            io::Result::Ok((poller, mailbox))
        };
        let parts = (0..count).map(part).collect::<io::Result<Vec<_>>>()?;
        let group = Group::new(parts.iter().map(|(_, mailbox)| mailbox), &config);
        let event_loop = |(loop_id, (poller, mailbox))| {
            let end = EndGroup { group: Arc::clone(&group), armed: true };
            let group = Arc::clone(&group);
            Self { state: LoopState::new(loop_id, config.clone(), group, poller, mailbox), end }
        };
        Ok((0..count).zip(parts).map(event_loop).collect())
    }

    /// Accepts connections from `listener`, and gives them to the loops of the group as
    /// [`Config::load_balance`] says.
    ///
    /// `address_index` is what [`Conn::address_index`](crate::Conn::address_index) will say.
    ///
    /// # Errors
    ///
    /// Fails when the listener cannot be polled.
    pub fn listen(&mut self, address_index: u16, listener: Listener) -> io::Result<()> {
        self.add_listener(address_index, listener, false)
    }

    /// Accepts connections from `listener` and keeps them in this loop: for one listener per loop,
    /// bound with `SO_REUSEPORT`, where the kernel does the spreading.
    ///
    /// # Errors
    ///
    /// Fails when the listener cannot be polled.
    pub fn listen_here(&mut self, address_index: u16, listener: Listener) -> io::Result<()> {
        self.add_listener(address_index, listener, true)
    }

    fn add_listener(
        &mut self,
        address_index: u16,
        listener: Listener,
        stays_here: bool,
    ) -> io::Result<()> {
        self.state.group.add_local_addr(address_index, listener.local_addr()?);
        self.state.add_listener(BoundListener::new(address_index, listener, stays_here))
    }

    /// Receives datagrams from `socket`.
    ///
    /// # Errors
    ///
    /// Fails when the socket cannot be polled.
    pub fn bind(&mut self, address_index: u16, socket: UdpSocket) -> io::Result<()> {
        self.state.group.add_local_addr(address_index, socket.local_addr()?.into());
        self.state.add_socket(BoundUdp::new(address_index, socket))
    }

    /// Ends the server as soon as `stop` has something to read or its other end is closed: as
    /// [`LoopHandle::shutdown_gracefully`] does with the timeout `grace`, or as
    /// [`LoopHandle::shutdown`] does without one.
    ///
    /// # Errors
    ///
    /// Fails when the poller does not take it.
    pub fn shutdown_on(&mut self, stop: Stream, grace: Option<Duration>) -> io::Result<()> {
        let manner = grace.map_or(Manner::Prompt, Manner::Graceful);
        self.state.shutdown_on(stop, manner)
    }

    /// Returns a handle for this loop and its group that any thread can use.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.state.group), self.state.loop_id)
    }

    /// Runs the loop on this thread until the group shuts down. Every connection has had its last
    /// callback when it returns.
    ///
    /// Loops other than the first wait until [`Handler::serving`] and the first [`Handler::tick`]
    /// have run on that one.
    ///
    /// # Errors
    ///
    /// Fails when the poller does, which ends the other loops too. What goes wrong with a single
    /// connection is told to [`Handler::closed`] and never ends a loop.
    ///
    /// # Panics
    ///
    /// A panic of a callback goes on out of here, and ends the other loops.
    pub fn run<H: Handler>(self, handler: H) -> io::Result<()> {
        let group = Arc::clone(&self.end.group);
        let is_first = self.state.loop_id == 0;
        let serving =
            is_first.then(|| Serving { local_addrs: group.local_addrs(), loops: group.loops() });
        let Self { state, mut end } = self;
        let mut running = Running::new(state, handler);
        match serving {
            Some(serving) => {
                running.start(&serving);
                group.open_gate();
            }
            None => group.wait_at_gate(),
        }
        running.run()?;
        // Every loop has been told already, and may have connections that are still finishing.
        end.armed = false;
        Ok(())
    }
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop").field("loop_id", &self.state.loop_id).finish_non_exhaustive()
    }
}

/// Ends the group when one of its loops ends, be it by an error or a panic: a server with a dead
/// loop would go on giving it connections.
struct EndGroup {
    group: Arc<Group>,
    /// Whether the loop has not come to its end in good order.
    armed: bool,
}

impl Drop for EndGroup {
    fn drop(&mut self) {
        if self.armed {
            self.group.shutdown(Manner::Prompt);
        }
    }
}

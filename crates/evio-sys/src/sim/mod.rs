//! A kernel in memory: sockets, readiness and the clock, under the unchanged types of this crate.
//!
//! With the feature `sim`, a thread that has [entered](Kernel::enter) a [`Kernel`] makes simulated
//! sockets, pollers and wakers, and reads a clock that moves only when a poll waits or the kernel
//! is told to. Every other thread goes on with the operating system.
//!
//! What is drawn at random comes from the seed alone, so that a run can be repeated.
//!
//! # What is simulated
//!
//! TCP between sockets of one kernel: listening with a backlog, alone or with others at an address,
//! connecting (in progress, refused, timed out), bytes through buffers of a limited size, a window
//! that stays closed for longer than `TCP_USER_TIMEOUT`, FIN, RST, `SO_ERROR`, the events of epoll,
//! a limit of descriptors, wakers.
//!
//! Unix stream sockets, which nothing is on its way between: who listens is found in a table of
//! paths, in which each byte counts. There are no files and no directories; a path that is left
//! behind, when a listener is given up for its descriptor, refuses clients until somebody listens
//! there again.
//!
//! UDP: each address is one of the program's machine, but for those of the hosts of peers;
//! wildcards with the address that was asked, which on the host of a peer take what is sent to that
//! host, shared ports, receive buffers that overflow, datagrams that are lost, doubled or overtaken
//! by chance. The loopback addresses are those of the program's machine, for peers too.
//!
//! Names of hosts, which are looked up in a table; that takes a time, and fails by chance.
//!
//! Abstract names are [`Unsupported`](std::io::ErrorKind::Unsupported), and no group can be joined;
//! options such as keep-alive are taken and have no effect; a descriptor of the program's own
//! cannot be registered. [`Read`](std::io::Read) and [`Write`](std::io::Write) of a stream that is
//! in blocking mode are `Unsupported` where they would wait.
//!
//! # What differs from Linux
//!
//! The same calls, drawn at random, are made of both kernels by a test of `evio-sim`. What it does
//! not compare, since it is known to differ:
//!
//! - When the FIN of TCP is acknowledged, and with it the events of an end that has sent one and is
//!   told of changes only: Linux decides by an estimate of the traffic.
//! - How much fits into the buffers of TCP and of UDP, how much of it has to be read until there is
//!   room, and when data of TCP is acknowledged, which is what
//!   [`output_len`](crate::net::Stream::output_len) tells of. Of Unix sockets it is as on x86-64.
//! - What is still counted as output of a TCP connection that was reset.
//! - Every address is one of the machine, and datagrams between two of them take their time.
//! - Which of the UDP sockets that share an address is given the datagrams of a peer.
//! - The order of events.
//!
//! [`as_fd`](std::os::fd::AsFd) of something simulated is a descriptor of `/dev/null` of its own:
//! it tells one from the other, and nothing can be read from it.
//!
//! # Examples
//!
//! ```
//! use evio_sys::net::{ListenOptions, Listener, Stream};
//! use evio_sys::sim::{Kernel, Options};
//!
//! let kernel = Kernel::new(1, Options::default())?;
//! let _entered = kernel.enter();
//! let address = "10.0.0.1:80".parse().unwrap();
//! let listener = Listener::tcp(address, &ListenOptions::default())?;
//! let (client, is_connected) = Stream::connect(&address.into())?;
//! assert!(!is_connected);
//! while let Some(next) = kernel.next_event() {
//!     kernel.advance_to(next);
//! }
//! assert!(client.finish_connect()?);
//! assert!(listener.accept().is_ok());
//! # Ok::<(), std::io::Error>(())
//! ```

mod asking;
mod connecting;
mod datagrams;
mod description;
mod endings;
mod endpoint;
mod handle;
mod hosts;
mod kqueue;
mod listeners;
mod log;
mod lookup;
mod name;
mod network;
mod options;
mod oracle;
mod polling;
mod random;
mod record;
mod state;
mod stream;
pub(crate) mod switch;
mod transfer;
mod udp;
mod udp_socket;
mod unix;
mod window;
mod wire;

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub use datagrams::StrayDatagram;
pub use options::{Counts, Faults, Interface, Options};
pub use record::{ConnectionId, Direction, Mismatch};

pub(crate) use handle::{Handle, SimListener};
pub(crate) use lookup::{look_up, look_up_later};
pub(crate) use name::Name;
pub(crate) use state::State;
pub(crate) use stream::SimStream;
pub(crate) use udp_socket::SimUdp;

/// What the time of day is when a simulation begins: the same each time, and a whole second.
const START: Duration = Duration::from_secs(1_000_000_000);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// A simulated kernel; a clone is the same one.
#[derive(Clone, Debug)]
pub struct Kernel(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    /// What the virtual time counts from.
    base: Instant,
    /// `/dev/null`, of which everything simulated has a copy.
    null: File,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic of a test leaves a state that the ends of its sockets can still go through.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel {
    /// Makes a kernel with nothing in it, whose random numbers come from `seed`.
    ///
    /// # Errors
    ///
    /// Fails when `/dev/null` cannot be opened.
    pub fn new(seed: u64, options: Options) -> io::Result<Self> {
        let state = Mutex::new(State::new(seed, options));
        Ok(Self(Arc::new(Shared { base: Instant::now(), null: File::open("/dev/null")?, state })))
    }

    /// Makes the calling thread use this kernel until the guard is dropped.
    ///
    /// # Panics
    ///
    /// Panics when the thread uses one already.
    #[must_use]
    pub fn enter(&self) -> Entered {
        CURRENT.with_borrow_mut(|current| {
            assert!(current.is_none(), "this thread has entered a simulated kernel already");
            *current = Some(Arc::clone(&self.0));
        });
        Entered(())
    }

    /// Makes sockets from here on for a peer of the program (`true`) or for the program under test:
    /// a peer has no limit of descriptors, and its calls neither fail by chance nor take time.
    pub fn act_as_peer(&self, is_peer: bool) {
        self.0.lock().act_as_peer(is_peer);
    }

    /// Returns as which interface pollers behave.
    #[must_use]
    pub fn interface(&self) -> Interface {
        self.0.lock().options.interface
    }

    /// Returns the virtual time since the kernel was made.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.lock().now
    }

    /// Returns when the next segment arrives or timer runs down, if any is under way.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        let state = self.0.lock();
        if state.answers.is_empty() { state.next_arrival() } else { Some(state.now) }
    }

    /// Returns the same of segments, and of what the ends of connections do by themselves: without
    /// the timers of [`on_time`](Self::on_time).
    #[must_use]
    pub fn next_packet(&self) -> Option<Duration> {
        self.0.lock().next_packet()
    }

    /// Moves the clock on, and delivers what arrives until then. It never goes back.
    pub fn advance_to(&self, now: Duration) {
        let mut state = self.0.lock();
        state.now = state.now.max(now);
        state.settle();
        drop(state);
        self.0.answer();
    }

    /// Returns whether a poll of the poller with this descriptor would report something.
    #[must_use]
    pub fn is_ready(&self, poller: &impl AsFd) -> bool {
        self.0.answer();
        let mut state = self.0.lock();
        state.settle();
        let id = state.id_of(poller.as_fd().as_raw_fd());
        id.is_some_and(|id| state.has_ready(id))
    }

    /// Tells that the thread of the poller with this descriptor sleeps in a poll until something
    /// wakes it: of those that wait exclusively, one that sleeps is woken
    /// ([`Interest::exclusive`](crate::Interest::exclusive)).
    pub fn fall_asleep(&self, poller: &impl AsFd) {
        let mut state = self.0.lock();
        if let Some(id) = state.id_of(poller.as_fd().as_raw_fd()) {
            state.set_asleep(id, true);
        }
    }

    /// Wakes `waker` once, when something happens to the socket with this descriptor.
    pub fn on_change(&self, socket: &impl AsFd, waker: Waker) {
        let mut state = self.0.lock();
        if let Some(id) = state.id_of(socket.as_fd().as_raw_fd()) {
            state.add_waker(id, waker);
        }
    }

    /// Wakes `waker` at `time`.
    pub fn on_time(&self, time: Duration, waker: Waker) {
        self.0.lock().schedule_timer(time, waker);
    }

    /// Draws a number below `bound`; zero if that is zero.
    #[must_use]
    pub fn random_below(&self, bound: usize) -> usize {
        self.0.lock().random.below(bound)
    }

    /// Draws as many bytes as there is room for.
    pub fn fill_random(&self, buffer: &mut [u8]) {
        let mut state = self.0.lock();
        for chunk in buffer.chunks_mut(8) {
            chunk.copy_from_slice(&state.random.next().to_le_bytes()[..chunk.len()]);
        }
    }

    /// Lets packets from and to this host get lost (`true`), or arrive again; the IPv6 address of a
    /// host goes with its own. What was lost is sent again, after 200 ms, twice as long and so on;
    /// connecting times out after 127 s, and an end
    /// whose output is not acknowledged gives up after its `TCP_USER_TIMEOUT`, or 924 s.
    pub fn set_cut_off(&self, host: IpAddr, is_cut_off: bool) {
        self.0.lock().set_cut_off(host, is_cut_off);
    }

    /// Sets on which host a peer makes its sockets from here on; 10.1.0.1 at first. Its address of
    /// IPv6 is made from it: `fd00::a01:1`.
    pub fn set_peer_host(&self, host: Ipv4Addr) {
        self.0.lock().set_peer_host(host);
    }

    /// Replaces the faults from here on.
    pub fn set_faults(&self, faults: Faults) {
        self.0.lock().options.faults = faults;
    }

    /// Sets the size of the buffers of sockets that are made from here on.
    pub fn set_buffers(&self, send: usize, recv: usize) {
        let options = &mut self.0.lock().options;
        (options.send_buffer, options.recv_buffer) = (send, recv);
    }

    /// Limits the descriptors of the program under test; those that it has stay.
    pub fn set_descriptors(&self, most: usize) {
        self.0.lock().options.descriptors = most;
    }

    /// Returns how often each fault was injected.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.0.lock().counts
    }

    /// Returns how often the program under test had something to do that came to something: a call
    /// that has sent or received, or that would have, but for chance; a waker that was reported.
    #[must_use]
    pub fn done(&self) -> u64 {
        let state = self.0.lock();
        state.done + state.counts.would_blocks
    }

    /// Returns a hash of every call so far, with its result and its time: equal in two runs that
    /// went the same way.
    #[must_use]
    pub fn trace_hash(&self) -> u64 {
        self.0.lock().trace
    }

    /// Returns how many descriptors the program under test has.
    #[must_use]
    pub fn open_descriptors(&self) -> usize {
        self.0.lock().open
    }

    /// Returns how many connections the program under test has, those that it is making among them.
    #[must_use]
    pub fn open_streams(&self) -> usize {
        self.0.lock().open_streams()
    }
}

/// Ends the simulation of a thread when it is dropped; made by [`Kernel::enter`].
#[derive(Debug)]
pub struct Entered(());

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.with_borrow_mut(|current| *current = None);
    }
}

/// Returns the kernel that this thread has entered.
pub(crate) fn current() -> Option<Arc<Shared>> {
    CURRENT.with_borrow(Clone::clone)
}

pub(crate) fn is_entered() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// Returns the virtual time, on a thread that has one.
pub(crate) fn now() -> Option<Instant> {
    CURRENT.with_borrow(|current| current.as_ref().map(|shared| shared.base + shared.lock().now))
}

/// Returns the virtual time of day, on a thread that has one.
pub(crate) fn time_of_day() -> Option<SystemTime> {
    CURRENT.with_borrow(|current| {
        current.as_ref().map(|shared| UNIX_EPOCH + START + shared.lock().now)
    })
}

/// Draws a seed, on a thread that is simulated.
pub(crate) fn seed() -> Option<u64> {
    CURRENT.with_borrow(|current| current.as_ref().map(|shared| shared.lock().random.next()))
}

#[cfg(test)]
mod tests;

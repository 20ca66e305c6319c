//! A connection as both of its sides know it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::frame::SENDERS;
use super::model::Server;
use super::trace::Trace;

/// How a connection comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client connects to the address of the server with this index.
    Accepted(usize),
    /// The server connects to a listener of the test's.
    Connected,
    /// The server is given one end of a pair.
    Adopted,
    /// The server connects to an address that nobody listens on.
    Refused,
    /// The server connects to an address that never answers.
    Silent,
    /// Nobody knows who it is: another process of this machine may connect to any port.
    Stranger,
}

impl Kind {
    /// Returns whether it came in by one of the server's addresses.
    pub(crate) fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted(_) | Self::Stranger)
    }
}

/// One connection. The two sides are locked one after the other, the server's first.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) number: u32,
    pub(crate) kind: Kind,
    pub(crate) is_unix: bool,
    pub(crate) server: Mutex<Server>,
    pub(crate) peer: Arc<Mutex<Peer>>,
    /// The one that was detached, if this one goes on with its socket.
    pub(crate) continues: Option<Arc<Link>>,
    /// Another one goes on with the socket.
    pub(crate) is_continued: AtomicBool,
    /// How often `wake` was called, each counted before the call.
    pub(crate) wakes: AtomicU32,
    pub(crate) trace: Trace,
}

impl Link {
    pub(crate) fn new(number: u32, kind: Kind, is_unix: bool, server: Server) -> Self {
        Self {
            number,
            kind,
            is_unix,
            server: Mutex::new(server),
            peer: Arc::new(Mutex::new(Peer { number, ..Peer::default() })),
            continues: None,
            is_continued: AtomicBool::new(false),
            wakes: AtomicU32::new(0),
            trace: Trace::default(),
        }
    }

    /// Creates a connection that goes on with the socket of one that was detached.
    pub(crate) fn continuing(link: &Arc<Self>, number: u32, mut server: Server) -> Self {
        link.is_continued.store(true, Ordering::SeqCst);
        let old = link.server.lock();
        server.received = old.received;
        drop(old);
        let mut new = Self::new(number, Kind::Adopted, link.is_unix, server);
        new.peer = Arc::clone(&link.peer);
        new.continues = Some(Arc::clone(link));
        new
    }

    /// Returns the number of the stream that the peer sends.
    pub(crate) fn stream(&self) -> u32 {
        self.continues.as_ref().map_or(self.number, |link| link.stream())
    }

    pub(crate) fn is_continued(&self) -> bool {
        self.is_continued.load(Ordering::SeqCst)
    }

    pub(crate) fn wakes(&self) -> u32 {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = if self.is_unix { "unix" } else { "tcp" };
        writeln!(f, "  connection {} ({:?}, {family}), woken {}", self.number, self.kind, {
            self.wakes()
        })?;
        // A thread that hangs may hold a lock.
        let patience = Duration::from_millis(100);
        match self.server.try_lock_for(patience) {
            Some(server) => writeln!(f, "  {server:?}")?,
            None => writeln!(f, "  (server's side in use)")?,
        }
        match self.peer.try_lock_for(patience) {
            Some(peer) => writeln!(f, "  {peer:?}")?,
            None => writeln!(f, "  (peer's side in use)")?,
        }
        self.trace.fmt(f)?;
        self.continues.iter().try_for_each(|link| write!(f, "  before that:\n{link}"))
    }
}

/// The state of the server's peer: its operations, and the bytes it has received.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    /// The connection that it gets frames of: the last one, of several that go on with a socket.
    pub(crate) number: u32,
    pub(crate) is_connected: bool,
    /// Bytes that its kernel has taken.
    pub(crate) sent: u64,
    /// After how many bytes it has ended its output.
    pub(crate) finished: Option<u64>,
    /// It has left, or is about to, without waiting for the server's end.
    pub(crate) has_left: bool,
    /// It has left by a reset, which is noticed whatever the server does.
    pub(crate) has_reset: bool,
    /// An urgent byte, which nobody reads, can make the kernel reset the connection at its close.
    pub(crate) has_sent_urgent: bool,
    /// It has a copy of the server's descriptor, and has shut down the server's output by it.
    pub(crate) has_meddled: bool,
    pub(crate) is_reading: bool,
    /// It has been without reading for a while, at least once.
    pub(crate) has_stalled: bool,
    /// The frames that came from the server.
    pub(crate) taken: Taken,
    pub(crate) outcome: Option<Outcome>,
}

impl Peer {
    /// Returns what has come of the connection with this number.
    pub(crate) fn taken_of(&self, number: u32) -> Taken {
        if number == self.number {
            return self.taken;
        }
        Taken { frames: 0, sends: Default::default(), ..self.taken }
    }
}

/// How a connection ended for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nobody has answered it, or it has given up before.
    NeverConnected,
    /// It found the end of its input.
    End,
    /// The connection was reset.
    Reset,
    /// It left by itself.
    Left,
}

/// The whole frames that a peer has received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    pub(crate) bytes: u64,
    /// Those written on the loop's thread.
    pub(crate) frames: u32,
    /// Those sent by handle.
    pub(crate) sends: [u32; SENDERS],
    /// The number of the last one of each that broadcasts.
    pub(crate) broadcasts: [Option<u32>; SENDERS],
    /// There is the beginning of a frame whose end has not come.
    pub(crate) is_partial: bool,
}

//! Messages to a loop from other threads.

use std::error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use evio_sys::net::Stream;
use evio_sys::{Poller, Waker};

use crate::acceptor::BoundListener;
use crate::conn_id::ConnKey;
use crate::loop_access::Loop;
use crate::source::Source;
use crate::udp::BoundUdp;

/// What one loop, or any other thread, asks of a loop.
#[derive(Debug)]
pub(crate) enum Command {
    Adopt(Accepted),
    Conn(ConnKey, ConnCommand),
    Broadcast(Arc<[u8]>),
    Task(Task),
    Listen(Box<BoundListener>),
    Bind(Box<BoundUdp>),
    /// Gives up the sockets of the address with this index.
    StopListening(u16),
    /// A connection of some loop has ended, and a listener of some loop waited for that.
    AcceptAgain,
    Shutdown(Manner),
}

/// Work for a loop, from another thread.
pub(crate) struct Task(pub(crate) Box<dyn FnOnce(&mut Loop<'_>) + Send>);

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Connections are told, and have this long to finish by themselves.
    Graceful(Duration),
    /// Connections are closed.
    Prompt,
}

/// What is asked of one connection.
#[derive(Debug)]
pub(crate) enum ConnCommand {
    Wake,
    Send(Vec<u8>),
    SendShared(Arc<[u8]>),
    Pause,
    Resume,
    Close,
    Abort,
}

/// A connection on its way to its loop.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) address_index: u16,
}

/// Why a message could not be left for a connection or a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// [`Config::mailbox_capacity`](crate::Config) messages are waiting already; try again later.
    Full,
    /// The server has ended.
    Stopped,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many messages are waiting for this loop",
            Self::Stopped => "the server has ended",
        })
    }
}

impl error::Error for SendError {}

/// The receiving end, owned by the loop.
#[derive(Debug)]
pub(crate) struct Mailbox {
    receiver: Receiver<Command>,
    sender: Arc<MailboxSender>,
}

/// The sending end, shared by everyone else. It owns the waker, so that a wake after the loop's end
/// reaches a descriptor that is still its own.
#[derive(Debug)]
pub(crate) struct MailboxSender {
    channel: Sender<Command>,
    waker: Waker,
    waiting: AtomicUsize,
    capacity: usize,
}

impl Mailbox {
    pub(crate) fn new(poller: &Poller, capacity: usize) -> io::Result<Self> {
        let (channel, receiver) = unbounded();
        let waker = Waker::new(poller, Source::Waker.token())?;
        let waiting = AtomicUsize::new(0);
        let sender = Arc::new(MailboxSender { channel, waker, waiting, capacity });
        Ok(Self { receiver, sender })
    }

    pub(crate) fn sender(&self) -> &Arc<MailboxSender> {
        &self.sender
    }

    /// Lets the next message wake the loop again; to be called before the messages are taken.
    pub(crate) fn acknowledge(&self) {
        self.sender.waker.acknowledge();
    }

    pub(crate) fn take(&self) -> Option<Command> {
        let command = self.receiver.try_recv().ok()?;
        self.sender.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(command)
    }
}

impl MailboxSender {
    /// Leaves a message that is subject to the capacity.
    pub(crate) fn send(&self, command: Command) -> Result<(), SendError> {
        if self.waiting.load(Ordering::Relaxed) >= self.capacity {
            return Err(SendError::Full);
        }
        self.post(command).map_err(|_| SendError::Stopped)
    }

    /// Leaves a message of the server's own, which is bounded by other means. A loop that has
    /// ended gives it back.
    pub(crate) fn post(&self, command: Command) -> Result<(), Command> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.channel.send(command).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            error.into_inner()
        })?;
        // The message is in the queue. If the system refuses the wake, it is carried out with the
        // next one.
        let _ = self.waker.wake();
        Ok(())
    }
}

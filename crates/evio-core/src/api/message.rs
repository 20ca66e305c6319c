//! The messages that are sent to a loop.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accept::listener::{Accepted, BoundListener};
use crate::api::messages::Messages;
use crate::api::tasks::Tasks;
use crate::datagram::bound_udp::BoundUdp;
use crate::output::queue::Chunk;
use crate::types::conn_id::ConnKey;
use crate::types::pause_reason::PauseReason;

/// A message of the program to a loop.
#[derive(Debug)]
pub(crate) enum Command {
    Conn(ConnKey, ConnCommand),
    Broadcast(Arc<[u8]>),
    Tasks(Tasks),
    Messages(Messages),
    Listen(Box<BoundListener>),
    Bind(Box<BoundUdp>),
    /// The addresses of a dial, or why there are none.
    Dial(u64, io::Result<Vec<SocketAddr>>),
    /// Gives up the sockets of the address with this index.
    StopListening(u16),
}

/// A message to one connection.
#[derive(Debug)]
pub(crate) enum ConnCommand {
    Wake,
    /// A wake by a callback of the loop itself, of which there is one at a time.
    WakeHere,
    Send(Output),
    /// A reply that was owed.
    Reply(Output),
    /// A reply that was owed will not come.
    Unanswered,
    Pause(PauseReason),
    Resume(PauseReason),
    Close,
    Abort,
}

/// Output for a connection.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) bytes: OutputBytes,
    /// It is counted in the status of the connection.
    pub(crate) is_counted: bool,
}

#[derive(Debug)]
pub(crate) enum OutputBytes {
    Owned(Vec<u8>),
    Shared(Arc<[u8]>),
}

impl OutputBytes {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Owned(bytes) => bytes.len(),
            Self::Shared(bytes) => bytes.len(),
        }
    }
}

impl From<OutputBytes> for Chunk {
    fn from(bytes: OutputBytes) -> Self {
        match bytes {
            OutputBytes::Owned(bytes) => bytes.into(),
            OutputBytes::Shared(bytes) => bytes.into(),
        }
    }
}

impl From<Vec<u8>> for OutputBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Owned(bytes)
    }
}

impl From<Arc<[u8]>> for OutputBytes {
    fn from(bytes: Arc<[u8]>) -> Self {
        Self::Shared(bytes)
    }
}

/// A message of the server or of another loop.
#[derive(Debug)]
pub(crate) enum Control {
    Adopt(Accepted),
    /// A connection of some loop has ended, and a listener of this one waited for that.
    AcceptAgain,
    /// End the server, as was asked for at that time.
    Shutdown(ShutdownMode, Instant),
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ShutdownMode {
    /// Connections are told, and have this long to finish by themselves.
    Graceful(Duration),
    /// Connections are closed.
    Immediate,
}

impl Command {
    /// Returns how much it is of what a turn carries out. A broadcast is carried out bit by bit,
    /// and counts each connection then.
    pub(crate) fn cost(&self) -> usize {
        match self {
            Self::Tasks(tasks) => tasks.count(),
            Self::Messages(messages) => messages.len(),
            Self::Broadcast(_) => 0,
            _ => 1,
        }
    }
}

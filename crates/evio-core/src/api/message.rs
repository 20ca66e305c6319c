//! The messages that are sent to a loop.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::accept::listener::{Accepted, BoundListener};
use crate::api::tasks::Tasks;
use crate::datagram::bound_udp::BoundUdp;
use crate::types::conn_id::ConnKey;
use crate::types::pause_reason::PauseReason;

/// A message of the program to a loop.
#[derive(Debug)]
pub(crate) enum Command {
    Conn(ConnKey, ConnCommand),
    Broadcast(Arc<[u8]>),
    Tasks(Tasks),
    Listen(Box<BoundListener>),
    Bind(Box<BoundUdp>),
    /// Gives up the sockets of the address with this index.
    StopListening(u16),
}

/// A message to one connection.
#[derive(Debug)]
pub(crate) enum ConnCommand {
    Wake,
    Send(Vec<u8>),
    SendShared(Arc<[u8]>),
    Pause(PauseReason),
    Resume(PauseReason),
    Close,
    Abort,
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
            Self::Broadcast(_) => 0,
            _ => 1,
        }
    }
}

impl ConnCommand {
    /// Returns the bytes that it holds.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Send(bytes) => bytes.len(),
            Self::SendShared(bytes) => bytes.len(),
            _ => 0,
        }
    }
}

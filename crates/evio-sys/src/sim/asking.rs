//! Questions about one end of a connection, of either kind.

use std::io;

use nix::errno::Errno;

use super::endpoint::{Endpoint, Fin, Phase, mask};
use super::name::Name;
use super::record::Direction;
use super::state::{Id, Kind, State};
use super::unix::UnixEnd;
use crate::net::SocketAddr;

/// An end of a connection.
pub(super) enum End<'a> {
    Tcp(&'a mut Endpoint),
    Unix(&'a mut UnixEnd),
}

impl State {
    /// Returns the end of a connection that a descriptor stands for.
    pub(super) fn end(&mut self, id: Id) -> Result<End<'_>, Errno> {
        match self.node_mut(id).map(|node| &mut node.kind) {
            Some(Kind::Stream(endpoint)) => Ok(End::Tcp(endpoint)),
            Some(Kind::Unix(end)) => Ok(End::Unix(end)),
            _ => Err(Errno::EBADF),
        }
    }
}

impl End<'_> {
    /// Returns what comes in here.
    pub(super) fn incoming(&self) -> Direction {
        match self {
            Self::Tcp(end) => Direction::incoming(end.connection, end.is_client),
            Self::Unix(end) => end.incoming(),
        }
    }

    pub(super) fn input_len(&self) -> usize {
        match self {
            Self::Tcp(end) => end.input.len(),
            Self::Unix(end) => end.input_len(),
        }
    }

    /// Returns what was sent and is still held. Of TCP a FIN counts as a byte until it is
    /// acknowledged, as it has a number of its own (RFC 9293, 3.4).
    pub(super) fn output_len(&self) -> usize {
        match self {
            Self::Tcp(end) => {
                let has_fin = matches!(end.fin, Fin::Wanted | Fin::Sent);
                end.unacknowledged() + usize::from(has_fin)
            }
            Self::Unix(end) => end.held,
        }
    }

    /// Returns whether poll(2) for `POLLOUT` says anything, where a kqueue waits or an epoll.
    pub(super) fn has_room(&mut self, is_kqueue: bool) -> bool {
        let (events, asks_filter) = match self {
            Self::Tcp(end) => (end.events(), is_kqueue.then(|| end.is_writable_to_filter())),
            Self::Unix(end) => (end.events(), None),
        };
        let is_over = events & (mask::ERR | mask::HUP) != 0;
        is_over || asks_filter.unwrap_or(events & mask::OUT != 0)
    }

    pub(super) fn take_error(&mut self) -> Option<Errno> {
        match self {
            Self::Tcp(end) => end.error.take(),
            Self::Unix(end) => end.error.take(),
        }
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(end) => Ok(end.local.into()),
            Self::Unix(end) => Name::to_address(end.local.as_ref()),
        }
    }

    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Tcp(end) if end.phase != Phase::Connected => Err(Errno::ENOTCONN.into()),
            Self::Tcp(end) => Ok(end.remote.into()),
            Self::Unix(end) => Name::to_address(end.remote.as_ref()),
        }
    }
}

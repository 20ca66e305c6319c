//! Connections that the program asks for itself.

use std::io;
use std::net::SocketAddr;

use evio_sys::net::{self, Stream};

use crate::action::CloseReason;
use crate::conn_id::{ConnId, ConnKey};
use crate::entry::{Entry, Fin, Phase};
use crate::handler::Handler;
use crate::loop_state::{LoopState, Shutdown};
use crate::turn::Running;

/// How a connection came to be.
///
/// # Examples
///
/// ```
/// use evio_core::{Conn, ConnId, Origin, Tag};
///
/// /// Returns the connection that this one was asked for by, if it was.
/// fn client(conn: &Conn<'_>) -> Option<ConnId> {
///     match conn.origin() {
///         Origin::Connected(Tag::Conn(client)) => Some(client),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A peer connected to one of the server's addresses.
    Accepted {
        /// The index of the address, in the order in which the server was given them.
        address_index: usize,
    },
    /// [`Loop::connect`](crate::Loop::connect) was called with this tag.
    Connected(Tag),
    /// [`Loop::adopt`](crate::Loop::adopt) was called with this tag.
    Adopted(Tag),
}

/// What a program knows a connection by that it asked for.
///
/// # Examples
///
/// ```
/// use evio_core::Tag;
///
/// assert_eq!(Tag::from(7), Tag::Number(7));
/// assert_eq!(Tag::default(), Tag::Number(0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// A number of the program's own, such as the index of a peer.
    Number(u64),
    /// Another connection: that on behalf of which this one was made.
    Conn(ConnId),
}

impl Default for Tag {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl From<u64> for Tag {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<ConnId> for Tag {
    fn from(id: ConnId) -> Self {
        Self::Conn(id)
    }
}

/// [`Origin`] as an entry keeps it: without what lies elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    Accepted,
    Connected,
    Adopted,
}

impl Origin {
    pub(crate) fn of(entry: &Entry) -> Self {
        let tag = entry.rare.as_ref().map_or_else(Tag::default, |rare| rare.tag);
        match entry.beginning {
            Beginning::Accepted => {
                Self::Accepted { address_index: usize::from(entry.address_index) }
            }
            Beginning::Connected => Self::Connected(tag),
            Beginning::Adopted => Self::Adopted(tag),
        }
    }
}

impl LoopState {
    pub(crate) fn connect(&mut self, peer: &net::SocketAddr, tag: Tag) -> io::Result<ConnId> {
        self.check_running()?;
        let (stream, established) = Stream::connect(peer)?;
        self.take_in(stream, peer.as_inet(), Beginning::Connected, established, tag)
    }

    pub(crate) fn adopt(&mut self, stream: Stream, tag: Tag) -> io::Result<ConnId> {
        self.check_running()?;
        stream.set_nonblocking(true)?;
        let peer = stream.peer_addr()?.as_inet();
        self.take_in(stream, peer, Beginning::Adopted, true, tag)
    }

    /// A server that is ending begins nothing new.
    fn check_running(&self) -> io::Result<()> {
        match self.shutdown {
            Shutdown::No => Ok(()),
            _ => Err(io::Error::other("the server is shutting down")),
        }
    }

    fn take_in(
        &mut self,
        stream: Stream,
        peer: Option<SocketAddr>,
        beginning: Beginning,
        established: bool,
        tag: Tag,
    ) -> io::Result<ConnId> {
        // Not the beginning of the turn: the time to connect must not be that of a callback.
        let mut entry = Entry::outbound(stream, peer, beginning, established, self.tick_now());
        if tag != Tag::default() {
            entry.rare_mut().tag = tag;
        }
        let key = self.conns.insert(entry);
        if let Err(error) = self.watch(key) {
            self.conns.remove(key);
            return Err(error);
        }
        if established {
            self.mark_dirty(key);
        } else {
            self.arm(key);
        }
        Ok(ConnId::new(self.loop_id, key))
    }
}

impl<H: Handler> Running<H> {
    /// Looks whether a connection has come about.
    pub(crate) fn check_connect(&mut self, key: ConnKey) {
        let Some(entry) = self.state.conns.get(key) else { return };
        let result = match entry.phase {
            Phase::Connecting { established: false } => entry.stream.finish_connect(),
            Phase::Connecting { established: true } => Ok(true),
            _ => return,
        };
        match result {
            Ok(true) => self.establish(key),
            Ok(false) => {}
            Err(error) => self.state.end(key, CloseReason::Error(error), false),
        }
    }

    /// Opens a connection that has come about. What was written to it is sent when the turn ends,
    /// before what `opened` writes.
    pub(crate) fn establish(&mut self, key: ConnKey) {
        let state = &mut self.state;
        let Some(entry) = state.conns.get_mut(key) else { return };
        entry.phase = if entry.fin == Fin::No { Phase::Open } else { Phase::HalfClosed };
        entry.deadlines.active = state.clock.tick();
        // Until now nobody could have taken any of the output.
        entry.deadlines.congested = entry.deadlines.congested.map(|_| state.clock.tick());
        state.output_waiting |= entry.output_len() > 0;
        state.mark_dirty(key);
        self.begin(key);
    }
}

//! The state that a callback can reach through its views.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use evio_sys::net::{self, Stream};
use evio_sys::{Interest, Poller};

use crate::api::connect_options::ConnectOptions;
use crate::api::detached::Detached;
use crate::api::group::Group;
use crate::datagram::datagrams::Datagrams;
use crate::dial::dials::Dials;
use crate::output::outgoing::Outgoing;
use crate::table::conns::Table;
use crate::table::entry::Entry;
use crate::timer::loop_timers::LoopTimers;
use crate::types::conn_id::{ConnId, ConnKey};
use crate::types::event_target::EventTarget;
use crate::types::origin::{OriginKind, Tag};
use crate::watch::watches::Watches;

/// The part of a loop that callbacks reach. Each field is the only writer of its own.
///
/// The fields that every request needs come first, so that they are in few lines of the processor's
/// cache.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LoopState {
    pub(crate) table: Table,
    pub(crate) outgoing: Outgoing,
    pub(crate) datagrams: Datagrams,
    pub(crate) loop_id: u16,
    pub(crate) group: Arc<Group>,
    pub(crate) poller: Poller,
    pub(crate) watches: Watches,
    pub(crate) timers: LoopTimers,
    pub(crate) dials: Dials,
    /// A shutdown lets nothing new begin any more.
    pub(crate) refuses_new: bool,
}

impl LoopState {
    /// Begins to connect to `peer`.
    pub(crate) fn connect(
        &mut self,
        peer: &net::SocketAddr,
        options: &ConnectOptions,
    ) -> io::Result<ConnId> {
        self.check_running()?;
        let (stream, established) = Stream::connect(peer)?;
        let peer = peer.destination();
        self.insert_outbound(stream, peer, OriginKind::Connected, established, |entry| {
            entry.with_tag(options.tag).with_limits(options.limits.as_ref())
        })
    }

    /// Makes a connected socket a connection of this loop, with input that comes before what the
    /// socket has.
    pub(crate) fn adopt(&mut self, socket: Detached, tag: Tag) -> io::Result<ConnId> {
        self.check_running()?;
        let (stream, input) = socket.into_parts();
        stream.take_over()?;
        let peer = stream.peer_addr()?.as_inet();
        self.insert_outbound(stream, peer, OriginKind::Adopted, true, |entry| {
            entry.with_tag(tag).with_input(input)
        })
    }

    /// A server that ends begins nothing new. One that ends gracefully does, while a connection is
    /// left that has come in: what that was asked may need a connection to another server.
    pub(crate) fn check_running(&self) -> io::Result<()> {
        match self.refuses_new || self.group.ends_at_once() {
            false => Ok(()),
            true => Err(io::Error::other("the server is shutting down")),
        }
    }

    pub(super) fn insert_outbound(
        &mut self,
        stream: Stream,
        peer: Option<SocketAddr>,
        origin: OriginKind,
        established: bool,
        complete: impl FnOnce(Entry) -> Entry,
    ) -> io::Result<ConnId> {
        // Not the beginning of the turn: the time to connect must not be that of a callback.
        let now = self.table.clock().tick_now();
        let entry = Entry::outbound(stream, peer, origin, established, now);
        let key = self.table.insert(complete(entry));
        if let Err(error) = self.watch(key) {
            self.table.remove(key);
            return Err(error);
        }
        if established {
            self.table.list(key);
        } else {
            self.table.arm(key);
        }
        Ok(ConnId::new(self.loop_id, key))
    }

    /// Registers a new connection with the poller.
    pub(crate) fn watch(&self, key: ConnKey) -> io::Result<()> {
        let Some((stream, interest)) = self.table.get(key).and_then(Entry::polled) else {
            return Ok(());
        };
        let token = EventTarget::Conn(key).token();
        self.poller.register(stream, token, poll_interest(interest, stream))
    }

    /// Tells the poller what a connection waits for now.
    pub(crate) fn rearm(&mut self, key: ConnKey, interest: Interest) -> io::Result<()> {
        let Some(entry) = self.table.get(key) else { return Ok(()) };
        let (token, stream) = (EventTarget::Conn(key).token(), entry.stream());
        self.poller.reregister(stream, token, poll_interest(interest, stream))?;
        self.table.rearmed(key, interest);
        Ok(())
    }
}

/// Returns `interest` as the poller is told of it. To be told of changes only is cheaper, but a
/// read from a Unix socket may be short of what is there: it stops where descriptors were sent
/// along.
fn poll_interest(interest: Interest, stream: &Stream) -> Interest {
    if stream.is_unix() { interest } else { interest.edge() }
}

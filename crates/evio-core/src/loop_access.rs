//! A loop, as a callback sees it.

use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::conn::{Conn, ThreadBound};
use crate::conn_id::ConnId;
use crate::conn_table::Entry;
use crate::loop_handle::LoopHandle;
use crate::loop_state::LoopState;
use crate::mailbox::Manner;
use crate::udp::{BoundUdp, Udp};

/// A loop, for the time of a callback that has no connection of its own, or of a task that was
/// [posted](crate::LoopHandle::post) to it: the way to its connections and UDP sockets.
///
/// # Examples
///
/// ```
/// use evio_core::{LoopHandle, SendError};
///
/// /// Closes all connections that come from one address.
/// fn ban(handle: &LoopHandle, banned: std::net::IpAddr) -> Result<(), SendError> {
///     handle.post(move |event_loop| {
///         event_loop.for_each_conn(|mut conn| {
///             let peer = conn.peer_addr().ok().and_then(|peer| peer.as_inet());
///             if peer.is_some_and(|peer| peer.ip() == banned) {
///                 conn.close();
///             }
///         });
///     })
/// }
/// ```
pub struct Loop<'a> {
    state: &'a mut LoopState,
    thread_bound: ThreadBound,
}

impl<'a> Loop<'a> {
    pub(crate) fn new(state: &'a mut LoopState) -> Self {
        Self { state, thread_bound: PhantomData }
    }

    /// Returns an open connection of this loop.
    #[must_use]
    pub fn conn(&mut self, id: ConnId) -> Option<Conn<'_>> {
        Self::into_conn(self.state, id)
    }

    pub(crate) fn into_conn(state: &mut LoopState, id: ConnId) -> Option<Conn<'_>> {
        let here = id.loop_id() == usize::from(state.loop_id);
        let open = here && state.conns.get(id.key()).is_some_and(Entry::is_open);
        open.then(|| Conn::new(state, id.key()))
    }

    /// Calls `visit` with every open connection of this loop, in no particular order.
    pub fn for_each_conn(&mut self, mut visit: impl FnMut(Conn<'_>)) {
        for key in self.state.conns.keys() {
            if self.state.conns.get(key).is_some_and(Entry::is_open) {
                visit(Conn::new(self.state, key));
            }
        }
    }

    /// Returns this loop's UDP socket for the address with this index, if it has one; the first of
    /// them for a host name that stands for several addresses.
    #[must_use]
    pub fn udp(&mut self, address_index: usize) -> Option<Udp<'_>> {
        self.find_udp(|bound| usize::from(bound.address_index) == address_index)
    }

    /// As [`udp`](Self::udp), but the first of them that can reach `peer` by its family.
    #[must_use]
    pub fn udp_for(&mut self, address_index: usize, peer: SocketAddr) -> Option<Udp<'_>> {
        self.find_udp(|bound| {
            usize::from(bound.address_index) == address_index && bound.socket.is_for(peer)
        })
    }

    fn find_udp(&mut self, is_meant: impl Fn(&BoundUdp) -> bool) -> Option<Udp<'_>> {
        let (number, _) = self.state.sockets.iter().find(|(_, bound)| is_meant(bound))?;
        Some(Udp::new(self.state, number as u32, None))
    }

    /// Returns the index of this loop.
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.state.loop_id)
    }

    /// Returns a handle for this loop that any thread can use at any time.
    #[must_use]
    pub fn handle(&self) -> LoopHandle {
        LoopHandle::new(Arc::clone(&self.state.group), self.state.loop_id)
    }

    /// Ends the server, as [`Action::Shutdown`](crate::Action::Shutdown) does.
    pub fn shutdown(&mut self) {
        self.state.request_shutdown(Manner::Prompt);
    }
}

impl fmt::Debug for Loop<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loop").field("loop_id", &self.state.loop_id).finish_non_exhaustive()
    }
}

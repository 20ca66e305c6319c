//! All connections of a loop, for work that other threads leave for it.

use std::fmt;
use std::marker::PhantomData;

use crate::conn::{Conn, ThreadBound};
use crate::conn_id::ConnId;
use crate::conn_table::Entry;
use crate::loop_state::LoopState;

/// The open connections of one loop, for the time of a task that was
/// [posted](crate::LoopHandle::post) to it.
///
/// # Examples
///
/// ```
/// use evio_core::{LoopHandle, SendError};
///
/// /// Closes all connections that come from one address.
/// fn ban(event_loop: &LoopHandle, banned: std::net::IpAddr) -> Result<(), SendError> {
///     event_loop.post(move |conns| {
///         conns.for_each(|mut conn| {
///             let peer = conn.peer_addr().ok().and_then(|peer| peer.as_inet());
///             if peer.is_some_and(|peer| peer.ip() == banned) {
///                 conn.close();
///             }
///         });
///     })
/// }
/// ```
pub struct Conns<'a> {
    state: &'a mut LoopState,
    thread_bound: ThreadBound,
}

impl<'a> Conns<'a> {
    pub(crate) fn new(state: &'a mut LoopState) -> Self {
        Self { state, thread_bound: PhantomData }
    }

    /// Returns an open connection of this loop.
    #[must_use]
    pub fn get(&mut self, id: ConnId) -> Option<Conn<'_>> {
        Self::into_conn(self.state, id)
    }

    pub(crate) fn into_conn(state: &mut LoopState, id: ConnId) -> Option<Conn<'_>> {
        let here = id.loop_id() == usize::from(state.loop_id);
        let open = here && state.conns.get(id.key()).is_some_and(Entry::is_open);
        open.then(|| Conn::new(state, id.key()))
    }

    /// Calls `visit` with every open connection of this loop, in no particular order.
    pub fn for_each(&mut self, mut visit: impl FnMut(Conn<'_>)) {
        for key in self.state.conns.keys() {
            if self.state.conns.get(key).is_some_and(Entry::is_open) {
                visit(Conn::new(self.state, key));
            }
        }
    }
}

impl fmt::Debug for Conns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conns").field("loop_id", &self.state.loop_id).finish_non_exhaustive()
    }
}

//! A simulated connection, as the program holds it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;

use super::Shared;
use super::endpoint::{Endpoint, Fin, Phase, mask};
use super::handle::Handle;
use super::state::{Id, Node, State};

/// The kernel and the name of each stream, by its descriptor.
static STREAMS: Mutex<BTreeMap<RawFd, (Arc<Shared>, Id)>> = Mutex::new(BTreeMap::new());

fn streams() -> MutexGuard<'static, BTreeMap<RawFd, (Arc<Shared>, Id)>> {
    STREAMS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A simulated [`Stream`](crate::net::Stream): a descriptor of `/dev/null`, so that it is as small
/// as a real one, and what is kept beside it is too.
#[derive(Debug)]
pub(crate) struct SimStream(OwnedFd);

impl Drop for SimStream {
    fn drop(&mut self) {
        let number = self.0.as_raw_fd();
        // Before the descriptor is closed, and its number may be another's.
        let of = streams().remove(&number);
        if let Some((shared, id)) = of {
            shared.lock().close(id, number);
        }
    }
}

impl SimStream {
    /// Begins to connect.
    pub(crate) fn connect(shared: Arc<Shared>, remote: SocketAddr) -> io::Result<Self> {
        let connect = |state: &mut State| Ok((state.connect(remote)?, ()));
        Ok(Self::new(Handle::new(shared, connect)?.0))
    }

    pub(super) fn new(handle: Handle) -> Self {
        let (shared, id, descriptor) = handle.into_parts();
        streams().insert(descriptor.as_raw_fd(), (shared, id));
        Self(descriptor)
    }

    /// Calls the kernel with the name of this stream.
    fn call<T>(&self, call: impl FnOnce(&mut State, Id) -> Result<T, Errno>) -> io::Result<T> {
        let of = streams().get(&self.0.as_raw_fd()).cloned();
        let (shared, id) = of.ok_or(Errno::EBADF)?;
        let result = call(&mut shared.lock(), id);
        Ok(result?)
    }

    pub(crate) fn recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|state, id| state.recv(id, buffer))
    }

    pub(crate) fn send(&self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.call(|state, id| state.send(id, buffers))
    }

    pub(crate) fn shutdown(&self, both: bool) -> io::Result<()> {
        self.call(|state, id| state.shutdown(id, both))
    }

    pub(crate) fn reset(&self) -> io::Result<()> {
        self.call(|state, id| state.reset(id))
    }

    pub(crate) fn has_input(&self) -> io::Result<bool> {
        self.call(|state, id| state.has_input(id))
    }

    pub(crate) fn input_len(&self) -> io::Result<usize> {
        self.ask(|endpoint| Ok(endpoint.input.len()))
    }

    /// A FIN counts as a byte until it is acknowledged, as it has a number of its own (RFC 9293,
    /// 3.4).
    pub(crate) fn output_len(&self) -> io::Result<usize> {
        self.ask(|endpoint| {
            let has_fin = matches!(endpoint.fin, Fin::Wanted | Fin::Sent);
            Ok(endpoint.unacknowledged() + usize::from(has_fin))
        })
    }

    /// Returns whether poll(2) for `POLLOUT` says anything: on each system, by the rule of its
    /// poller.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        self.call(|state, id| {
            state.begin_call(id);
            let is_filtered = state.node(id).is_some_and(Node::is_filtered);
            let endpoint = state.own(id)?;
            let is_over = endpoint.events() & (mask::ERR | mask::HUP) != 0;
            let is_writable = match is_filtered {
                true => endpoint.is_writable_to_filter(),
                false => endpoint.events() & mask::OUT != 0,
            };
            Ok(is_over || is_writable)
        })
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.ask(|endpoint| Ok(endpoint.error.take().map(io::Error::from)))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.ask(|endpoint| Ok(endpoint.local))
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.ask(|endpoint| match endpoint.phase {
            Phase::Connected => Ok(endpoint.remote),
            Phase::Connecting | Phase::Closed => Err(Errno::ENOTCONN),
        })
    }

    pub(crate) fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.ask(|endpoint| {
            endpoint.user_timeout = timeout;
            Ok(())
        })
    }

    fn ask<T>(&self, ask: impl FnOnce(&mut Endpoint) -> Result<T, Errno>) -> io::Result<T> {
        self.call(|state, id| {
            state.begin_call(id);
            ask(state.own(id)?)
        })
    }
}

impl AsFd for SimStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

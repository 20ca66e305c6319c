//! A simulated connection, as the program holds it.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::errno::Errno;

use super::Shared;
use super::asking::End;
use super::handle::Handle;
use super::name::Name;
use super::state::{Id, Node, State};
use crate::net::SocketAddr;

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
            shared.lock().close(id, number, false);
        }
    }
}

impl SimStream {
    /// Begins to connect, and returns whether that is done already.
    pub(crate) fn connect(shared: Arc<Shared>, remote: &SocketAddr) -> io::Result<(Self, bool)> {
        let name = Name::of(remote)?;
        let connect = |state: &mut State| match name {
            Name::Inet(remote) => Ok((state.connect(remote)?, false)),
            Name::Path(_) => Ok((state.connect_unix(name)?, true)),
        };
        let (handle, is_connected) = Handle::new(shared, connect)?;
        Ok((Self::new(handle), is_connected))
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

    /// As `recv`, for a socket that may be blocking.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.recv(buffer).map_err(|error| self.cannot_wait(error))
    }

    /// As `send`, for a socket that may be blocking.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.send(&[IoSlice::new(bytes)]).map_err(|error| self.cannot_wait(error))
    }

    /// Time moves between calls only, so one that waits would wait for ever.
    fn cannot_wait(&self, error: io::Error) -> io::Error {
        let waits =
            || self.call(|state, id| Ok(state.node(id).is_some_and(|node| node.is_blocking)));
        if error.kind() == io::ErrorKind::WouldBlock && waits().unwrap_or(false) {
            return io::Error::new(io::ErrorKind::Unsupported, "a simulated socket cannot wait");
        }
        error
    }

    pub(crate) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.call(|state, id| {
            state.node_mut(id).ok_or(Errno::EBADF)?.is_blocking = !nonblocking;
            Ok(())
        })
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

    pub(crate) fn is_unix(&self) -> bool {
        self.call(|state, id| Ok(matches!(state.end(id)?, End::Unix(_)))).unwrap_or(false)
    }

    pub(crate) fn input_len(&self) -> io::Result<usize> {
        self.ask(|end| Ok(end.input_len()))
    }

    pub(crate) fn output_len(&self) -> io::Result<usize> {
        self.ask(|end| Ok(end.output_len()))
    }

    /// Returns whether poll(2) for `POLLOUT` says anything: on each system, by the rule of its
    /// poller.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        self.call(|state, id| {
            state.begin_call(id);
            let is_filtered = state.node(id).is_some_and(Node::is_filtered);
            Ok(state.end(id)?.has_room(is_filtered))
        })
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.ask(|mut end| Ok(end.take_error().map(io::Error::from)))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.ask(|end| end.local_addr())
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.ask(|end| end.peer_addr())
    }

    pub(crate) fn set_user_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_option()?;
        self.call(|state, id| {
            state.set_user_timeout(id, timeout);
            Ok(())
        })
    }

    /// Sets an option that changes nothing here. As with macOS, that may fail once the peer has
    /// reset the connection, which the program has not learnt yet.
    pub(crate) fn set_option(&self) -> io::Result<()> {
        self.call(|state, id| {
            state.begin_call(id);
            if state.is_program(id) && matches!(state.end(id)?, End::Tcp(_)) {
                state.fail_by_chance(&[Errno::EINVAL])?;
            }
            Ok(())
        })
    }

    fn ask<T>(&self, ask: impl FnOnce(End<'_>) -> io::Result<T>) -> io::Result<T> {
        self.call(|state, id| {
            state.begin_call(id);
            Ok(ask(state.end(id)?))
        })?
    }
}

impl AsFd for SimStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

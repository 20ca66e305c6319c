//! What the types of this crate hold in the place of a socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::Shared;
use super::name::Name;
use super::state::{Id, Kind, State};
use super::stream::SimStream;
use crate::net::{self, AcceptError};

/// Something simulated with a descriptor of its own, which is closed with it.
#[derive(Debug)]
pub(crate) struct Handle {
    pub(super) shared: Arc<Shared>,
    pub(super) id: Id,
    /// Of `/dev/null`; taken by the drop below, which has to know its number while it is open.
    descriptor: Option<OwnedFd>,
}

impl Handle {
    /// Makes the handle of what `make` makes.
    pub(super) fn new<T>(
        shared: Arc<Shared>,
        make: impl FnOnce(&mut State) -> Result<(Id, T), Errno>,
    ) -> io::Result<(Self, T)> {
        // Its lack is none of the program under test.
        let descriptor = shared.null.try_clone().map(OwnedFd::from).unwrap_or_else(|error| {
            panic!("everything simulated takes a descriptor of the system: {error}")
        });
        let mut state = shared.lock();
        let (id, value) = make(&mut state)?;
        state.open(id, descriptor.as_raw_fd());
        drop(state);
        Ok((Self { shared, id, descriptor: Some(descriptor) }, value))
    }

    /// Makes something that is not connected to anything.
    pub(super) fn of(shared: Arc<Shared>, kind: Kind) -> io::Result<Self> {
        let make = |state: &mut State| {
            state.check_descriptors()?;
            let owner = state.owner();
            Ok((state.add(kind, owner), ()))
        };
        Ok(Self::new(shared, make)?.0)
    }

    /// Takes a descriptor to be held back.
    pub(crate) fn reserve(shared: Arc<Shared>) -> io::Result<Self> {
        Self::of(shared, Kind::Reserve)
    }
}

impl Handle {
    /// Gives up the handle for what it is made of.
    pub(super) fn into_parts(mut self) -> (Arc<Shared>, Id, OwnedFd) {
        let descriptor = self.descriptor.take().expect("it has one until it is dropped");
        (Arc::clone(&self.shared), self.id, descriptor)
    }

    /// Closes what it stands for, and returns the descriptor.
    fn close(&mut self, leaves_name: bool) -> Option<OwnedFd> {
        let descriptor = self.descriptor.take()?;
        self.shared.lock().close(self.id, descriptor.as_raw_fd(), leaves_name);
        Some(descriptor)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.close(false));
    }
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_ref().expect("it has one until it is dropped").as_fd()
    }
}

/// A simulated [`Listener`](crate::net::Listener).
#[derive(Debug)]
pub(crate) struct SimListener(Handle);

impl SimListener {
    pub(crate) fn new(
        shared: Arc<Shared>,
        name: Name,
        backlog: u16,
        shares: bool,
    ) -> io::Result<Self> {
        let listen = |state: &mut State| Ok((state.listen(name, backlog, shares)?, ()));
        Ok(Self(Handle::new(shared, listen)?.0))
    }

    pub(crate) fn accept(&self) -> Result<(SimStream, Option<SocketAddr>), AcceptError> {
        let shared = Arc::clone(&self.0.shared);
        let accept = |state: &mut State| state.accept(self.0.id);
        let (handle, peer) = Handle::new(shared, accept)?;
        Ok((SimStream::new(handle), peer))
    }

    /// Lets others listen on the same address.
    pub(crate) fn share(&self) -> io::Result<()> {
        let mut state = self.0.shared.lock();
        let name = state.listens_at(self.0.id)?.clone();
        state.listeners.share(&name);
        Ok(())
    }

    pub(crate) fn local_addr(&self) -> io::Result<net::SocketAddr> {
        Name::to_address(Some(self.0.shared.lock().listens_at(self.0.id)?))
    }
}

/// Gives up the listener for its descriptor, which is one of `/dev/null`: so nobody answers any
/// more at its path, which stays.
impl From<SimListener> for OwnedFd {
    fn from(SimListener(mut handle): SimListener) -> Self {
        handle.close(true).expect("it has one until it is dropped")
    }
}

impl AsFd for SimListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

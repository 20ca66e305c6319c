//! A simulated UDP socket, as the program holds it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Arc;

use nix::errno::Errno;

use super::Shared;
use super::handle::Handle;
use super::state::{Id, State};
use crate::net::{ListenOptions, Received};

/// What a simulated [`UdpSocket`](crate::net::UdpSocket) has beside its descriptor, which it has to
/// be dropped before.
#[derive(Debug)]
pub(crate) struct SimUdp {
    shared: Arc<Shared>,
    id: Id,
    descriptor: RawFd,
}

impl SimUdp {
    pub(crate) fn bind(
        shared: Arc<Shared>,
        address: SocketAddr,
        options: &ListenOptions,
    ) -> io::Result<(Self, OwnedFd)> {
        let bind = |state: &mut State| {
            Ok((state.bind_udp(address, options.only_v6, options.reuse_port)?, ()))
        };
        let (handle, ()) = Handle::new(shared, bind)?;
        let (shared, id, descriptor) = handle.into_parts();
        Ok((Self { shared, id, descriptor: descriptor.as_raw_fd() }, descriptor))
    }

    fn call<T>(&self, call: impl FnOnce(&mut State) -> Result<T, Errno>) -> io::Result<T> {
        Ok(call(&mut self.shared.lock())?)
    }

    pub(crate) fn set_reuse_port(&self) -> io::Result<()> {
        self.call(|state| state.share_udp(self.id))
    }

    pub(crate) fn recv_from(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.call(|state| state.recv_datagram(self.id, buffer))
    }

    pub(crate) fn send(
        &self,
        bytes: &[u8],
        source: Option<IpAddr>,
        peer: SocketAddr,
    ) -> io::Result<usize> {
        self.call(|state| state.send_datagram(self.id, bytes, source, peer))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.call(|state| state.udp_local(self.id))
    }
}

impl Drop for SimUdp {
    fn drop(&mut self) {
        self.shared.lock().close(self.id, self.descriptor, false);
    }
}

//! A client's UDP socket.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::task::Poll;

use evio_sys::net::{ListenOptions, MAX_DATAGRAM, UdpSocket};
use evio_sys::sim::Kernel;

/// A UDP socket that a client has bound.
///
/// As on every network, a datagram can get lost, come twice, or after one that was sent later; see
/// [`Faults`](crate::Faults). A client that waits for a reply waits for a time; see
/// [`Net::within`](crate::Net::within).
#[derive(Debug)]
pub struct ClientUdp {
    kernel: Kernel,
    socket: UdpSocket,
}

impl ClientUdp {
    pub(crate) fn bind(kernel: Kernel, address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address, &ListenOptions::default())?;
        Ok(Self { kernel, socket })
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    ///
    /// Does not fail.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends one datagram.
    ///
    /// # Errors
    ///
    /// Fails when `peer` is none, and when the datagram is too large.
    pub fn send_to(&self, bytes: &[u8], peer: &str) -> io::Result<()> {
        let peer =
            peer.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        self.socket.send_to(bytes, peer).map(|_| ())
    }

    /// Waits for a datagram, and returns it with the address that it came from.
    ///
    /// # Errors
    ///
    /// Does not fail.
    ///
    /// # Panics
    ///
    /// Panics when it is not what was sent: then the simulated kernel is at fault.
    pub async fn recv_from(&mut self) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; MAX_DATAGRAM];
        let received = poll_fn(|context| match self.socket.recv_from(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.kernel.on_change(&self.socket, context.waker().clone());
                Poll::Pending
            }
            result => Poll::Ready(result),
        })
        .await?;
        buffer.truncate(received.len);
        let bound = self.socket.local_addr()?;
        let local = SocketAddr::new(received.local.unwrap_or(bound.ip()), bound.port());
        if let Err(stray) = self.kernel.check_datagram(received.peer, local, &buffer) {
            panic!("a client was given {stray}");
        }
        Ok((buffer, received.peer))
    }
}

//! UDP: a socket as a callback sees it, and the datagrams that wait for the end of the turn.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use evio_sys::net::UdpSocket;

use crate::conn::ThreadBound;

/// A UDP socket, for the time of a callback.
///
/// Datagrams are sent when the turn of the loop ends, each by itself. As UDP does, they can be
/// lost: one that the socket has no room for, or that is too large for the network, is dropped.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
/// use std::ops::ControlFlow;
/// use evio_core::Datagrams;
///
/// /// The `datagram` callback of an echo server.
/// fn datagram(socket: &mut Datagrams<'_>, peer: SocketAddr, input: &[u8]) -> ControlFlow<()> {
///     socket.send_to(input, peer);
///     ControlFlow::Continue(())
/// }
/// ```
pub struct Datagrams<'a> {
    pub(crate) socket: &'a BoundUdp,
    pub(crate) number: u32,
    pub(crate) outbox: &'a mut Outbox,
    pub(crate) thread_bound: ThreadBound,
}

impl Datagrams<'_> {
    /// Sends a datagram at the end of the turn.
    pub fn send_to(&mut self, bytes: &[u8], peer: SocketAddr) {
        self.outbox.push(self.number, bytes, peer);
    }

    /// Returns the index of this socket's address, in the order in which the server was given them.
    #[must_use]
    pub fn address_index(&self) -> usize {
        usize::from(self.socket.address_index)
    }

    /// Returns the address that was bound.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.socket.local_addr()
    }
}

impl fmt::Debug for Datagrams<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams").field("address_index", &self.address_index()).finish()
    }
}

/// A UDP socket of the loop.
#[derive(Debug)]
pub(crate) struct BoundUdp {
    pub(crate) socket: UdpSocket,
    pub(crate) address_index: u16,
}

/// The datagrams of a turn, end to end in one buffer that is reused.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
}

#[derive(Debug)]
struct Datagram {
    socket: u32,
    peer: SocketAddr,
    /// Where its bytes end, which is where those of the next begin.
    end: usize,
}

/// Bytes of waiting datagrams at which a socket's input waits for the next turn.
pub(crate) const OUTBOX_FULL: usize = 1 << 20;

impl Outbox {
    fn push(&mut self, socket: u32, bytes: &[u8], peer: SocketAddr) {
        self.bytes.extend_from_slice(bytes);
        self.datagrams.push(Datagram { socket, peer, end: self.bytes.len() });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes.len() >= OUTBOX_FULL
    }

    /// Sends and forgets everything.
    pub(crate) fn send(&mut self, sockets: &[BoundUdp]) {
        let mut start = 0;
        for Datagram { socket, peer, end } in self.datagrams.drain(..) {
            let bytes = &self.bytes[start..end];
            start = end;
            if let Some(BoundUdp { socket, .. }) = sockets.get(socket as usize) {
                send_datagram(socket, bytes, peer);
            }
        }
        self.bytes.clear();
        // One burst of large datagrams must not keep its memory for ever.
        self.bytes.shrink_to(OUTBOX_FULL);
    }
}

/// Sends once more after an error: it may be that of an earlier datagram, which the kernel reports
/// with the next call whatever that is for.
fn send_datagram(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(bytes, peer) {
        if error.kind() != io::ErrorKind::WouldBlock {
            let _ = socket.send_to(bytes, peer);
        }
    }
}

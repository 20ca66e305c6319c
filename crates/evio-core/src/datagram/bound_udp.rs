//! One UDP socket of a loop.

use std::time::Instant;

use evio_sys::net::UdpSocket;

/// A UDP socket of the loop.
#[derive(Debug)]
pub(crate) struct BoundUdp {
    pub(super) socket: UdpSocket,
    address_index: u16,
    /// How often there was an error, or nothing although the poller had reported it: since the last
    /// datagram, the last backoff, or the last time that all there was had been taken.
    pub(super) failures: usize,
    /// Until when it is out of the poller, if it is.
    pub(super) backoff_end: Option<Instant>,
}

impl BoundUdp {
    pub(crate) fn new(address_index: u16, socket: UdpSocket) -> Self {
        Self { socket, address_index, failures: 0, backoff_end: None }
    }

    pub(crate) fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    pub(crate) fn address_index(&self) -> u16 {
        self.address_index
    }
}

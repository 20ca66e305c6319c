//! The UDP sockets of one loop.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use evio_sys::net::{Received, is_defunct};
use evio_sys::{Interest, Poller};
use slab::Slab;

use crate::datagram::bound_udp::BoundUdp;
use crate::datagram::outbox::{Outbox, send_datagram};
use crate::types::backoff::backoff_end;
use crate::types::event_target::EventTarget;

/// Datagrams taken from all sockets in a turn, shared out among them; and from one at the most.
const DATAGRAM_BUDGET: usize = 512;
const SOCKET_BUDGET: usize = 64;

/// The least that is taken from one socket: 64 sockets are what a turn reports.
const SOCKET_MIN: usize = 8;

/// Failures in a row at which a socket is left alone for a while. An error about an earlier
/// datagram is told once, and a process that shares a socket with others may come late time and
/// again; neither reaches 64 in a row.
const MAX_FAILURES: usize = 64;

/// The UDP sockets of one loop, and what they are to send when the turn ends.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    sockets: Slab<BoundUdp>,
    outbox: Outbox,
    /// When the first backoff ends; what backed off may be gone by then.
    first_end: Option<Instant>,
}

/// The result of receiving from a socket.
#[derive(Debug)]
pub(crate) enum Reception {
    Datagram(Received),
    /// An earlier datagram's error, or nothing yet: ask again.
    Again,
    /// Nothing more in this turn.
    Done,
    /// The socket is of no use any more, and gone: its address index and the error.
    Failed(u16, io::Error),
}

impl Datagrams {
    /// Adds a socket.
    ///
    /// # Errors
    ///
    /// Fails when the socket cannot be polled.
    pub(crate) fn add(&mut self, bound: BoundUdp, poller: &Poller) -> io::Result<()> {
        let place = self.sockets.vacant_entry();
        let token = EventTarget::Datagram(place.key() as u32).token();
        poller.register(bound.socket(), token, Interest::READABLE)?;
        place.insert(bound);
        Ok(())
    }

    pub(crate) fn get(&self, slot: u32) -> Option<&BoundUdp> {
        self.sockets.get(slot as usize)
    }

    /// Returns the slot of the first socket that `is_meant`.
    pub(crate) fn find(&self, is_meant: impl Fn(&BoundUdp) -> bool) -> Option<u32> {
        let (slot, _) = self.sockets.iter().find(|(_, bound)| is_meant(bound))?;
        Some(slot as u32)
    }

    /// Returns how many datagrams a turn takes from each socket.
    pub(crate) fn share(&self) -> usize {
        (DATAGRAM_BUDGET / self.sockets.len().max(1)).clamp(SOCKET_MIN, SOCKET_BUDGET)
    }

    /// Receives one datagram into `buffer`; `is_first` says that it is the first of the turn.
    #[inline]
    pub(crate) fn receive(
        &mut self,
        slot: u32,
        is_first: bool,
        buffer: &mut [u8],
        poller: &Poller,
    ) -> Reception {
        // Looked up each time: a callback may have given it up.
        let Some(bound) = self.sockets.get_mut(slot as usize) else { return Reception::Done };
        if self.outbox.is_full() && !is_first {
            return Reception::Done;
        }
        match bound.socket.recv_from(buffer) {
            Ok(received) => {
                bound.failures = 0;
                Reception::Datagram(received)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !is_first => {
                // What was reported has been taken.
                bound.failures = 0;
                Reception::Done
            }
            Err(error) => self.receive_failed(slot, error, poller),
        }
    }

    #[cold]
    fn receive_failed(&mut self, slot: u32, error: io::Error, poller: &Poller) -> Reception {
        if is_defunct(&error) {
            let bound = self.sockets.remove(slot as usize);
            self.outbox.give_up(slot, None);
            // Fails only if the system has forgotten it already.
            let _ = poller.deregister(bound.socket());
            return Reception::Failed(bound.address_index(), error);
        }
        let bound = &mut self.sockets[slot as usize];
        bound.failures += 1;
        if bound.failures >= MAX_FAILURES {
            self.back_off(slot, poller);
            return Reception::Done;
        }
        match error.kind() {
            io::ErrorKind::WouldBlock => Reception::Done,
            // The fate of an earlier datagram to some peer: the next one may be well.
            _ => Reception::Again,
        }
    }

    /// Takes a socket out of the poller for a while: it is polled level-triggered, so one that
    /// nothing can be had from would be reported again and again.
    fn back_off(&mut self, slot: u32, poller: &Poller) {
        let bound = &mut self.sockets[slot as usize];
        bound.failures = 0;
        if poller.deregister(bound.socket()).is_ok() {
            let end = backoff_end(evio_sys::clock::now());
            bound.backoff_end = Some(end);
            self.first_end.get_or_insert(end);
        }
    }

    /// Returns when [`resume_due`](Self::resume_due) is to be called.
    #[inline]
    pub(crate) fn first_end(&self) -> Option<Instant> {
        self.first_end
    }

    /// Registers sockets again whose backoff is over.
    pub(crate) fn resume_due(&mut self, poller: &Poller, now: Instant) {
        if self.first_end.is_none_or(|end| end > now) {
            return;
        }
        for (slot, bound) in &mut self.sockets {
            if bound.backoff_end.is_some_and(|end| end <= now) {
                let token = EventTarget::Datagram(slot as u32).token();
                let result = poller.register(&bound.socket, token, Interest::READABLE);
                bound.backoff_end = result.err().map(|_| backoff_end(now));
            }
        }
        self.first_end = self.sockets.iter().filter_map(|(_, bound)| bound.backoff_end).min();
    }

    /// Gives up the sockets of an address, or all of them. Datagrams that wait for the end of the
    /// turn are still sent.
    pub(crate) fn stop(&mut self, address_index: Option<u16>, poller: &Poller) {
        let is_meant =
            |bound: &BoundUdp| address_index.is_none_or(|meant| meant == bound.address_index());
        let meant = self.sockets.iter().filter(|(_, bound)| is_meant(bound));
        for slot in meant.map(|(slot, _)| slot).collect::<Vec<_>>() {
            let BoundUdp { socket, .. } = self.sockets.remove(slot);
            let _ = poller.deregister(&socket);
            self.outbox.give_up(slot as u32, Some(socket));
        }
    }

    /// Sends a datagram when the turn ends. One for which there is no room is dropped.
    pub(crate) fn send_later(
        &mut self,
        slot: u32,
        bytes: &[u8],
        peer: SocketAddr,
        source: Option<IpAddr>,
    ) {
        self.outbox.push(slot, bytes, peer, source);
    }

    /// Sends a datagram at once, unless others wait for the end of the turn.
    pub(crate) fn send_now(
        &mut self,
        slot: u32,
        bytes: &[u8],
        peer: SocketAddr,
        source: Option<IpAddr>,
    ) {
        match self.sockets.get(slot as usize) {
            Some(bound) if self.outbox.is_empty() => {
                send_datagram(bound.socket(), bytes, peer, source);
            }
            _ => self.send_later(slot, bytes, peer, source),
        }
    }

    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Sends what waits for the end of the turn.
    pub(crate) fn flush(&mut self) {
        self.outbox.send(&self.sockets);
    }

    /// Drops what waits for the end of the turn.
    pub(crate) fn drop_output(&mut self) {
        self.outbox.clear();
    }
}

#[cfg(test)]
mod tests;

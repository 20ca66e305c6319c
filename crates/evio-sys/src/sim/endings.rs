//! How connections end.

use std::time::Duration;

use nix::errno::Errno;

use super::connecting::Listening;
use super::endpoint::{BOTH, Fin, Phase, RCV_SHUTDOWN, SEND_SHUTDOWN, mask};
use super::state::{Id, Kind, Owner, State};
use super::wire::Packet;

/// How long an acknowledgement waits at the most (`TCP_DELACK_MIN` of Linux).
const ACK_DELAY: Duration = Duration::from_millis(40);
/// How soon a program closes a socket of which it knows that it has failed.
const PROMPT: Duration = Duration::from_secs(1);

impl State {
    /// Ends the output (`inet_shutdown` of Linux), and the input too where `both` says so.
    pub(super) fn shutdown(&mut self, id: Id, both: bool) -> Result<(), Errno> {
        self.begin_call(id);
        self.note("shutdown", id, u64::from(both));
        if self.unix(id).is_some() {
            return self.shutdown_unix(id, both);
        }
        let endpoint = self.own(id)?;
        match endpoint.phase {
            Phase::Connecting => {
                endpoint.error = Some(Errno::ECONNRESET);
                endpoint.phase = Phase::Closed;
                self.wake(id, mask::ERR);
                self.wake(id, mask::STATE);
                return Ok(());
            }
            Phase::Closed | Phase::Connected => {}
        }
        let is_closed = endpoint.phase == Phase::Closed;
        endpoint.shutdown |= if both { BOTH } else { SEND_SHUTDOWN };
        if !is_closed && endpoint.fin == Fin::No {
            endpoint.fin = Fin::Wanted;
        }
        self.transmit(id);
        self.wake(id, mask::STATE);
        if is_closed { Err(Errno::ENOTCONN) } else { Ok(()) }
    }

    /// Resets the connection at once (`tcp_disconnect` of Linux); one of Unix sockets is shut down.
    pub(super) fn reset(&mut self, id: Id) -> Result<(), Errno> {
        if self.unix(id).is_some() {
            return self.shutdown(id, true);
        }
        self.begin_call(id);
        self.note("reset", id, 0);
        let endpoint = self.own(id)?;
        let peer = endpoint.peer;
        if endpoint.phase != Phase::Closed {
            endpoint.error = Some(Errno::ECONNRESET);
            if let Some(peer) = peer {
                self.send_packet(id, Packet::Rst(peer));
            }
        }
        let endpoint = self.own(id)?;
        endpoint.finish();
        endpoint.input.clear();
        endpoint.shutdown = 0;
        endpoint.fin_received = false;
        endpoint.owes_ack = false;
        endpoint.fin = Fin::No;
        self.wake(id, mask::ERR);
        Ok(())
    }

    /// Closes the last descriptor. With `leaves_name`, the socket file of a listener stays.
    pub(super) fn close(&mut self, id: Id, descriptor: std::os::fd::RawFd, leaves_name: bool) {
        self.begin_call(id);
        self.note("close", id, 0);
        self.descriptors.remove(&descriptor);
        self.open_ids.remove(&id);
        if self.is_program(id) {
            self.open -= 1;
        }
        self.note_late_close(id);
        self.note_closed(id);
        let Some(node) = self.node_mut(id) else { return };
        node.registrations.clear();
        match &mut node.kind {
            Kind::Stream(_) => self.close_stream(id),
            Kind::Unix(_) => self.close_unix(id, true),
            Kind::Udp(_) => self.close_udp(id),
            Kind::Listener(listening) => {
                let Listening { name, waiting, .. } = listening;
                let (name, waiting) = (name.clone(), std::mem::take(waiting));
                // There is no file that could stay of an address.
                if !leaves_name || name.port().is_some() {
                    self.listeners.remove(&name, id);
                }
                for server in waiting {
                    self.note_closed(server);
                    self.abandon(server);
                    self.close_unix(server, false);
                }
                self.nodes[id] = None;
            }
            Kind::Poller(_) => {
                self.nodes[id] = None;
                for node in self.nodes.iter_mut().flatten() {
                    node.registrations.retain(|registration| registration.poller != id);
                }
            }
            Kind::Notifier(_) | Kind::Reserve => self.nodes[id] = None,
        }
    }

    /// Returns whether a poller of the program reports this: what it reports no more, it may have
    /// given away, to code that does as it likes.
    pub(super) fn is_watched(&self, id: Id) -> bool {
        self.node(id)
            .is_some_and(|node| node.owner == Owner::Program && !node.registrations.is_empty())
    }

    /// Notes that the loop that has this socket knows, or is told, that it has failed.
    pub(super) fn note_failure(&mut self, id: Id) {
        let now = self.now;
        if !self.is_watched(id) {
            return;
        }
        if let Some(endpoint) = self.endpoint(id) {
            endpoint.failed_at.get_or_insert(now);
        }
    }

    /// Counts a socket of the program that has failed, and that its loop has kept nevertheless
    /// until now.
    pub(super) fn note_late_close(&mut self, id: Id) {
        let now = self.now;
        let failed_at = self.endpoint(id).and_then(|endpoint| endpoint.failed_at.take());
        let is_late = failed_at.is_some_and(|failed_at| now - failed_at > PROMPT);
        self.counts.late_closes += u64::from(is_late && self.is_program(id));
    }

    /// Notes a connection that the program closes, or leaves in the queue of a listener.
    fn note_closed(&mut self, id: Id) {
        let is_program = self.is_program(id);
        let end = self.end(id).ok().filter(|_| is_program);
        if let Some(connection) = end.map(|end| end.incoming().connection()) {
            self.records.note_closed(connection);
        }
    }

    /// Ends a connection whose owner is gone (`tcp_close` of Linux).
    fn close_stream(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id) else { return };
        let has_unread = !endpoint.input.is_empty();
        match endpoint.phase {
            // RFC 2525, 2.17: who drops input resets, so that the peer knows.
            Phase::Connected if has_unread => self.abandon(id),
            Phase::Connected => {
                endpoint.is_orphan = true;
                endpoint.shutdown = BOTH;
                if endpoint.fin == Fin::No {
                    endpoint.fin = Fin::Wanted;
                }
                self.transmit(id);
                self.free_if_over(id);
            }
            Phase::Connecting | Phase::Closed => self.abandon(id),
        }
    }

    /// Resets a connection that nobody has.
    pub(super) fn abandon(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id) else { return };
        let was_closed = endpoint.phase == Phase::Closed;
        let peer = endpoint.peer;
        endpoint.is_orphan = true;
        endpoint.finish();
        if let Some(peer) = peer.filter(|_| !was_closed) {
            self.send_packet(id, Packet::Rst(peer));
        }
        self.free_if_over(id);
    }

    /// Receives the end of the output of `from` (`tcp_fin` of Linux). If this end has not sent its
    /// own, the acknowledgement waits for something to go with (RFC 9293, 3.8.6.3).
    pub(super) fn receive_fin(&mut self, from: Id) {
        let Some(sender) = self.endpoint(from) else { return };
        let peer = sender.peer;
        let receiver = peer.and_then(|to| self.endpoint(to));
        let Some(receiver) = receiver.filter(|end| end.phase != Phase::Closed) else {
            return self.refuse(from);
        };
        receiver.fin_received = true;
        receiver.shutdown |= RCV_SHUTDOWN;
        receiver.owes_ack = true;
        let waits = receiver.fin == Fin::No;
        let Some(to) = peer else { return };
        match waits {
            true => self.schedule(self.now + ACK_DELAY, Packet::AckTimer(to)),
            false => self.send_owed_ack(to),
        }
        self.changed(to);
    }

    /// Acknowledges the FIN of the peer, if that has not been done.
    pub(super) fn send_owed_ack(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id).filter(|endpoint| endpoint.owes_ack) else { return };
        endpoint.owes_ack = false;
        if let Some(peer) = endpoint.peer {
            self.send_packet(id, Packet::FinAck(peer));
        }
    }

    /// Learns that the peer has received the FIN of this end.
    pub(super) fn receive_fin_ack(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id).filter(|end| end.phase == Phase::Connected) else {
            return;
        };
        endpoint.fin = Fin::Acknowledged;
        self.changed(id);
    }

    /// Tells of a change of an end, which may have been the last.
    fn changed(&mut self, id: Id) {
        if let Some(endpoint) = self.endpoint(id).filter(|endpoint| endpoint.has_both_ends()) {
            endpoint.finish();
        }
        self.wake(id, mask::STATE);
        self.free_if_over(id);
    }

    /// Receives a reset (`tcp_reset` of Linux).
    pub(super) fn receive_rst(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id).filter(|end| end.phase != Phase::Closed) else {
            return;
        };
        if endpoint.phase == Phase::Connected {
            // The loop that has it is told.
            self.note_failure(id);
        }
        let Some(endpoint) = self.endpoint(id) else { return };
        let is_half_closed = endpoint.fin_received && endpoint.fin == Fin::No;
        endpoint.error = Some(match endpoint.phase {
            Phase::Connecting => Errno::ECONNREFUSED,
            _ if is_half_closed => Errno::EPIPE,
            _ => Errno::ECONNRESET,
        });
        endpoint.finish();
        self.wake(id, mask::STATE);
        self.wake(id, mask::ERR);
        self.free_if_over(id);
    }

    /// Forgets an end that nobody has a descriptor of and that has nothing under way.
    pub(super) fn free_if_over(&mut self, id: Id) {
        let Some(endpoint) = self.endpoint(id) else { return };
        let is_over = endpoint.is_orphan && endpoint.phase == Phase::Closed;
        if is_over && endpoint.in_flight.is_empty() {
            self.nodes[id] = None;
        }
    }
}

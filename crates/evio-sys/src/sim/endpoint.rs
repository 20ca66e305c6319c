//! One end of a TCP connection.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use nix::errno::Errno;

use super::record::{ConnectionId, Direction};
use super::state::Id;

/// The bits of an event, with the values of `epoll_ctl(2)`.
pub(super) mod mask {
    pub(in crate::sim) const IN: u32 = 0x001;
    pub(in crate::sim) const PRI: u32 = 0x002;
    pub(in crate::sim) const OUT: u32 = 0x004;
    pub(in crate::sim) const ERR: u32 = 0x008;
    pub(in crate::sim) const HUP: u32 = 0x010;
    pub(in crate::sim) const RDHUP: u32 = 0x2000;
    pub(in crate::sim) const EXCLUSIVE: u32 = 1 << 28;
    pub(in crate::sim) const ONESHOT: u32 = 1 << 30;
    pub(in crate::sim) const ET: u32 = 1 << 31;
    /// What says how to report, and not what.
    pub(in crate::sim) const PRIVATE: u32 = EXCLUSIVE | ONESHOT | ET;
    /// A change that is told whatever is waited for (`sk_state_change` of Linux).
    pub(in crate::sim) const STATE: u32 = 0;
}

/// The bits of `sk_shutdown` in Linux.
pub(super) const RCV_SHUTDOWN: u8 = 1;
pub(super) const SEND_SHUTDOWN: u8 = 2;
pub(super) const BOTH: u8 = RCV_SHUTDOWN | SEND_SHUTDOWN;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// `SYN_SENT`.
    Connecting,
    /// Every state in which the connection exists (RFC 9293, 3.3.2).
    Connected,
    /// `CLOSED`, and `TIME_WAIT`, which the socket's owner cannot tell from it.
    Closed,
}

/// How far our FIN is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    No,
    /// To be sent behind what is left of the output.
    Wanted,
    Sent,
    Acknowledged,
}

#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) connection: ConnectionId,
    /// The client of the connection is this end.
    pub(super) is_client: bool,
    pub(super) peer: Option<Id>,
    pub(super) phase: Phase,
    pub(super) shutdown: u8,
    /// `SO_ERROR`.
    pub(super) error: Option<Errno>,
    pub(super) fin: Fin,
    pub(super) fin_received: bool,
    /// The acknowledgement of the peer's FIN waits for something to go with.
    pub(super) owes_ack: bool,
    /// Received and not read.
    pub(super) input: VecDeque<u8>,
    pub(super) recv_buffer: usize,
    /// Sent by the program and not on its way.
    pub(super) output: VecDeque<u8>,
    /// On its way to the peer.
    pub(super) in_flight: VecDeque<u8>,
    pub(super) send_buffer: usize,
    /// Somebody was told that there is no room (`SOCK_NOSPACE`): only then is room an event.
    pub(super) no_space: bool,
    /// A send has taken less than it was given, for want of room, and none has been made since.
    pub(super) was_refused: bool,
    /// Its descriptor is closed.
    pub(super) is_orphan: bool,
    pub(super) latency: Duration,
    /// How long output may stay unacknowledged (`TCP_USER_TIMEOUT`).
    pub(super) user_timeout: Option<Duration>,
    /// Since when output waits for the peer to take some.
    pub(super) waits_since: Option<Duration>,
    /// A timer of that runs.
    pub(super) is_window_watched: bool,
    /// When the loop that it is in learnt that it has failed, by a call or by an event.
    pub(super) failed_at: Option<Duration>,
    /// When the last segment of this end arrives: no other one overtakes it.
    pub(super) last_arrival: Duration,
}

impl Endpoint {
    pub(super) fn outgoing(&self) -> Direction {
        Direction::incoming(self.connection, !self.is_client)
    }

    /// Output that the peer has not acknowledged.
    pub(super) fn unacknowledged(&self) -> usize {
        self.output.len() + self.in_flight.len()
    }

    pub(super) fn room(&self) -> usize {
        self.send_buffer.saturating_sub(self.unacknowledged())
    }

    /// Returns whether a third of the send buffer is free (`sk_stream_is_writeable` of Linux).
    pub(super) fn is_writable(&self) -> bool {
        self.room() >= self.unacknowledged() / 2 && self.room() > 0
    }

    /// Returns what a poll says, as `tcp_poll` of Linux does.
    pub(super) fn events(&mut self) -> u32 {
        let mut events = 0;
        if self.shutdown == BOTH || self.phase == Phase::Closed {
            events |= mask::HUP;
        }
        if self.shutdown & RCV_SHUTDOWN != 0 {
            events |= mask::IN | mask::RDHUP;
        }
        if self.phase != Phase::Connecting {
            if !self.input.is_empty() {
                events |= mask::IN;
            }
            if self.shutdown & SEND_SHUTDOWN != 0 || self.is_writable() {
                events |= mask::OUT;
            } else {
                self.no_space = true;
            }
        }
        if self.error.is_some() {
            events |= mask::ERR;
        }
        events
    }

    /// Returns the error of a send that cannot be, which is taken (`sk_stream_error` of Linux).
    pub(super) fn send_error(&mut self) -> Errno {
        self.error.take().unwrap_or(Errno::EPIPE)
    }

    /// Ends the connection for this end (`tcp_done` of Linux).
    pub(super) fn finish(&mut self) {
        self.phase = Phase::Closed;
        self.shutdown = BOTH;
        self.output.clear();
    }

    /// Both FINs have been sent and acknowledged.
    pub(super) fn has_both_ends(&self) -> bool {
        self.fin == Fin::Acknowledged && self.fin_received
    }
}

/// Gives the first `len` bytes of a queue to `give`, in one or two parts, and removes them.
pub(super) fn take_front(queue: &mut VecDeque<u8>, len: usize, mut give: impl FnMut(&[u8])) {
    let (first, second) = queue.as_slices();
    let of_first = len.min(first.len());
    give(&first[..of_first]);
    give(&second[..len - of_first]);
    queue.drain(..len);
}

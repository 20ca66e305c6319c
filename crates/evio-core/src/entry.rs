//! One connection of the table, and how far it is on its way.

use std::io;
use std::mem;
use std::net::SocketAddr;

use evio_sys::Interest;
use evio_sys::net::Stream;

use crate::action::CloseReason;
use crate::config::{Config, Limits};
use crate::deadlines::{Deadlines, Expired};
use crate::outbound::{Beginning, Tag};
use crate::output::Output;
use crate::timer::Tick;
use crate::turn_output::Part;

/// One connection, without its context and without any buffer of its own while it is idle.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) stream: Stream,
    pub(crate) generation: u32,
    /// That of no address for a connection that did not come in by one.
    pub(crate) address_index: u16,
    pub(crate) beginning: Beginning,
    /// What the poller was last told; `None` if it has to be told again, since it has reported
    /// input that was left where it is.
    pub(crate) interest: Option<Interest>,
    pub(crate) phase: Phase,
    /// On the list of connections to be looked at when the turn ends.
    pub(crate) dirty: bool,
    /// On the list of connections that have more input than the poller will report.
    pub(crate) is_read_next: bool,
    /// The handler does not want input for now.
    pub(crate) paused: bool,
    /// The peer ended its output.
    pub(crate) peer_closed: bool,
    /// Input is wanted however much output waits.
    pub(crate) reads_while_congested: bool,
    pub(crate) fin: Fin,
    pub(crate) deadlines: Deadlines,
    /// The peer's address, kept since it cannot be asked for once the connection is reset. A Unix
    /// peer's is not worth its 110 bytes.
    pub(crate) peer: Option<SocketAddr>,
    /// What was written since output was last sent, if nothing is to be sent before it.
    ///
    /// Invariant: empty when there is `output`.
    pub(crate) written: Part,
    /// The queue of what waits to be sent otherwise.
    ///
    /// Invariant: `None` when nothing waits and the turn is over.
    pub(crate) output: Option<Box<Output>>,
    /// What few connections have.
    pub(crate) rare: Option<Box<Rare>>,
}

/// What would only make every entry larger.
#[derive(Debug, Default)]
pub(crate) struct Rare {
    /// The connection's own, instead of those of its address.
    pub(crate) limits: Option<Box<Limits>>,
    /// Input that a handler gave back for whoever gets the socket when it is detached.
    pub(crate) unread: Vec<u8>,
    pub(crate) tag: Tag,
}

/// How far the end of our output is, apart from an ending of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fin {
    No,
    Wanted,
    Sent,
}

/// The index of no address: there are limits of fewer.
const NO_ADDRESS: u16 = u16::MAX;

/// How far a connection is on its way from open to gone. Phases only ever go forward.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Output is taken, and waits until there is a connection to send it by. One that is
    /// `established` waits for the end of the turn only, so as not to be opened while the callback
    /// that asked for it runs.
    Connecting { established: bool },
    /// Callbacks are made and output is taken.
    Open,
    /// Callbacks are made. The output is sent, then ours is ended with a FIN.
    HalfClosed,
    /// The output is sent, then the socket leaves the loop.
    Detaching,
    /// The output is sent, then ours is ended with a FIN.
    Flushing(CloseReason),
    /// Input is thrown away until the peer closes too: closing earlier would reset the connection,
    /// and with it what the peer has not read yet.
    Draining(CloseReason),
    /// To be removed when the turn ends. `reset` tells the peer that output was lost.
    Ended { reason: CloseReason, reset: bool },
}

impl Entry {
    pub(crate) fn new(
        stream: Stream,
        peer: Option<SocketAddr>,
        address_index: u16,
        now: Tick,
    ) -> Self {
        Self {
            stream,
            generation: 0,
            address_index,
            beginning: Beginning::Accepted,
            interest: Some(Interest::READABLE),
            phase: Phase::Open,
            dirty: false,
            is_read_next: false,
            paused: false,
            peer_closed: false,
            reads_while_congested: false,
            fin: Fin::No,
            deadlines: Deadlines::new(now),
            peer,
            written: Part::default(),
            output: None,
            rare: None,
        }
    }

    /// Creates a connection that the program asked for.
    pub(crate) fn outbound(
        stream: Stream,
        peer: Option<SocketAddr>,
        beginning: Beginning,
        established: bool,
        now: Tick,
    ) -> Self {
        let interest = if established { Interest::READABLE } else { Interest::WRITABLE };
        let phase = Phase::Connecting { established };
        Self {
            beginning,
            interest: Some(interest),
            phase,
            ..Self::new(stream, peer, NO_ADDRESS, now)
        }
    }

    /// Returns whether callbacks are made and output is taken, as of nearly every connection.
    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    /// Returns whether callbacks are made.
    #[inline]
    pub(crate) fn is_served(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::HalfClosed)
    }

    pub(crate) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Connecting { .. })
    }

    #[inline]
    pub(crate) fn takes_output(&self) -> bool {
        self.is_open() || self.is_connecting() && self.fin == Fin::No
    }

    /// Returns whether input is wanted: by the handler, or to be thrown away.
    #[inline]
    pub(crate) fn wants_input(&self) -> bool {
        if self.is_served() {
            let is_held_up = self.is_congested() && !self.reads_while_congested;
            return !(self.paused || is_held_up || self.peer_closed);
        }
        // What a closing connection still receives is thrown away, so that a peer that writes all
        // it has before it reads comes to read.
        matches!(self.phase, Phase::Flushing(_) | Phase::Draining(_)) && !self.peer_closed
    }

    /// Returns whether nothing is to be done for the connection until something happens to it, as
    /// after nearly every turn.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.is_open() && !self.is_congested() && self.interest == Some(self.wanted_interest())
    }

    /// Returns whether the output went above the high watermark and has not come down to the low
    /// one yet.
    #[inline]
    pub(crate) fn is_congested(&self) -> bool {
        self.deadlines.congested.is_some()
    }

    /// Returns the earliest deadline and what it is for. A connection that has not begun, or is
    /// ending, has one only.
    pub(crate) fn next_deadline(&self, config: &Config, now: Tick) -> Option<(Tick, Expired)> {
        if self.is_served() {
            self.deadlines.next(self.limits(config), now)
        } else if self.is_connecting() {
            let due = self.deadlines.active.after(self.limits(config).connect_timeout)?;
            Some((due, Expired::Connect))
        } else {
            self.deadlines.closing.map(|tick| (tick, Expired::Closing))
        }
    }

    /// Returns what the connection's time is up for.
    pub(crate) fn expired(&self, config: &Config, now: Tick) -> Option<Expired> {
        let (tick, expired) = self.next_deadline(config, now)?;
        (tick.since(now) <= 0).then_some(expired)
    }

    #[inline]
    pub(crate) fn limits<'a>(&'a self, config: &'a Config) -> &'a Limits {
        match self.rare.as_deref() {
            Some(Rare { limits: Some(limits), .. }) => limits,
            _ => config.limits_of(self.address_index),
        }
    }

    pub(crate) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    pub(crate) fn output_len(&self) -> usize {
        self.output.as_ref().map_or(self.written.len(), |output| output.len())
    }

    /// Returns what the poller must be told for the present state.
    #[inline]
    pub(crate) fn wanted_interest(&self) -> Interest {
        match (self.wants_input(), self.output_len() > 0) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => Interest::HANGUP,
        }
    }

    /// Has the poller look again at input that is left alone for now.
    pub(crate) fn forget_reported(&mut self) {
        self.interest = None;
    }

    /// Ends the connection at once, when the turn ends; the first reason stays. While draining,
    /// all has been delivered, so it does not matter how the peer takes its leave.
    pub(crate) fn end(&mut self, reason: CloseReason, reset: bool) {
        self.phase = match mem::replace(&mut self.phase, Phase::Open) {
            Phase::Draining(reason) => Phase::Ended { reason, reset: false },
            ended @ Phase::Ended { .. } => ended,
            _ => Phase::Ended { reason, reset },
        };
    }

    /// Begins an ending that loses nothing; one that is under way goes on. What has not come about
    /// yet is given up.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        if self.is_served() {
            self.phase = Phase::Flushing(reason);
        } else if self.is_connecting() {
            self.end(reason, false);
        }
    }

    /// Takes no more output, and has ours ended once it is sent; input goes on.
    pub(crate) fn half_close(&mut self) {
        if self.takes_output() {
            self.fin = Fin::Wanted;
            if self.is_open() {
                self.phase = Phase::HalfClosed;
            }
        }
    }

    /// Ends our output, once.
    pub(crate) fn send_fin(&mut self) -> io::Result<()> {
        if self.fin != Fin::Sent {
            self.stream.shutdown_write()?;
            self.fin = Fin::Sent;
        }
        Ok(())
    }

    /// Ends the connection if the output that was added is more than its limit, and returns whether
    /// it has become congested by that.
    #[inline]
    pub(crate) fn check_limits(&mut self, config: &Config) -> bool {
        let len = self.output_len();
        let &Limits { high_watermark, max_output, .. } = self.limits(config);
        if len > max_output {
            self.end(CloseReason::OutputLimit, true);
        }
        len > high_watermark && !self.is_congested()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::timer::Wheel;

    impl Entry {
        /// Returns a new connection.
        pub(crate) fn for_test() -> Self {
            let now = evio_sys::clock::now();
            let now = Wheel::new(now).tick(now);
            Self::new(UnixStream::pair().unwrap().0.into(), None, 0, now)
        }
    }

    #[test]
    fn the_first_ending_stays() {
        let mut entry = Entry::for_test();
        entry.close(CloseReason::Shutdown);
        entry.close(CloseReason::Closed);
        assert!(matches!(entry.phase, Phase::Flushing(CloseReason::Shutdown)));
        entry.end(CloseReason::OutputLimit, true);
        entry.end(CloseReason::Closed, false);
        assert!(matches!(
            entry.phase,
            Phase::Ended { reason: CloseReason::OutputLimit, reset: true }
        ));
    }

    /// An idle connection must stay within its share of the 160 bytes that it may cost in all.
    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() <= 128, "{} bytes", size_of::<Entry>());
    }
}

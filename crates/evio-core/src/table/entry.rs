//! One connection of the table.

mod transitions;

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;

use evio_sys::Interest;
use evio_sys::net::Stream;

use crate::output::unsent::Unsent;
use crate::table::deadlines::Deadlines;
use crate::table::input_state::InputState;
use crate::table::owes::DeferredEnd;
use crate::table::phase::Phase;
use crate::table::wheel_time::WheelTime;
use crate::types::action::CloseReason;
use crate::types::conn_id::ConnKey;
use crate::types::conn_state::{ConnState, ConnStatus, StatusWriter};
use crate::types::limits::Limits;
use crate::types::origin::{Origin, OriginKind, Tag};
use crate::types::pause_reason::PauseReason;

/// One connection, without its context and without any buffer of its own while it is idle.
///
/// Everything that changes is private to the table, which lists what it changes.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(super) stream: Stream,
    pub(super) generation: u32,
    pub(super) origin: OriginKind,
    /// The interest that the poller was last told; `None` forces EPOLL_CTL_MOD, which reports input
    /// again that was reported and left unread.
    pub(super) poll_interest: Option<Interest>,
    /// Changed by `set_phase` in `transitions` alone.
    phase: Phase,
    /// Why the connection ends, once it does.
    reason: CloseReason,
    pub(super) listed: bool,
    /// In the backlog: there is more input than the poller will report.
    pub(super) in_backlog: bool,
    pub(super) input: InputState,
    /// Input is wanted however much output waits.
    pub(super) reads_while_congested: bool,
    pub(super) fin: Fin,
    pub(super) deadlines: Deadlines,
    /// The peer's address, kept since it cannot be asked for once the connection is reset. A Unix
    /// peer's is not worth its 110 bytes.
    pub(super) peer: Option<SocketAddr>,
    pub(super) unsent: Unsent,
    /// Set once and then changed: a handle, which needs some, can be made where nothing is changed.
    pub(super) extras: OnceCell<Box<Extras>>,
}

/// Rarely used fields, boxed to keep [`Entry`] small.
#[derive(Debug, Default)]
pub(super) struct Extras {
    /// The connection's own limits, instead of those of its address.
    pub(super) limits: Option<Box<Limits>>,
    /// Input that a handler has put back, for the owner of the socket after a detach.
    pub(super) put_back: Vec<u8>,
    /// Input that an adopted socket has brought along: it comes before what the socket has.
    pub(super) brought: VecDeque<u8>,
    pub(super) tag: Tag,
    /// Bytes of input that were there when the read deadline passed, and are still to be read: the
    /// loop was late, not the peer.
    pub(super) overdue: Option<usize>,
    /// When pauses end that have an end: one for each reason at the most.
    pub(super) resumes: Vec<(WheelTime, PauseReason)>,
    /// Bytes of input that have been discarded.
    pub(super) discarded: usize,
    /// The stall in which a loop that was late has tried to send, by its beginning.
    pub(super) tried_late: Option<WheelTime>,
    /// What those who hold a handle are told.
    pub(super) status: OnceCell<StatusWriter>,
    /// The connection was asked to be woken by a callback, and has not been yet.
    pub(super) is_woken: bool,
    /// Replies that the handler owes the peer.
    pub(super) owed_replies: u32,
    /// The ending that waits for them, and until when.
    pub(super) deferred_end: Option<DeferredEnd>,
}

/// How far our FIN is, apart from an ending of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fin {
    No,
    Wanted,
    Sent,
}

impl Entry {
    pub(crate) fn accepted(
        stream: Stream,
        peer: Option<SocketAddr>,
        address_index: u16,
        now: WheelTime,
    ) -> Self {
        Self {
            stream,
            generation: 0,
            origin: OriginKind::Accepted(address_index),
            poll_interest: Some(Interest::READABLE),
            phase: Phase::Open,
            reason: CloseReason::Closed,
            listed: false,
            in_backlog: false,
            input: InputState::WANTED,
            reads_while_congested: false,
            fin: Fin::No,
            deadlines: Deadlines::new(now),
            peer,
            unsent: Unsent::default(),
            extras: OnceCell::new(),
        }
    }

    /// Creates a connection that the program asked for.
    pub(crate) fn outbound(
        stream: Stream,
        peer: Option<SocketAddr>,
        origin: OriginKind,
        established: bool,
        now: WheelTime,
    ) -> Self {
        let interest = if established { Interest::READABLE } else { Interest::WRITABLE };
        Self {
            origin,
            poll_interest: Some(interest),
            phase: if established { Phase::Established } else { Phase::Connecting },
            ..Self::accepted(stream, peer, 0, now)
        }
    }

    pub(crate) fn with_tag(mut self, tag: Tag) -> Self {
        if tag != Tag::default() {
            self.extras_mut().tag = tag;
        }
        self
    }

    /// Gives the connection limits of its own.
    pub(crate) fn with_limits(mut self, limits: Option<&Limits>) -> Self {
        if let Some(limits) = limits {
            self.extras_mut().limits = Some(Box::new(*limits));
        }
        self
    }

    /// Adds input that comes before what the socket has.
    pub(crate) fn with_input(mut self, brought: Vec<u8>) -> Self {
        if !brought.is_empty() {
            self.extras_mut().brought = brought.into();
        }
        self
    }

    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Returns the socket and what the poller is told of it; `None` if it has to be told again.
    pub(crate) fn polled(&self) -> Option<(&Stream, Interest)> {
        self.poll_interest.map(|interest| (&self.stream, interest))
    }

    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    #[inline]
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn reason(&self) -> &CloseReason {
        &self.reason
    }

    pub(crate) fn key(&self, index: u32) -> ConnKey {
        ConnKey { index, generation: self.generation }
    }

    pub(crate) fn origin(&self) -> Origin {
        let tag = self.extras.get().map_or_else(Tag::default, |extras| extras.tag);
        match self.origin {
            OriginKind::Accepted(address_index) => Origin::Accepted { address_index },
            OriginKind::Connected | OriginKind::Dialed => Origin::Connected(tag),
            OriginKind::Adopted => Origin::Adopted(tag),
        }
    }

    /// Returns whether the loop has made it, and not taken it from a listener or another place.
    pub(crate) fn is_outbound(&self) -> bool {
        matches!(self.origin, OriginKind::Connected | OriginKind::Dialed)
    }

    /// Returns the index of the address that an accepted connection has come in by.
    pub(crate) fn address_index(&self) -> Option<u16> {
        match self.origin {
            OriginKind::Accepted(address_index) => Some(address_index),
            OriginKind::Connected | OriginKind::Dialed | OriginKind::Adopted => None,
        }
    }

    /// Returns the number of the dial that this is an attempt of.
    pub(crate) fn dial(&self) -> Option<u64> {
        let tag = self.extras.get().map_or_else(Tag::default, |extras| extras.tag);
        (self.origin == OriginKind::Dialed).then_some(tag.number)
    }

    #[inline]
    pub(crate) fn output_len(&self) -> usize {
        self.unsent.len()
    }

    /// Returns whether something was written that has to wait for the next `pre_write`.
    pub(crate) fn has_new_output(&self) -> bool {
        self.unsent.is_new()
    }

    #[inline]
    pub(crate) fn takes_output(&self) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Connecting | Phase::Established => self.fin == Fin::No,
            _ => false,
        }
    }

    /// Returns whether the output went above the high watermark and has not come down to the low
    /// one yet.
    #[inline]
    pub(crate) fn is_congested(&self) -> bool {
        self.deadlines.congested_since.is_some()
    }

    /// Returns whether input is read: for the handler, or to be discarded, so that a peer that
    /// writes all it has before it reads comes to read.
    #[inline]
    pub(crate) fn wants_input(&self) -> bool {
        if self.phase.is_active() {
            let is_held_up = self.is_congested() && !self.reads_while_congested;
            return self.input == InputState::WANTED && !is_held_up;
        }
        self.phase.discards_input() && self.input != InputState::ENDED
    }

    pub(super) fn input_ended(&self) -> bool {
        self.input == InputState::ENDED
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.input.is_paused()
    }

    pub(crate) fn is_paused_for(&self, reason: PauseReason) -> bool {
        self.input.is_paused_for(reason)
    }

    /// Returns whether nothing is to be done for the connection until something happens to it, as
    /// after nearly every turn.
    #[inline]
    pub(super) fn is_settled(&self) -> bool {
        self.phase == Phase::Open
            && !self.is_congested()
            && self.poll_interest == Some(self.wanted_interest())
    }

    /// Returns what the poller must be told for the present state.
    #[inline]
    pub(super) fn wanted_interest(&self) -> Interest {
        match (self.wants_input(), self.output_len() > 0) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => Interest::HANGUP,
        }
    }

    pub(super) fn extras_mut(&mut self) -> &mut Extras {
        // `OnceCell::get_mut_or_init` is not stable.
        let _ = self.extras.get_or_init(Box::default);
        self.extras.get_mut().expect("the extras have just been made")
    }

    /// Returns how the connection stands for those who want to send to it.
    fn state(&self) -> ConnState {
        match (self.takes_output(), self.is_congested()) {
            (true, false) => ConnState::Open,
            (true, true) => ConnState::Congested,
            (false, _) => ConnState::Ended,
        }
    }

    /// Returns what handles are told from now on.
    pub(super) fn status(&self, limits: &Limits) -> &Arc<ConnStatus> {
        let extras = self.extras.get_or_init(Box::default);
        let writer = || StatusWriter::new(self.state(), limits.high_watermark);
        extras.status.get_or_init(writer).status()
    }

    /// Returns where handles are told, if there are any.
    #[inline]
    pub(super) fn status_writer(&self) -> Option<&StatusWriter> {
        self.extras.get()?.status.get()
    }

    /// Tells handles how the connection stands.
    #[inline]
    pub(super) fn tell_state(&self) {
        if let Some(writer) = self.status_writer() {
            writer.set(self.state());
        }
    }

    /// Notes that a loop that was late tries to send. Returns whether it has not in this stall.
    pub(super) fn try_late(&mut self) -> bool {
        let waits_since = self.deadlines.waits_since();
        let before = mem::replace(&mut self.extras_mut().tried_late, waits_since);
        before != waits_since
    }

    /// Returns whether input is not read from the socket into the buffer and no more: it was
    /// overdue, or an adopted socket has brought it along.
    #[inline]
    pub(super) fn has_special_input(&self) -> bool {
        match self.extras.get() {
            Some(extras) => {
                extras.overdue.is_some_and(|overdue| overdue > 0) || !extras.brought.is_empty()
            }
            None => false,
        }
    }

    pub(super) fn has_brought_input(&self) -> bool {
        self.extras.get().is_some_and(|extras| !extras.brought.is_empty())
    }

    /// Sets when the pause for a reason ends.
    pub(super) fn set_resume(&mut self, reason: PauseReason, at: WheelTime) {
        self.forget_resume(reason);
        self.extras_mut().resumes.push((at, reason));
    }

    /// Forgets the end of a pause.
    pub(super) fn forget_resume(&mut self, reason: PauseReason) {
        if let Some(extras) = self.extras.get_mut() {
            extras.resumes.retain(|&(_, other)| other != reason);
        }
    }

    /// Returns the first end of a pause, and the reason.
    pub(super) fn first_resume(&self, now: WheelTime) -> Option<(WheelTime, PauseReason)> {
        let resumes = &self.extras.get()?.resumes;
        resumes.iter().copied().min_by_key(|&(at, _)| at.since(now))
    }

    pub(super) fn overdue(&self) -> Option<usize> {
        self.extras.get().and_then(|extras| extras.overdue)
    }

    pub(super) fn set_overdue(&mut self, overdue: Option<usize>) {
        if overdue.is_some() || self.extras.get().is_some() {
            self.extras_mut().overdue = overdue;
        }
    }

    /// Takes the socket, and the input that its next owner finds before what the socket has.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        let input = self.extras.into_inner().map_or_else(Vec::new, |extras| {
            let Extras { mut put_back, brought, .. } = *extras;
            put_back.extend(brought);
            put_back
        });
        (self.stream, input)
    }

    /// Ends the connection for its peer, also when a copy of the descriptor is open elsewhere: in a
    /// child process, or as a clone in this one.
    pub(crate) fn end_socket(&self, reset: bool) {
        if reset {
            // At worst the peer sees an ordinary end.
            let _ = self.stream.reset();
        } else if self.fin != Fin::Sent {
            // Fails if the peer has reset the connection, which is an end too.
            let _ = self.stream.shutdown_both();
        }
    }
}

#[cfg(test)]
mod tests;

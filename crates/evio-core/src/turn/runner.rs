//! One turn of the loop after the other: poll, dispatch, flush, timers.

use std::collections::VecDeque;
use std::hint;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use evio_sys::{Event, Events, clock};

use crate::accept::acceptor::Acceptor;
use crate::accept::listener::Accepted;
use crate::api::config::PanicPolicy;
use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::api::loop_state::LoopState;
use crate::api::message::{Command, Control};
use crate::api::serving::Serving;
use crate::mail::mailbox::Mailbox;
use crate::table::pages::Pages;
use crate::table::receiving::Readiness;
use crate::turn::broadcast::Broadcast;
use crate::turn::budget::{self, EVENTS};
use crate::turn::parts::Parts;
use crate::turn::read_buffer::ReadBuffer;
use crate::turn::shutdown::Shutdown;
use crate::turn::ticker::Ticker;
use crate::types::conn_id::ConnKey;
use crate::types::event_target::EventTarget;

/// Above this many connections those of a turn miss the cache; prefetching gains 1 % at 1,000, and
/// costs a thousandth at 50.
const PREFETCH_MIN_CONNS: usize = 256;

/// A loop that runs a handler.
///
/// The fields that every request needs come first, so that they are in few lines of the processor's
/// cache: each system call pushes them out.
#[repr(C)]
pub(crate) struct Runner<M, H: Handler<M>> {
    /// The one read buffer: input is borrowed from it for the time of a callback.
    pub(super) buffer: Box<ReadBuffer>,
    /// By the index of the connection, beside the table and not in it: so a callback can be given
    /// its context together with a `Conn` that reaches the whole table.
    pub(super) contexts: Pages<H::Context>,
    /// When the first timer of any kind is due, as of the end of the last turn.
    pub(super) next_deadline: Option<Instant>,
    pub(super) ticker: Ticker,
    pub(super) state: LoopState,
    pub(super) handler: H,
    /// [`PanicPolicy::CloseConnection`] is set.
    pub(super) contains_panics: bool,
    pub(super) mailbox: Mailbox<Command, Control>,
    pub(super) acceptor: Acceptor,
    pub(super) shutdown: Shutdown,
    /// How much mail this turn still carries out.
    pub(super) mail_budget: usize,
    /// The broadcast that is under way.
    pub(super) broadcast: Option<Broadcast>,
    /// Connections that the wheel has named and that have not been looked at.
    pub(super) fired: VecDeque<u32>,
    /// A list that is reused from turn to turn.
    pub(super) accepted: Vec<(usize, Accepted)>,
    /// The handler takes messages of this type.
    message: PhantomData<fn(M)>,
    /// Where the next check of the table begins.
    #[cfg(any(test, debug_assertions))]
    check_from: u32,
}

/// A connection that is to be read from.
pub(super) struct ReadRequest {
    pub(super) key: ConnKey,
    /// A short read does not get to all that the poller has reported.
    pub(super) must_read_on: bool,
}

impl<M: 'static, H: Handler<M>> Runner<M, H> {
    pub(super) fn new(parts: Parts, handler: H) -> Self {
        let Parts { state, mailbox, acceptor, shutdown, panic_policy } = parts;
        Self {
            buffer: ReadBuffer::new(),
            contexts: Pages::default(),
            next_deadline: None,
            ticker: Ticker::new(None),
            contains_panics: panic_policy == PanicPolicy::CloseConnection,
            state,
            handler,
            mailbox,
            acceptor,
            shutdown,
            mail_budget: 0,
            broadcast: None,
            fired: VecDeque::new(),
            accepted: Vec::new(),
            message: PhantomData,
            #[cfg(any(test, debug_assertions))]
            check_from: 0,
        }
    }

    /// Calls `serving`, then the first `tick`. If one of them ends the server, the other loops are
    /// told before they begin.
    pub(super) fn start(&mut self, serving: &Serving) {
        let flow = self.handler.serving(&mut Loop::new(&mut self.state), serving);
        self.apply_flow(flow);
        if !self.state.group.is_ending() {
            self.ticker = Ticker::new(Some(clock::now()));
            self.tick(clock::now());
        }
    }

    /// Carries out what was sent before the loop began.
    pub(super) fn begin(&mut self) {
        self.begin_turn();
        self.mailbox.collect();
        self.read_mailbox();
    }

    /// Does everything that the poller has reported, and what is due.
    pub(super) fn turn(&mut self, events: &Events) {
        self.begin_turn();
        // Work that the last turn left comes before anything that happened since.
        self.read_mailbox();
        if self.state.group.loops() > 1 {
            self.accept_first(events);
        }
        if self.state.table.len() >= PREFETCH_MIN_CONNS {
            self.prefetch(events);
        }
        self.dispatch_all(events);
        self.flush();
        self.run_timers();
        self.advance_shutdown(events.len());
    }

    fn begin_turn(&mut self) {
        self.state.table.begin_turn();
        self.mail_budget = budget::MAIL;
        if self.next_deadline.is_some() {
            // Somebody waits for a deadline: what happens now is stamped with the beginning.
            self.state.table.clock().now();
        }
    }

    /// Accepts before the callbacks of events: the poller wakes one loop for a connection that
    /// waits, and if a callback held it up, no other loop would accept it. A loop that was asleep
    /// has no mail left from the turn before.
    fn accept_first(&mut self, events: &Events) {
        let mut failed = Vec::new();
        for event in events {
            if let EventTarget::Listener(slot) = EventTarget::from(event.token()) {
                failed.extend(self.accept_from(slot));
            }
        }
        self.open_accepted();
        for (address_index, error) in failed {
            self.listener_failed(address_index, &error);
        }
    }

    /// Loads the connections of a turn into the processor's cache, all at the same time: one by
    /// one, the loop would wait for each of thousands.
    #[inline]
    fn prefetch(&self, events: &Events) {
        for event in events {
            if let EventTarget::Conn(key) = EventTarget::from(event.token()) {
                self.state.table.prefetch(key);
                hint::black_box(self.contexts.get(key.index).is_some());
            }
        }
    }

    /// Handles what the poller reports, then reads on where the last turns left input.
    ///
    /// A function of its own, into which `receive` is inlined with the only call of
    /// `Handler::data`, so that they become one piece of code. After each system call the processor
    /// has to fetch it again, which takes longer the more places it is in.
    #[inline(never)]
    fn dispatch_all(&mut self, events: &Events) {
        let share = budget::read_share(events.len());
        let mut left = self.state.table.begin_backlog(budget::BACKLOG).min(EVENTS);
        let mut events = events.iter();
        loop {
            let input = if let Some(event) = events.next() {
                self.dispatch(event)
            } else if left > 0 {
                left -= 1;
                self.state
                    .table
                    .next_in_backlog()
                    .map(|key| ReadRequest { key, must_read_on: true })
            } else {
                return;
            };
            if let Some(input) = input {
                self.receive(input, share);
            }
        }
    }

    /// Handles an event. Input is left to the caller.
    #[inline(always)]
    fn dispatch(&mut self, event: Event) -> Option<ReadRequest> {
        match EventTarget::from(event.token()) {
            EventTarget::Conn(key) => {
                let is_more = event.is_writable() || event.is_hangup_or_error();
                let has_input = if is_more { self.ready(key, event) } else { event.is_readable() };
                return has_input
                    .then_some(ReadRequest { key, must_read_on: event.must_read_on() });
            }
            EventTarget::Waker => {
                self.mailbox.woken();
                self.read_mailbox();
            }
            EventTarget::Listener(slot) if self.state.group.loops() == 1 => self.accept(slot),
            EventTarget::Listener(_) => {}
            EventTarget::Datagram(slot) => self.receive_datagrams(slot),
            EventTarget::Stop(slot) => self.stop(slot),
            EventTarget::Watch(slot) => self.watch_ready(slot, event),
        }
        None
    }

    /// Handles the rarer part of an event. Returns whether the connection is to be read from.
    #[inline(never)]
    fn ready(&mut self, key: ConnKey, event: Event) -> bool {
        let readiness = self.state.table.ready(key, event);
        if readiness == Readiness::CheckConnect {
            self.check_connect(key);
            return false;
        }
        if self.state.table.get(key).is_some_and(|entry| entry.output_len() > 0) {
            self.state.outgoing.expect_output();
        }
        readiness == Readiness::Read
    }

    /// Returns how long to wait for events: not at all while there is something left to do.
    ///
    /// A part of each of its callers: apart, it took 24 instructions more.
    #[inline(always)]
    pub(super) fn end_turn(&mut self) -> Option<Duration> {
        let is_busy = self.mailbox.collect_or_arm_wake()
            || self.has_output()
            || self.state.table.backlog_len() > 0
            || self.broadcast.is_some()
            || !self.fired.is_empty();
        #[cfg(any(test, debug_assertions))]
        self.check();
        self.next_deadline = self.first_deadline();
        let Some(next) = self.next_deadline else {
            return is_busy.then_some(Duration::ZERO);
        };
        let now = clock::now();
        self.state.table.end_turn(now);
        Some(if is_busy { Duration::ZERO } else { next.saturating_duration_since(now) })
    }

    fn first_deadline(&self) -> Option<Instant> {
        let others = [
            self.state.table.next_look(),
            self.acceptor.first_end(),
            self.state.datagrams.first_end(),
            self.state.timers.first(),
            self.shutdown.next_step(),
        ];
        others.into_iter().fold(self.ticker.deadline(), |first, next| match (first, next) {
            (Some(first), Some(next)) => Some(first.min(next)),
            _ => first.or(next),
        })
    }

    /// Checks the invariants of the table, and that every connection that callbacks are made of has
    /// a context.
    #[cfg(any(test, debug_assertions))]
    fn check(&mut self) {
        self.check_from = self.state.table.check(self.check_from);
        assert!(self.contexts.len() <= self.state.table.len(), "contexts of no connection");
    }
}

//! One turn of the loop after the other: poll, dispatch, flush, timers.

use std::any::Any;
use std::hint;
use std::io;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

use evio_sys::{Event, Events, clock};

use crate::action::{Action, CloseReason};
use crate::config::PanicPolicy;
use crate::conn::Conn;
use crate::conn_id::ConnKey;
use crate::entry::Phase;
use crate::event_loop::Serving;
use crate::handler::Handler;
use crate::input::Input;
use crate::loop_access::Loop;
use crate::loop_state::{LoopState, Shutdown};
use crate::mailbox::{Accepted, Manner};
use crate::source::Source;
use crate::ticker::Ticker;

/// Events taken in a turn. Few enough that the output of a turn is still in the cache when it is
/// sent: 64 cost 12 % less than 1024 for messages of 64 KiB, and the same for small ones.
const EVENTS_PER_TURN: usize = 64;

/// Input taken from one connection in a turn; also room for any datagram.
const READ_BUFFER: usize = 64 << 10;

/// From so many connections on, those of a turn are not in the processor's cache when it begins. To
/// fetch them together saves about one percent with 1,000 of them, and costs a thousandth with 50.
const FETCHED_FROM: usize = 256;

/// A loop that runs a handler.
///
/// What every request needs comes first, so that it is in few lines of the processor's cache: each
/// system call pushes them out.
#[repr(C)]
pub(crate) struct Running<H: Handler> {
    /// The one read buffer: input is borrowed from it for the time of a callback.
    pub(crate) buffer: Box<[u8]>,
    /// By the index of the connection, beside the table and not in it: so a callback can be given
    /// its context together with a `Conn` that reaches the whole table.
    pub(crate) contexts: Vec<Option<H::Context>>,
    /// Connections that have more input than the poller will report.
    ///
    /// Invariant: between turns, those with `is_read_next` set are on it, once each.
    pub(crate) read_next: Vec<ConnKey>,
    /// When the first timer of any kind is due, as of the end of the last turn.
    next_deadline: Option<Instant>,
    ticker: Ticker,
    pub(crate) state: LoopState,
    pub(crate) handler: H,
    /// What [`PanicPolicy`] says.
    pub(crate) contain_panics: bool,
    /// Lists that are reused from turn to turn.
    settling: Vec<ConnKey>,
    accepted: Vec<Accepted>,
    fired: Vec<u32>,
}

impl<H: Handler> Running<H> {
    pub(crate) fn new(state: LoopState, handler: H) -> Self {
        Self {
            buffer: vec![0; READ_BUFFER].into_boxed_slice(),
            contexts: Vec::new(),
            read_next: Vec::new(),
            next_deadline: None,
            ticker: Ticker::new(None),
            contain_panics: state.config.panic_policy == PanicPolicy::CloseConnection,
            state,
            handler,
            settling: Vec::new(),
            accepted: Vec::new(),
            fired: Vec::new(),
        }
    }

    /// Calls `serving`, then the first `tick`. If one of them ends the server, the other loops are
    /// told before they begin.
    pub(crate) fn start(&mut self, serving: &Serving) {
        let flow = self.handler.serving(&mut Loop::new(&mut self.state), serving);
        self.follow(flow);
        if self.state.shutdown == Shutdown::No {
            self.ticker = Ticker::new(Some(clock::now()));
            self.tick(clock::now());
        }
        self.advance_shutdown();
    }

    pub(crate) fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        self.begin_turn();
        // The end may have been asked for before the beginning.
        self.state.mailbox.collect();
        self.read_mailbox();
        self.advance_shutdown();
        while !self.is_done() {
            let timeout = self.end_turn();
            if let Err(error) = self.state.poller.poll(&mut events, timeout) {
                self.cut_off();
                return Err(error);
            }
            self.begin_turn();
            // What the last turn left comes before anything that happened since.
            self.read_mailbox();
            if self.state.conns.len() >= FETCHED_FROM {
                self.fetch(&events);
            }
            self.dispatch_all(&events);
            self.flush();
            self.run_timers();
            self.advance_shutdown();
        }
        Ok(())
    }

    fn begin_turn(&mut self) {
        self.state.clock.forget();
        if self.next_deadline.is_some() {
            // Somebody waits for a deadline: what happens now is stamped with the beginning.
            self.state.clock.now();
        }
    }

    /// Has the processor fetch the connections of a turn, all at the same time: one by one, each of
    /// thousands would be waited for.
    #[inline]
    fn fetch(&self, events: &Events) {
        for event in events.iter() {
            if let Source::Conn(key) = Source::from(event.token()) {
                self.state.conns.fetch(key);
                hint::black_box(self.contexts.get(key.index as usize).is_some_and(Option::is_some));
            }
        }
    }

    /// Reads on where the last turn left input, then handles what the poller reports.
    ///
    /// A function of its own, and the only place where `Handler::data` is called, so that the two
    /// become one piece of code. After each system call the processor has to fetch it again, which
    /// takes longer the more places it is in.
    #[inline(never)]
    fn dispatch_all(&mut self, events: &Events) {
        let mut left = 0..self.read_next.len();
        let mut events = events.iter();
        loop {
            let input = if let Some(number) = left.next() {
                self.left_input(number)
            } else {
                let Some(event) = events.next() else { break };
                self.dispatch(event)
            };
            if let Some(input) = input {
                self.receive(input);
            }
        }
        if left.end > 0 {
            self.read_next.drain(..left.end);
        }
    }

    /// Handles an event. Input is left to the caller.
    #[inline(always)]
    fn dispatch(&mut self, event: Event) -> Option<Input> {
        match Source::from(event.token()) {
            Source::Conn(key) => {
                let is_more = event.is_writable() || event.is_broken();
                let has_input = if is_more { self.ready(key, event) } else { event.is_readable() };
                return has_input.then_some(Input { key, has_more: event.has_more() });
            }
            Source::Waker => {
                self.state.mailbox.woken();
                self.read_mailbox();
            }
            Source::Listener(number) => self.accept(number),
            Source::Datagram(number) => self.receive_datagrams(number),
            Source::Stop => self.state.stop(),
        }
        None
    }

    /// Returns how long to wait for events: not at all while there is something left to do.
    fn end_turn(&mut self) -> Option<Duration> {
        let has_mail = self.state.mailbox.has_mail();
        let is_requested = matches!(self.state.shutdown, Shutdown::Requested(..));
        let busy = has_mail || self.has_output() || is_requested || !self.read_next.is_empty();
        self.next_deadline = self.first_deadline();
        let Some(next) = self.next_deadline else {
            return busy.then_some(Duration::ZERO);
        };
        let now = clock::now();
        self.state.correct_stamps(now);
        Some(if busy { Duration::ZERO } else { next.saturating_duration_since(now) })
    }

    fn first_deadline(&self) -> Option<Instant> {
        let shutdown = match self.state.shutdown {
            Shutdown::Until(deadline, _) => Some(deadline),
            Shutdown::No | Shutdown::Requested(..) => None,
        };
        let others = [self.state.wheel.next(), self.state.rests.first_end, shutdown];
        others.into_iter().fold(self.ticker.deadline(), |first, next| match (first, next) {
            (Some(first), Some(next)) => Some(first.min(next)),
            _ => first.or(next),
        })
    }

    fn run_timers(&mut self) {
        // What was set in this turn is not due in it.
        let Some(next) = self.next_deadline else { return };
        let now = self.state.clock.now();
        if next <= now {
            self.run_due_timers(now);
        }
    }

    /// Apart from the turns in which nothing is due.
    #[inline(never)]
    fn run_due_timers(&mut self, now: Instant) {
        self.state.resume_rested();
        if self.ticker.is_due(now) {
            self.tick(now);
        }
        self.state.wheel.advance(now, &mut self.fired);
        let mut fired = mem::take(&mut self.fired);
        for index in fired.drain(..) {
            self.look_at(index);
        }
        self.fired = fired;
    }

    fn tick(&mut self, now: Instant) {
        match self.handler.tick(&mut Loop::new(&mut self.state)) {
            ControlFlow::Continue(delay) => self.ticker.schedule(delay, now),
            ControlFlow::Break(()) => {
                self.ticker = Ticker::new(None);
                self.state.request_shutdown(Manner::Prompt);
            }
        }
    }

    /// Apart from `dispatch_all`, which is for requests.
    #[inline(never)]
    fn accept(&mut self, number: u32) {
        let mut accepted = mem::take(&mut self.accepted);
        let failed = self.state.accept(number, &mut accepted);
        for connection in accepted.drain(..) {
            self.open(connection);
        }
        self.accepted = accepted;
        if let Some((address_index, error)) = failed {
            self.listener_failed(address_index, &error);
        }
    }

    pub(crate) fn listener_failed(&mut self, address_index: usize, error: &io::Error) {
        let event_loop = &mut Loop::new(&mut self.state);
        let flow = self.handler.listener_failed(event_loop, address_index, error);
        self.follow(flow);
    }

    /// Makes a callback of a connection that is open for input at least; there is none for others.
    pub(crate) fn call(
        &mut self,
        key: ConnKey,
        callback: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context) -> Action,
    ) {
        self.call_if_served(key, CloseReason::Closed, callback);
    }

    /// As `call`; `reason` is what `Close` means here.
    pub(crate) fn call_if_served(
        &mut self,
        key: ConnKey,
        reason: CloseReason,
        callback: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context) -> Action,
    ) {
        if self.state.conns.get(key).is_some_and(|entry| entry.is_served()) {
            self.call_with(key, 0, reason, |handler, conn, context, _| {
                callback(handler, conn, context)
            });
        }
    }

    /// Makes a callback with the first `len` bytes of the read buffer. `reason` is what `Close`
    /// means here.
    #[inline(always)]
    pub(crate) fn call_with(
        &mut self,
        key: ConnKey,
        len: usize,
        reason: CloseReason,
        callback: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context, &[u8]) -> Action,
    ) {
        let context = self.contexts[key.index as usize].as_mut();
        let context = context.expect("an open connection has a context");
        let mut conn = Conn::new(&mut self.state, key);
        let (handler, input) = (&mut self.handler, &self.buffer[..len]);
        let call = || callback(handler, &mut conn, context, input);
        let action = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(action) => action,
            Err(panic) => return self.panicked(key, panic),
        };
        if action != Action::None {
            self.apply(key, action, reason);
        }
    }

    #[cold]
    fn panicked(&mut self, key: ConnKey, panic: Box<dyn Any + Send>) {
        if !self.contain_panics {
            resume_unwind(panic);
        }
        self.state.end(key, CloseReason::Panicked, true);
    }

    #[cold]
    fn apply(&mut self, key: ConnKey, action: Action, reason: CloseReason) {
        match action {
            Action::None => {}
            Action::Close => self.state.close(key, reason),
            Action::Detach => self.state.detach(key),
            Action::Shutdown => self.state.request_shutdown(Manner::Prompt),
        }
    }

    pub(crate) fn follow(&mut self, flow: ControlFlow<()>) {
        if flow.is_break() {
            self.state.request_shutdown(Manner::Prompt);
        }
    }

    /// Sends the output of the turn, and takes every connection that is on the list to where it
    /// belongs now. What the callbacks made here write is left for the next turn.
    #[inline]
    pub(crate) fn flush(&mut self) {
        if self.has_output() {
            self.flush_output();
        }
    }

    fn has_output(&self) -> bool {
        !self.state.dirty.is_empty() || !self.state.outbox.is_empty()
    }

    fn flush_output(&mut self) {
        if mem::take(&mut self.state.output_waiting) || !self.state.outbox.is_empty() {
            self.handler.pre_write(&mut Loop::new(&mut self.state));
        }
        if !self.state.outbox.is_empty() {
            self.state.outbox.send(&self.state.sockets);
        }
        let mut round = mem::replace(&mut self.state.dirty, mem::take(&mut self.settling));
        // Everything is sent before the first callback is made: what that writes, to whichever
        // connection, has to wait for another `pre_write`.
        self.state.send_round(&mut round);
        for key in round.drain(..) {
            self.settle(key);
        }
        self.settling = round;
    }

    fn settle(&mut self, key: ConnKey) {
        if self.state.relieve(key) {
            self.call(key, |handler, conn, context| handler.drained(conn, context));
        }
        self.state.advance_phase(key);
        match self.state.conns.get(key).map(|entry| (&entry.phase, entry.output_len())) {
            Some((Phase::Ended { .. }, _)) => self.finish(key),
            Some((Phase::Detaching, 0)) => self.hand_out(key),
            Some((Phase::Connecting { established: true }, _)) => self.establish(key),
            // The poller has been told already what such a connection waits for.
            Some((Phase::Connecting { .. }, _)) => {}
            _ => self.state.update_interest(key),
        }
    }
}

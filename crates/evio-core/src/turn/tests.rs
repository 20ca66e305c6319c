//! A loop that is run turn by turn, for the tests of this folder.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use evio_sys::clock;

use crate::accept::listener::Accepted;
use crate::api::config::Config;
use crate::api::conn::Conn;
use crate::api::event_loop_access::Loop;
use crate::api::handler::Handler;
use crate::api::udp::Udp;
use crate::dial::dial_error::DialError;
use crate::timer::loop_timer::LoopTimer;
use crate::turn::event_loop::EventLoop;
use crate::turn::runner::Runner;
use crate::types::action::{Action, CloseReason};
use crate::types::conn_id::ConnKey;
use crate::types::limits::Limits;

/// So long that it does not matter how long a test takes.
pub(super) const HOUR: Duration = Duration::from_secs(3_600);

/// More than all rounding of deadlines.
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// The longest wait for something that the system does at once.
const DEADLINE: Duration = Duration::from_secs(10);

/// Notes the callbacks that are made.
pub(super) struct Calls {
    pub(super) calls: Vec<String>,
    pub(super) ticks: ControlFlow<(), Duration>,
    /// What a timer of the loop does.
    pub(super) on_loop_timer: fn(&mut Loop<'_>, LoopTimer) -> ControlFlow<()>,
}

impl Handler for Calls {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        self.calls.push("opened".into());
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn timer(&mut self, _: &mut Conn<'_>, (): &mut ()) -> Action {
        self.calls.push("timer".into());
        Action::None
    }

    fn closed(&mut self, _: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        self.calls.push(format!("closed: {reason}"));
        ControlFlow::Continue(())
    }

    fn connect_failed(&mut self, _: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        self.calls.push(format!("not connected: {reason}"));
        ControlFlow::Continue(())
    }

    fn dial_failed(&mut self, _: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        self.calls.push(format!("dial failed: {}", error.failure()));
        ControlFlow::Continue(())
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        self.calls.push(format!("loop timer: {}", timer.tag().number));
        (self.on_loop_timer)(event_loop, timer)
    }

    fn datagram(&mut self, _: &mut Udp<'_>, _: SocketAddr, input: &[u8]) -> ControlFlow<()> {
        self.calls.push(format!("datagram: {}", String::from_utf8_lossy(input)));
        ControlFlow::Continue(())
    }

    fn listener_failed(
        &mut self,
        _: &mut Loop<'_>,
        address_index: u16,
        _: &io::Error,
    ) -> ControlFlow<()> {
        self.calls.push(format!("listener {address_index} failed"));
        ControlFlow::Continue(())
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.calls.push("tick".into());
        self.ticks
    }
}

/// A loop that is run turn by turn, and at other times than it is.
pub(super) struct Fixture {
    pub(super) runner: Runner<(), Calls>,
    pub(super) start: Instant,
}

impl Fixture {
    pub(super) fn new(limits: Limits) -> Self {
        Self::of(EventLoop::new(Config::default().limits(limits)).unwrap())
    }

    pub(super) fn of(event_loop: EventLoop) -> Self {
        let calls = Calls {
            calls: Vec::new(),
            ticks: ControlFlow::Continue(HOUR),
            on_loop_timer: |_, _| ControlFlow::Continue(()),
        };
        Self { runner: event_loop.into_runner(calls), start: clock::now() }
    }

    /// Returns a connection on its way to a loop, which counts it, and its peer.
    pub(super) fn accepted(&self, target: usize) -> (Accepted, UnixStream) {
        let (stream, client) = UnixStream::pair().unwrap();
        stream.set_nonblocking(true).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        self.runner.state.group.placement.add(target);
        (Accepted { stream: stream.into(), peer: None, address_index: 0 }, client)
    }

    /// Opens a connection, and returns its peer as well.
    pub(super) fn open(&mut self) -> (ConnKey, UnixStream) {
        let (accepted, client) = self.accepted(0);
        self.runner.open(accepted);
        self.calls();
        let key = self.runner.state.table.keys().pop().unwrap();
        (key, client)
    }

    /// Returns a fixture with a connection.
    pub(super) fn with_one(limits: Limits) -> (Self, ConnKey, UnixStream) {
        let mut fixture = Self::new(limits);
        let (key, client) = fixture.open();
        (fixture, key, client)
    }

    /// Begins a turn at a time after the start, with what the loop waits for at its beginning.
    pub(super) fn begin_turn(&mut self, time: Duration) {
        let Runner { state, ticker, acceptor, next_deadline, .. } = &mut self.runner;
        state.table.begin_turn();
        state.table.clock().set_now(self.start + time);
        let loop_timer = state.timers.first();
        let first = [state.table.next_look(), ticker.deadline(), acceptor.first_end(), loop_timer];
        *next_deadline = first.into_iter().flatten().min();
    }

    /// Runs the timers of a turn, and returns the callbacks.
    pub(super) fn run_timers(&mut self, time: Duration) -> Vec<String> {
        self.begin_turn(time);
        self.runner.run_timers();
        self.calls()
    }

    pub(super) fn calls(&mut self) -> Vec<String> {
        std::mem::take(&mut self.runner.handler.calls)
    }

    pub(super) fn is_active(&self, key: ConnKey) -> bool {
        self.runner.state.table.get(key).is_some_and(|entry| entry.phase().is_active())
    }

    pub(super) fn output_len(&self, key: ConnKey) -> usize {
        self.runner.state.table.get(key).map_or(0, |entry| entry.output_len())
    }

    pub(super) fn write(&mut self, key: ConnKey, bytes: &[u8]) {
        let state = &mut self.runner.state;
        state.table.write(key, bytes, &mut state.outgoing);
    }

    /// Returns how many connections a loop counts.
    pub(super) fn live(&self, loop_id: usize) -> usize {
        self.runner.state.group.placement.live(loop_id)
    }
}

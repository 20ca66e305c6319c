//! A record of the callbacks that are made for connections.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Detached, Handler, Loop, Serving, Timeout, Udp};

use super::{Reports, reports};

/// A callback of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Opened,
    Data,
    Woken,
    Drained,
    Timer,
    Stopping,
    PeerClosed,
    Closed(Reason),
    Detached,
    ConnectFailed(Reason),
}

impl Call {
    fn is_ending(self) -> bool {
        matches!(self, Self::Closed(_) | Self::Detached | Self::ConnectFailed(_))
    }
}

/// A [`CloseReason`] that can be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    PeerClosed,
    Closed,
    Aborted,
    Shutdown,
    Error(io::ErrorKind),
    OutputLimit,
    Timeout(Timeout),
    Withheld,
    DiscardLimit,
    Panicked,
}

impl From<&CloseReason> for Reason {
    fn from(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::PeerClosed => Self::PeerClosed,
            CloseReason::Closed => Self::Closed,
            CloseReason::Aborted => Self::Aborted,
            CloseReason::Shutdown => Self::Shutdown,
            CloseReason::Error(error) => Self::Error(error.kind()),
            CloseReason::OutputLimit => Self::OutputLimit,
            CloseReason::Timeout(timeout) => Self::Timeout(*timeout),
            CloseReason::Withheld => Self::Withheld,
            CloseReason::DiscardLimit => Self::DiscardLimit,
            CloseReason::Panicked => Self::Panicked,
            other => panic!("a reason that these tests do not know: {other}"),
        }
    }
}

/// Creates a recorder and its record.
pub(crate) fn recorder() -> (Recorder, Calls) {
    let (calls, seen) = reports();
    (Recorder(calls), Calls(seen))
}

/// The record, in the order of the calls.
pub(crate) struct Calls(Reports<(ConnId, Call)>);

impl Calls {
    /// Waits for the next call.
    #[track_caller]
    pub(crate) fn next(&self) -> Call {
        self.0.next().1
    }

    /// Waits for the next call, and returns it with its connection.
    #[track_caller]
    pub(crate) fn next_of(&self) -> (ConnId, Call) {
        self.0.next()
    }

    /// Waits until a connection has ended, and returns its id and the last call.
    #[track_caller]
    pub(crate) fn ending(&self) -> (ConnId, Call) {
        loop {
            let (id, call) = self.0.next();
            if call.is_ending() {
                return (id, call);
            }
        }
    }

    /// Waits until a connection has closed, and returns why.
    #[track_caller]
    pub(crate) fn reason(&self) -> Reason {
        match self.ending() {
            (_, Call::Closed(reason)) => reason,
            (id, call) => panic!("{id} was not closed: {call:?}"),
        }
    }

    /// Waits for the calls of one connection up to its ending.
    #[track_caller]
    pub(crate) fn until_ending(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        loop {
            let call = self.next();
            calls.push(call);
            if call.is_ending() {
                return calls;
            }
        }
    }

    /// Takes the calls that are there: all of them, once the server has ended.
    pub(crate) fn rest(&self) -> Vec<(ConnId, Call)> {
        self.0.rest()
    }
}

/// Records the calls of every handler that it wraps.
#[derive(Clone)]
pub(crate) struct Recorder(Sender<(ConnId, Call)>);

impl Recorder {
    pub(crate) fn wrap<H: Handler>(&self, handler: H) -> Recorded<H> {
        Recorded { calls: self.clone(), handler }
    }

    fn note(&self, id: ConnId, call: Call) {
        // A test that has failed is gone, and must not take the loop with it.
        let _ = self.0.send((id, call));
    }
}

/// A handler whose calls are recorded, each before it is made.
pub(crate) struct Recorded<H> {
    calls: Recorder,
    handler: H,
}

impl<H: Handler> Handler for Recorded<H> {
    type Context = H::Context;

    fn context(&mut self, conn: &Conn<'_>) -> H::Context {
        self.handler.context(conn)
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        self.handler.serving(event_loop, serving)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut H::Context) -> Action {
        self.calls.note(conn.id(), Call::Opened);
        self.handler.opened(conn, context)
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut H::Context, input: &[u8]) -> Action {
        self.calls.note(conn.id(), Call::Data);
        self.handler.data(conn, context, input)
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut H::Context) -> Action {
        self.calls.note(conn.id(), Call::Woken);
        self.handler.woken(conn, context)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut H::Context) -> Action {
        self.calls.note(conn.id(), Call::Drained);
        self.handler.drained(conn, context)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut H::Context) -> Action {
        self.calls.note(conn.id(), Call::Timer);
        self.handler.timer(conn, context)
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut H::Context) -> Action {
        self.calls.note(conn.id(), Call::Stopping);
        self.handler.stopping(conn, context)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut H::Context) -> Action {
        self.calls.note(conn.id(), Call::PeerClosed);
        self.handler.peer_closed(conn, context)
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        context: H::Context,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        assert_eq!(conn.output_len(), 0, "what ended sends nothing any more");
        self.calls.note(conn.id(), Call::Closed(Reason::from(&reason)));
        self.handler.closed(conn, context, reason)
    }

    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        id: ConnId,
        context: H::Context,
        socket: Detached,
    ) -> ControlFlow<()> {
        self.calls.note(id, Call::Detached);
        self.handler.detached(event_loop, id, context, socket)
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        self.calls.note(conn.id(), Call::ConnectFailed(Reason::from(&reason)));
        self.handler.connect_failed(conn, reason)
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        self.handler.datagram(socket, peer, input)
    }

    fn pre_write(&mut self, event_loop: &mut Loop<'_>) -> std::io::Result<()> {
        self.handler.pre_write(event_loop)
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.handler.tick(event_loop)
    }
}

//! The closures, called as the callbacks of a handler.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use evio_core::{
    Action, CloseReason, Conn, ConnId, Detached, DialError, Handler, Loop, LoopTimer, Serving, Udp,
    Watched,
};

use super::{ConnCallback, Events, dial_failed, loop_timer};

impl<C, M> Handler<M> for Events<'_, C, M> {
    type Context = C;

    fn context(&mut self, conn: &Conn<'_>) -> C {
        (self.context)(conn)
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        match &mut self.serving {
            Some(callback) => callback(event_loop, serving),
            None => ControlFlow::Continue(()),
        }
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        call(&mut self.opened, conn, context, Action::None)
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut C, input: &[u8]) -> Action {
        match &mut self.data {
            Some(callback) => callback(conn, context, input),
            None => Action::None,
        }
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        call(&mut self.woken, conn, context, Action::None)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        call(&mut self.drained, conn, context, Action::None)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        call(&mut self.timer, conn, context, Action::None)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        call(&mut self.peer_closed, conn, context, Action::Close)
    }

    fn unanswered(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        match &mut self.unanswered {
            Some(callback) => callback(conn, context),
            None => Action::Close,
        }
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut C) -> Action {
        call(&mut self.stopping, conn, context, Action::Close)
    }

    fn closed(&mut self, conn: &mut Conn<'_>, context: C, reason: CloseReason) -> ControlFlow<()> {
        match &mut self.closed {
            Some(callback) => callback(conn, context, reason),
            None => ControlFlow::Continue(()),
        }
    }

    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        id: ConnId,
        context: C,
        socket: Detached,
    ) -> ControlFlow<()> {
        match &mut self.detached {
            Some(callback) => callback(event_loop, id, context, socket),
            None => ControlFlow::Continue(()),
        }
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        match &mut self.connect_failed {
            Some(callback) => callback(conn, reason),
            None => ControlFlow::Continue(()),
        }
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        dial_failed::call(&mut self.dial_failed, event_loop, error)
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, message: M) -> ControlFlow<()> {
        match &mut self.message {
            Some(callback) => callback(event_loop, message),
            None => ControlFlow::Continue(()),
        }
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        loop_timer::call(&mut self.loop_timer, event_loop, timer)
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        match &mut self.datagram {
            Some(callback) => callback(socket, peer, input),
            None => ControlFlow::Continue(()),
        }
    }

    fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
        self.call_ready(watched)
    }

    fn listener_failed(
        &mut self,
        event_loop: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        match &mut self.listener_failed {
            Some(callback) => callback(event_loop, address_index, error),
            None => ControlFlow::Continue(()),
        }
    }

    fn pre_write(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        match &mut self.pre_write {
            Some(callback) => callback(event_loop),
            None => Ok(()),
        }
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        match &mut self.tick {
            Some(callback) => callback(event_loop),
            None => ControlFlow::Continue(Duration::MAX),
        }
    }
}

/// Calls a callback of a connection, or gives the answer of the trait's own.
fn call<C>(
    callback: &mut Option<ConnCallback<'_, C>>,
    conn: &mut Conn<'_>,
    context: &mut C,
    default: Action,
) -> Action {
    match callback {
        Some(callback) => callback(conn, context),
        None => default,
    }
}

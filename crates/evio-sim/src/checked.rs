//! A handler that looks over the shoulder of another one.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, Detached, DialError, Handler, Loop, LoopTimer, Origin,
    Serving, Udp, Watched,
};
use evio_sys::sim::{Direction, Kernel};

use crate::report::Report;
use crate::stalls::Blocker;
use crate::tracked::{Callback, Tracked};

/// Passes every callback on, and checks their order and the bytes.
pub(crate) struct Checked<H> {
    inner: H,
    /// What names its server in traces.
    server: String,
    loop_id: usize,
    kernel: Kernel,
    blocker: Blocker,
    /// Of all loops.
    report: Rc<RefCell<Report>>,
}

impl<H> Checked<H> {
    pub(crate) fn new(
        inner: H,
        (server, loop_id): (String, usize),
        kernel: Kernel,
        blocker: Blocker,
        report: Rc<RefCell<Report>>,
    ) -> Self {
        Self { inner, server, loop_id, kernel, blocker, report }
    }

    /// Ends the simulation if something is wrong, whatever the loop makes of panics.
    fn require(&self, right: Result<(), &str>, id: ConnId) {
        if let Err(wrong) = right {
            self.blocker.fail(format!("{id}: {wrong}"));
        }
    }

    fn tell(&self, callback: &str, id: ConnId) {
        self.kernel.tell(|| format!("  {}{callback} {id:?}", self.server));
    }

    /// Returns which bytes a connection is to be given.
    fn input_of(&self, conn: &Conn<'_>) -> Option<Direction> {
        match conn.origin() {
            Origin::Accepted { .. } | Origin::Connected(_) => self.kernel.input_of(conn),
            // What was read before is not known here.
            Origin::Adopted(_) => None,
        }
    }

    /// Makes a callback, and checks what holds before each.
    fn call<M>(
        &mut self,
        conn: &mut Conn<'_>,
        context: &mut Tracked<H::Context>,
        callback: Callback,
        call: impl FnOnce(&mut H, &mut Conn<'_>, &mut H::Context) -> Action,
    ) -> Action
    where
        H: Handler<M>,
    {
        self.require(context.check(conn, callback), conn.id());
        self.blocker.begin_callback();
        let action = call(&mut self.inner, conn, &mut context.inner);
        context.note(conn, callback, action);
        action
    }
}

impl<M, H: Handler<M>> Handler<M> for Checked<H> {
    type Context = Tracked<H::Context>;

    fn context(&mut self, conn: &Conn<'_>) -> Self::Context {
        self.tell("context", conn.id());
        let input = self.input_of(conn);
        let accepted = match conn.origin() {
            Origin::Accepted { .. } => input.map(Direction::connection),
            Origin::Connected(_) | Origin::Adopted(_) => None,
        };
        let opened = self.report.borrow_mut().open(conn.id(), self.loop_id, accepted);
        self.require(opened, conn.id());
        self.blocker.begin_callback();
        Tracked::new(self.inner.context(conn), input)
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context, input: &[u8]) -> Action {
        let (server, id) = (&self.server, conn.id());
        self.kernel.tell(|| format!("  {server}data {id:?}: {} bytes", input.len()));
        if let Some(direction) = context.input {
            if let Err(mismatch) = self.kernel.check_bytes(direction, context.read, input) {
                self.blocker.fail(format!("the handler was given what was not sent: {mismatch}"));
            }
            context.read += input.len();
        }
        self.call(conn, context, Callback::Data, |inner, conn, context| {
            inner.data(conn, context, input)
        })
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        self.blocker.begin_callback();
        self.inner.serving(event_loop, serving)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("opened", conn.id());
        self.call(conn, context, Callback::Opened, H::opened)
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("woken", conn.id());
        self.call(conn, context, Callback::Other, H::woken)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("drained", conn.id());
        self.call(conn, context, Callback::Drained, H::drained)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("timer", conn.id());
        self.call(conn, context, Callback::Other, H::timer)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("peer_closed", conn.id());
        if let Some(sent) = context.input.map(|direction| self.kernel.sent(direction)) {
            let right = (context.read == sent).then_some(());
            self.require(right.ok_or("the end came before the last byte"), conn.id());
        }
        self.call(conn, context, Callback::PeerClosed, H::peer_closed)
    }

    fn unanswered(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("unanswered", conn.id());
        self.call(conn, context, Callback::Unanswered, H::unanswered)
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("stopping", conn.id());
        self.call(conn, context, Callback::Other, H::stopping)
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        context: Self::Context,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        let (server, id) = (&self.server, conn.id());
        self.kernel.tell(|| format!("  {server}closed {id:?}: {reason:?}"));
        let ended = self.report.borrow_mut().end(conn.id(), self.loop_id);
        self.require(ended, conn.id());
        self.blocker.begin_callback();
        self.inner.closed(conn, context.inner, reason)
    }

    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        id: ConnId,
        context: Self::Context,
        socket: Detached,
    ) -> ControlFlow<()> {
        self.tell("detached", id);
        let ended = self.report.borrow_mut().end(id, self.loop_id);
        self.require(ended, id);
        self.blocker.begin_callback();
        self.inner.detached(event_loop, id, context.inner, socket)
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        let failed = self.report.borrow_mut().fail(conn.id());
        self.require(failed, conn.id());
        self.kernel.tell(|| format!("  connect_failed {:?}: {reason:?}", conn.id()));
        self.blocker.begin_callback();
        self.inner.connect_failed(conn, reason)
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        self.blocker.begin_callback();
        self.inner.dial_failed(event_loop, error)
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, message: M) -> ControlFlow<()> {
        self.kernel.tell(|| "  message".to_owned());
        self.blocker.begin_callback();
        self.inner.message(event_loop, message)
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        let bound = socket.local_addr().expect("a simulated socket knows its address");
        let local = SocketAddr::new(socket.local_ip().unwrap_or(bound.ip()), bound.port());
        if let Err(stray) = self.kernel.check_datagram(peer, local, input) {
            self.blocker.fail(format!("the handler was given {stray}"));
        }
        self.blocker.begin_callback();
        self.inner.datagram(socket, peer, input)
    }

    fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
        self.blocker.begin_callback();
        self.inner.ready(watched)
    }

    fn listener_failed(
        &mut self,
        event_loop: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        self.blocker.begin_callback();
        self.inner.listener_failed(event_loop, address_index, error)
    }

    fn pre_write(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        self.blocker.begin_callback();
        self.inner.pre_write(event_loop)
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        self.kernel.tell(|| "  loop_timer".to_owned());
        self.blocker.begin_callback();
        self.inner.loop_timer(event_loop, timer)
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.kernel.tell(|| "  tick".to_owned());
        self.blocker.begin_callback();
        self.inner.tick(event_loop)
    }
}

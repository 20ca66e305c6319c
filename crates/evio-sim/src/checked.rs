//! A handler that looks over the shoulder of another one.

use std::cell::RefCell;
use std::collections::BTreeSet;
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

/// Passes every callback on, and checks their order and the bytes.
pub(crate) struct Checked<H> {
    inner: H,
    kernel: Kernel,
    report: Rc<RefCell<Report>>,
}

/// What the handler was told.
#[derive(Debug, Default)]
pub(crate) struct Report {
    opened: u64,
    /// Connections that have not had their last callback, by their id's text: ids have no order.
    live: BTreeSet<String>,
}

impl Report {
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) fn check_end(&self) {
        let first = self.live.first();
        assert!(first.is_none(), "{} connections got no ending: {first:?}", self.live.len());
    }

    fn open(&mut self, id: ConnId) {
        self.opened += 1;
        assert!(self.live.insert(format!("{id:?}")), "{id:?} was opened twice");
    }

    fn end(&mut self, id: ConnId) {
        assert!(self.live.remove(&format!("{id:?}")), "{id:?} got two endings");
    }
}

/// A context, and what its connection has been given.
pub(crate) struct Tracked<C> {
    inner: C,
    /// What its input is; `None` if the kernel does not know its bytes.
    input: Option<Direction>,
    read: usize,
}

impl<H> Checked<H> {
    pub(crate) fn new(inner: H, kernel: Kernel, report: Rc<RefCell<Report>>) -> Self {
        Self { inner, kernel, report }
    }

    fn tell(&self, callback: &str, id: ConnId) {
        self.kernel.tell(|| format!("  {callback} {id:?}"));
    }

    /// Returns which bytes a connection is to be given.
    fn input_of(&self, conn: &Conn<'_>) -> Option<Direction> {
        match conn.origin() {
            Origin::Accepted { .. } | Origin::Connected(_) => self.kernel.input_of(conn),
            // What was read before is not known here.
            Origin::Adopted(_) => None,
        }
    }
}

impl<M, H: Handler<M>> Handler<M> for Checked<H> {
    type Context = Tracked<H::Context>;

    fn context(&mut self, conn: &Conn<'_>) -> Self::Context {
        self.tell("context", conn.id());
        self.report.borrow_mut().open(conn.id());
        let input = self.input_of(conn);
        Tracked { inner: self.inner.context(conn), input, read: 0 }
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context, input: &[u8]) -> Action {
        self.kernel.tell(|| format!("  data {:?}: {} bytes", conn.id(), input.len()));
        if let Some(direction) = context.input {
            if let Err(mismatch) = self.kernel.check_bytes(direction, context.read, input) {
                panic!("the handler was given what was not sent: {mismatch}");
            }
            context.read += input.len();
        }
        self.inner.data(conn, &mut context.inner, input)
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        self.inner.serving(event_loop, serving)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("opened", conn.id());
        self.inner.opened(conn, &mut context.inner)
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("woken", conn.id());
        self.inner.woken(conn, &mut context.inner)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("drained", conn.id());
        self.inner.drained(conn, &mut context.inner)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("timer", conn.id());
        self.inner.timer(conn, &mut context.inner)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("peer_closed", conn.id());
        if let Some(sent) = context.input.map(|direction| self.kernel.sent(direction)) {
            let read = context.read;
            assert_eq!(read, sent, "the end came before the last byte: {:?}", context.input);
        }
        self.inner.peer_closed(conn, &mut context.inner)
    }

    fn unanswered(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("unanswered", conn.id());
        self.inner.unanswered(conn, &mut context.inner)
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("stopping", conn.id());
        self.inner.stopping(conn, &mut context.inner)
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        context: Self::Context,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        self.kernel.tell(|| format!("  closed {:?}: {reason:?}", conn.id()));
        self.report.borrow_mut().end(conn.id());
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
        self.report.borrow_mut().end(id);
        self.inner.detached(event_loop, id, context.inner, socket)
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        self.kernel.tell(|| format!("  connect_failed {:?}: {reason:?}", conn.id()));
        self.inner.connect_failed(conn, reason)
    }

    fn dial_failed(&mut self, event_loop: &mut Loop<'_>, error: DialError) -> ControlFlow<()> {
        self.inner.dial_failed(event_loop, error)
    }

    fn message(&mut self, event_loop: &mut Loop<'_>, message: M) -> ControlFlow<()> {
        self.kernel.tell(|| "  message".to_owned());
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
            panic!("the handler was given {stray}");
        }
        self.inner.datagram(socket, peer, input)
    }

    fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
        self.inner.ready(watched)
    }

    fn listener_failed(
        &mut self,
        event_loop: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        self.inner.listener_failed(event_loop, address_index, error)
    }

    fn pre_write(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        self.inner.pre_write(event_loop)
    }

    fn loop_timer(&mut self, event_loop: &mut Loop<'_>, timer: LoopTimer) -> ControlFlow<()> {
        self.kernel.tell(|| "  loop_timer".to_owned());
        self.inner.loop_timer(event_loop, timer)
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.kernel.tell(|| "  tick".to_owned());
        self.inner.tick(event_loop)
    }
}

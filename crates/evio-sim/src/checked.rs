//! A handler that looks over the shoulder of another one.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
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

use crate::stalls::Blocker;

/// Passes every callback on, and checks their order and the bytes.
pub(crate) struct Checked<H> {
    inner: H,
    loop_id: usize,
    kernel: Kernel,
    blocker: Blocker,
    /// Of all loops.
    report: Rc<RefCell<Report>>,
}

/// What the handler was told.
#[derive(Debug, Default)]
pub(crate) struct Report {
    opened: u64,
    /// Connections that have not had their last callback, by their id's text, since ids have no
    /// order; with their loop.
    live: BTreeMap<String, usize>,
    /// The clients whose connections were opened, each of which has an address of its own.
    clients: BTreeSet<SocketAddr>,
}

impl Report {
    pub(crate) fn opened(&self) -> u64 {
        self.opened
    }

    pub(crate) fn check_end(&self) {
        let first = self.live.first_key_value();
        assert!(first.is_none(), "{} connections got no ending: {first:?}", self.live.len());
    }

    fn open(&mut self, id: ConnId, loop_id: usize, client: Option<SocketAddr>) {
        self.opened += 1;
        let is_new = self.live.insert(format!("{id:?}"), loop_id).is_none();
        assert!(is_new, "{id:?} was opened twice");
        let is_first = client.is_none_or(|client| self.clients.insert(client));
        assert!(is_first, "the connection of {client:?} was opened twice");
    }

    fn end(&mut self, id: ConnId, loop_id: usize) {
        let of = self.live.remove(&format!("{id:?}"));
        assert_eq!(of, Some(loop_id), "{id:?} got two endings, or that of another loop's");
    }
}

/// A context, and what its connection has been given.
pub(crate) struct Tracked<C> {
    inner: C,
    /// What its input is; `None` if the kernel does not know its bytes.
    input: Option<Direction>,
    read: usize,
    is_open: bool,
    /// It was told of the end of the input.
    has_ended: bool,
}

impl<H> Checked<H> {
    pub(crate) fn new(
        inner: H,
        loop_id: usize,
        kernel: Kernel,
        blocker: Blocker,
        report: Rc<RefCell<Report>>,
    ) -> Self {
        Self { inner, loop_id, kernel, blocker, report }
    }

    /// Ends the simulation if this does not hold, whatever the loop makes of panics.
    fn require(&self, holds: bool, what: &str, id: ConnId) {
        if !holds {
            self.blocker.fail(format!("{id}: {what}"));
        }
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
        let client = match conn.origin() {
            Origin::Accepted { .. } => conn.peer_addr().ok().and_then(|peer| peer.as_inet()),
            Origin::Connected(_) | Origin::Adopted(_) => None,
        };
        self.report.borrow_mut().open(conn.id(), self.loop_id, client);
        let input = self.input_of(conn);
        let inner = self.inner.context(conn);
        Tracked { inner, input, read: 0, is_open: false, has_ended: false }
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context, input: &[u8]) -> Action {
        self.kernel.tell(|| format!("  data {:?}: {} bytes", conn.id(), input.len()));
        if let Some(direction) = context.input {
            if let Err(mismatch) = self.kernel.check_bytes(direction, context.read, input) {
                self.blocker.fail(format!("the handler was given what was not sent: {mismatch}"));
            }
            context.read += input.len();
        }
        self.require(context.is_open && !context.has_ended, "data out of turn", conn.id());
        self.blocker.block_by_chance();
        self.inner.data(conn, &mut context.inner, input)
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        self.inner.serving(event_loop, serving)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("opened", conn.id());
        self.require(!context.is_open, "opened twice", conn.id());
        context.is_open = true;
        self.blocker.block_by_chance();
        self.inner.opened(conn, &mut context.inner)
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("woken", conn.id());
        self.blocker.block_by_chance();
        self.inner.woken(conn, &mut context.inner)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("drained", conn.id());
        self.blocker.block_by_chance();
        self.inner.drained(conn, &mut context.inner)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("timer", conn.id());
        self.blocker.block_by_chance();
        self.inner.timer(conn, &mut context.inner)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("peer_closed", conn.id());
        if let Some(sent) = context.input.map(|direction| self.kernel.sent(direction)) {
            self.require(context.read == sent, "the end came before the last byte", conn.id());
        }
        self.require(context.is_open && !context.has_ended, "two ends", conn.id());
        context.has_ended = true;
        self.blocker.block_by_chance();
        self.inner.peer_closed(conn, &mut context.inner)
    }

    fn unanswered(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("unanswered", conn.id());
        self.blocker.block_by_chance();
        self.inner.unanswered(conn, &mut context.inner)
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("stopping", conn.id());
        self.blocker.block_by_chance();
        self.inner.stopping(conn, &mut context.inner)
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        context: Self::Context,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        self.kernel.tell(|| format!("  closed {:?}: {reason:?}", conn.id()));
        self.report.borrow_mut().end(conn.id(), self.loop_id);
        self.blocker.block_by_chance();
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
        self.report.borrow_mut().end(id, self.loop_id);
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
        self.blocker.block_by_chance();
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
        self.blocker.block_by_chance();
        self.inner.loop_timer(event_loop, timer)
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.kernel.tell(|| "  tick".to_owned());
        self.blocker.block_by_chance();
        self.inner.tick(event_loop)
    }
}

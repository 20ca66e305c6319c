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
    /// Connections that have not had their last callback.
    live: BTreeSet<ConnId>,
    /// Those that have had it.
    ended: BTreeSet<ConnId>,
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
        assert!(self.live.insert(id), "{id:?} was opened twice");
    }

    fn end(&mut self, id: ConnId) {
        assert!(self.live.remove(&id), "{id:?} got two endings");
        self.ended.insert(id);
    }

    fn fail(&mut self, id: ConnId) {
        assert!(!self.live.contains(&id), "{id:?} was opened, and is said not to have come about");
        assert!(self.ended.insert(id), "{id:?} got two endings");
    }
}

/// A context, and what its connection has been given.
pub(crate) struct Tracked<C> {
    inner: C,
    /// What its input is; `None` if the kernel does not know its bytes.
    input: Option<Direction>,
    read: usize,
    /// After its last callback too much output waited.
    was_congested: bool,
    /// Its handler has asked for its end.
    is_ending: bool,
}

/// The callbacks that are different from the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callback {
    Data,
    Drained,
    Unanswered,
    Other,
}

impl<C> Tracked<C> {
    fn check_before(&self, conn: &Conn<'_>, callback: Callback) {
        let id = conn.id();
        if callback == Callback::Unanswered {
            // The only one that may come while an ending waits for replies.
            return;
        }
        assert!(!self.is_ending, "{id:?} goes on after its handler has asked for its end");
        let is_congested = conn.is_congested();
        match callback {
            Callback::Drained => assert!(!is_congested, "{id:?} is drained and congested"),
            _ => assert!(is_congested || !self.was_congested, "{id:?} has not been drained"),
        }
        if callback == Callback::Data {
            assert!(!conn.is_paused(), "{id:?} is paused, and its input is read");
        }
    }

    fn note(&mut self, conn: &Conn<'_>, action: Action) {
        self.was_congested = conn.is_congested();
        self.is_ending |= matches!(action, Action::Close | Action::Detach);
    }
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
        let direction = match conn.origin() {
            Origin::Accepted { .. } => Direction::FromClient(conn.peer_addr().ok()?.as_inet()?),
            Origin::Connected(_) => Direction::ToClient(conn.local_addr().ok()?.as_inet()?),
            Origin::Adopted(_) => return None,
        };
        self.kernel.sent(direction).map(|_| direction)
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
        context.check_before(conn, callback);
        let action = call(&mut self.inner, conn, &mut context.inner);
        context.note(conn, action);
        action
    }
}

impl<M, H: Handler<M>> Handler<M> for Checked<H> {
    type Context = Tracked<H::Context>;

    fn context(&mut self, conn: &Conn<'_>) -> Self::Context {
        self.tell("context", conn.id());
        self.report.borrow_mut().open(conn.id());
        let input = self.input_of(conn);
        let inner = self.inner.context(conn);
        Tracked { inner, input, read: 0, was_congested: false, is_ending: false }
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context, input: &[u8]) -> Action {
        self.kernel.tell(|| format!("  data {:?}: {} bytes", conn.id(), input.len()));
        if let Some(direction) = context.input {
            if let Err(mismatch) = self.kernel.check_bytes(direction, context.read, input) {
                panic!("the handler was given what was not sent: {mismatch}");
            }
            context.read += input.len();
        }
        self.call(conn, context, Callback::Data, |inner, conn, context| {
            inner.data(conn, context, input)
        })
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        self.inner.serving(event_loop, serving)
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut Self::Context) -> Action {
        self.tell("opened", conn.id());
        self.call(conn, context, Callback::Other, H::opened)
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
        if let Some(sent) = context.input.and_then(|direction| self.kernel.sent(direction)) {
            let read = context.read;
            assert_eq!(read, sent, "the end came before the last byte: {:?}", context.input);
        }
        self.call(conn, context, Callback::Other, H::peer_closed)
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
        self.report.borrow_mut().fail(conn.id());
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

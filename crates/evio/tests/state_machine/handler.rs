//! The server's side: the handler of each loop.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Detached, Handler, Loop, Origin, Serving, Udp};

use super::callback::{check_accepted, check_congestion, take_input};
use super::dice::Dice;
use super::link::{Kind, Link, Outcome};
use super::plan::Ending;
use super::world::{Known, Phase, World};
use super::{around, detached, udp};
use crate::util::{Call, Reason};

/// One loop's handler.
pub(crate) struct Machine {
    pub(super) world: Arc<World>,
    pub(super) loop_id: usize,
    pub(super) dice: Dice,
    is_serving: bool,
}

/// The context of a connection, which the library must give back to the same one.
pub(crate) struct Context {
    pub(super) link: Arc<Link>,
    pub(super) id: ConnId,
    world: Arc<World>,
}

impl Drop for Context {
    fn drop(&mut self) {
        self.world.contexts.fetch_sub(1, SeqCst);
        self.world.pulse.beat();
    }
}

impl Machine {
    pub(crate) fn new(world: &Arc<World>, loop_id: usize) -> Self {
        let dice = Dice::new(world.seed, u64::MAX - 1 - loop_id as u64);
        Self { world: Arc::clone(world), loop_id, dice, is_serving: false }
    }

    /// A client of the round that is not recognised is missed, since nothing is heard of it.
    fn stranger(&self, conn: &Conn<'_>) -> Arc<Link> {
        self.world.note(format!("a stranger: {conn:?}"));
        let link = self.world.new_link(Kind::Stranger, false);
        let mut peer = link.peer.lock();
        (peer.is_connected, peer.has_left, peer.finished) = (true, true, Some(0));
        peer.outcome = Some(Outcome::Left);
        drop(peer);
        link
    }

    /// Finds what was connected or adopted, and checks that it is known by its tag.
    fn find_outbound(&self, id: ConnId, origin: Origin) -> Arc<Link> {
        let world = &self.world;
        let live = world.loops[self.loop_id].live.lock();
        let link = live.iter().find(|(other, _)| *other == id).map(|(_, link)| Arc::clone(link));
        drop(live);
        let Some(link) = link else {
            world.fault(None, &format!("nobody has asked for {id}, which is {origin:?}"));
            return world.new_link(Kind::Connected, false);
        };
        let (tag, is_adopted) = match origin {
            Origin::Adopted(tag) => (Some(tag), true),
            Origin::Connected(tag) => (Some(tag), false),
            Origin::Accepted { .. } => (None, false),
        };
        if link.server.lock().tag != tag || is_adopted != (link.kind == Kind::Adopted) {
            world.fault(Some(&link), &format!("has come about as {origin:?}"));
        }
        link
    }
}

impl Handler for Machine {
    type Context = Context;

    fn context(&mut self, conn: &Conn<'_>) -> Context {
        let (world, id) = (Arc::clone(&self.world), conn.id());
        let link = match conn.origin() {
            Origin::Accepted { .. } => {
                let peer = conn.peer_addr().map(|peer| peer.to_string());
                let names = world.names.lock();
                let link = peer.ok().and_then(|peer| names.get(&peer).cloned());
                drop(names);
                link.unwrap_or_else(|| self.stranger(conn))
            }
            origin => self.find_outbound(id, origin),
        };
        let mut server = link.server.lock();
        let is_first = !server.has_context;
        server.has_context = true;
        server.id.get_or_insert(id);
        drop(server);
        if !is_first {
            world.fault(Some(&link), "a second context");
        }
        world.contexts.fetch_add(1, SeqCst);
        Context { link, id, world }
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, serving: &Serving) -> ControlFlow<()> {
        let has_begun =
            self.is_serving || !self.world.loops.iter().all(|side| side.live.lock().is_empty());
        if has_begun || self.loop_id != 0 {
            self.world.fault(None, &format!("serving on loop {}: {serving:?}", self.loop_id));
        }
        self.is_serving = true;
        *self.world.first_loop.lock() = Some(event_loop.handle());
        self.world.pulse.beat();
        ControlFlow::Continue(())
    }

    fn opened(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        let link = self.enter(conn.id(), context, Call::Opened);
        let world = Arc::clone(&self.world);
        let side = &world.loops[self.loop_id];
        if link.kind.is_accepted() {
            side.live.lock().push((conn.id(), Arc::clone(&link)));
            side.accepted.fetch_add(1, SeqCst);
            check_accepted(&world, conn, &link);
        }
        let known = Known {
            handle: conn.handle(),
            event_loop: conn.loop_handle(),
            link: Arc::clone(&link),
        };
        world.handles.lock().push(known);
        self.prepare_end(conn, &link);
        self.act(conn, &link, Call::Opened)
    }

    fn data(&mut self, conn: &mut Conn<'_>, context: &mut Context, input: &[u8]) -> Action {
        let link = self.enter(conn.id(), context, Call::Data);
        let world = Arc::clone(&self.world);
        let from = link.server.lock().received;
        world.note_of(&link, format!("data of {} bytes, from {from}", input.len()));
        world.check(&link, take_input(&world, &link, input));
        check_congestion(&world, conn, &link);
        let action = self.act(conn, &link, Call::Data);
        if action == Action::Detach && link.server.lock().is_detaching {
            detached::put_back_some(&world, conn, &link, input);
        }
        action
    }

    fn woken(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        let link = self.enter(conn.id(), context, Call::Woken);
        self.act(conn, &link, Call::Woken)
    }

    fn drained(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        let link = self.enter(conn.id(), context, Call::Drained);
        let (low, len) = (link.server.lock().limits.low_watermark, conn.output_len());
        if len > low || conn.is_congested() {
            self.world.fault(Some(&link), &format!("drained with {len} bytes waiting"));
        }
        self.act(conn, &link, Call::Drained)
    }

    fn timer(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        let link = self.enter(conn.id(), context, Call::Timer);
        self.act(conn, &link, Call::Timer)
    }

    fn peer_closed(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        let link = self.enter(conn.id(), context, Call::PeerClosed);
        let received = link.server.lock().received;
        let peer = link.peer.lock();
        let (finished, has_left) = (peer.finished, peer.has_left);
        drop(peer);
        if finished.is_none() || finished != Some(received) && !has_left {
            let what = format!("the end of input after {received} bytes, and not {finished:?}");
            self.world.fault(Some(&link), &what);
        }
        self.act(conn, &link, Call::PeerClosed)
    }

    fn stopping(&mut self, conn: &mut Conn<'_>, context: &mut Context) -> Action {
        let link = self.enter(conn.id(), context, Call::Stopping);
        self.act(conn, &link, Call::Stopping)
    }

    fn closed(
        &mut self,
        conn: &mut Conn<'_>,
        context: Context,
        reason: CloseReason,
    ) -> ControlFlow<()> {
        let link = self.enter(conn.id(), &context, Call::Closed(Reason::from(&reason)));
        self.over(conn, &link, &reason);
        self.flow(Ending::Closed)
    }

    fn detached(
        &mut self,
        event_loop: &mut Loop<'_>,
        id: ConnId,
        context: Context,
        socket: Detached,
    ) -> ControlFlow<()> {
        let link = self.enter(id, &context, Call::Detached);
        around::forget(&self.world, self.loop_id, &link);
        if event_loop.conn(id).is_some() {
            self.world.fault(Some(&link), "a detached connection can be reached");
        }
        detached::take_over(&self.world, &link, socket, event_loop);
        self.act_around(event_loop, 30);
        self.flow(Ending::Detached)
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        let link = self.find_outbound(conn.id(), conn.origin());
        self.enter_link(&link, Call::ConnectFailed(Reason::from(&reason)));
        self.over(conn, &link, &reason);
        self.flow(Ending::ConnectFailed)
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        self.world.census.count("call datagram");
        udp::answer(&self.world, socket, peer, input);
        self.act_around(&mut socket.event_loop(), 50);
        self.flow(Ending::Datagram)
    }

    fn listener_failed(
        &mut self,
        _: &mut Loop<'_>,
        address_index: u16,
        error: &io::Error,
    ) -> ControlFlow<()> {
        self.world.fault(None, &format!("listener {address_index} failed: {error}"));
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        self.act_around(event_loop, 5);
        let is_withheld = self.world.plan.withholds
            && self.world.phase() == Phase::Running
            && self.dice.below(200) == 0;
        if is_withheld {
            self.withhold();
        }
        self.world.loops[self.loop_id].pre_writes.fetch_add(1, SeqCst);
        if is_withheld { Err(io::Error::other("planned")) } else { Ok(()) }
    }

    fn tick(&mut self, event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        if self.loop_id != 0 || !self.is_serving {
            self.world.fault(None, "a tick before serving, or on another loop");
        }
        self.world.census.count("call tick");
        self.act_around(event_loop, 80);
        if self.flow(Ending::Tick).is_break() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(self.dice.millis(6))
    }
}

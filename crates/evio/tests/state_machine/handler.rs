//! The server's side: every callback is checked against the model, then does things by chance.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Detached, Handler, Loop, Origin, Serving, Tag, Udp};

use super::dice::Dice;
use super::known::is_known;
use super::link::{Kind, Link};
use super::noise::Stream;
use super::plan::Ending;
use super::reasons;
use super::world::{Known, Phase, World};
use super::{acts, api, around, detached, udp, writing};
use crate::util::{Call, Reason};

/// One loop's handler.
pub(crate) struct Machine {
    world: Arc<World>,
    loop_id: usize,
    dice: Dice,
    is_serving: bool,
}

/// What the library keeps for each connection, and must give back to the same one.
pub(crate) struct Context {
    link: Arc<Link>,
    id: ConnId,
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

    /// Checks a callback of a connection, and that it is what its context says.
    fn enter(&self, id: ConnId, context: &Context, call: Call) -> Arc<Link> {
        let link = Arc::clone(&context.link);
        let server = link.server.lock();
        let is_its_own = context.id == id && server.id == Some(id) && id.loop_id() == self.loop_id;
        drop(server);
        if !is_its_own {
            let what = format!("{call:?} of {id} with the context of {}", context.id);
            self.world.fault(Some(&link), &what);
        }
        self.enter_link(&link, call);
        link
    }

    fn enter_link(&self, link: &Link, call: Call) {
        let world = &self.world;
        world.note_of(link, format!("{call:?}"));
        world.census.count(&format!("call {}", name_of(call)));
        let result = link.server.lock().enter(call, link, world);
        world.check(link, result);
        world.pulse.beat();
    }

    /// Does things by chance in a callback of a connection, and says what it returns.
    fn act(&mut self, conn: &mut Conn<'_>, link: &Arc<Link>, call: Call) -> Action {
        let world = Arc::clone(&self.world);
        let mut dice = link.server.lock().dice.split();
        let acts = dice.weigh(&[(30, 0), (40, 1), (20, 2), (10, 4)]);
        for _ in 0..acts {
            if !world.spend() {
                break;
            }
            if dice.percent(15) {
                around::act_on(&world, &mut conn.event_loop(), &mut dice);
            } else {
                acts::act_on(&world, conn, link, &mut dice);
            }
        }
        if world.plan.contains_panics() && dice.percent(1) && world.spend() {
            panic(&world, link);
        }
        let action = self.choose(call, &mut dice);
        if action != Action::None {
            world.note_of(link, format!("{call:?} returns {action:?}"));
            self.ask(link, call, action);
        }
        action
    }

    fn choose(&self, call: Call, dice: &mut Dice) -> Action {
        let world = &self.world;
        if call == Call::Data && self.ends_now(Ending::Data) {
            world.shutting_down(false);
            return Action::Shutdown;
        }
        if call == Call::Opened && self.ends_now(Ending::Detached) {
            return Action::Detach;
        }
        let is_running = world.phase() == Phase::Running;
        let chance = match call {
            Call::PeerClosed if is_running => 60,
            Call::PeerClosed => 100,
            Call::Stopping => 60,
            _ if !is_running => 0,
            Call::Opened => 2,
            _ => 3,
        };
        if !dice.percent(chance) {
            return Action::None;
        }
        let detaches = dice.percent(if call == Call::PeerClosed { 20 } else { 40 });
        if detaches && is_running { Action::Detach } else { Action::Close }
    }

    /// Takes down what a callback asks for by its action.
    fn ask(&self, link: &Link, call: Call, action: Action) {
        let mut server = link.server.lock();
        if action == Action::Shutdown || server.is_ending {
            return;
        }
        server.is_ending = true;
        match (action, call) {
            (Action::Detach, _) => {
                server.is_detaching = true;
                if let Kind::Accepted(_) = link.kind {
                    // It is not said when it ceases to count.
                    self.world.loops[self.loop_id].accepted.fetch_sub(1, SeqCst);
                }
            }
            // The reason is that of the callback.
            (_, Call::PeerClosed | Call::Stopping) => {}
            _ => server.causes.closed = true,
        }
    }

    fn ends_now(&self, ending: Ending) -> bool {
        self.world.plan.ending == ending && self.world.ends_now.load(SeqCst)
    }

    /// What callbacks return that can end the server.
    fn flow(&self, ending: Ending) -> ControlFlow<()> {
        if self.ends_now(ending) {
            self.world.shutting_down(false);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn act_around(&mut self, event_loop: &mut Loop<'_>, chance: usize) {
        if self.dice.percent(chance) && self.world.spend() {
            let mut dice = self.dice.split();
            around::act_on(&self.world, event_loop, &mut dice);
        }
    }
}

/// Panics without a word to the hook, which would print it.
fn panic(world: &World, link: &Link) -> ! {
    world.note_of(link, "panics".to_owned());
    world.census.count("panic");
    let mut server = link.server.lock();
    server.causes.panicked = true;
    server.is_ending = true;
    drop(server);
    panic::resume_unwind(Box::new("planned"));
}

fn name_of(call: Call) -> String {
    match call {
        Call::Closed(Reason::Error(_)) => "Closed(Error)".to_owned(),
        Call::ConnectFailed(Reason::Error(_)) => "ConnectFailed(Error)".to_owned(),
        call => format!("{call:?}"),
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
                link.unwrap_or_else(|| {
                    world.fault(None, &format!("nobody knows the peer of {conn:?}"));
                    world.new_link(Kind::Accepted(0), false)
                })
            }
            Origin::Connected(Tag::Number(number)) | Origin::Adopted(Tag::Number(number)) => {
                Arc::clone(&world.links.lock()[number as usize])
            }
            origin => unreachable!("no other tag is given: {origin:?}"),
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
        if let Kind::Accepted(index) = link.kind {
            side.live.lock().push((conn.id(), Arc::clone(&link)));
            side.accepted.fetch_add(1, SeqCst);
            check_accepted(&world, conn, &link, index);
        }
        let known = Known {
            handle: conn.handle(),
            event_loop: conn.loop_handle(),
            link: Arc::clone(&link),
        };
        world.handles.lock().push(known);
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
        detached::take_over(&self.world, &link, socket);
        self.act_around(event_loop, 30);
        self.flow(Ending::Detached)
    }

    fn connect_failed(&mut self, conn: &mut Conn<'_>, reason: CloseReason) -> ControlFlow<()> {
        let (Origin::Connected(Tag::Number(number)) | Origin::Adopted(Tag::Number(number))) =
            conn.origin()
        else {
            self.world.fault(None, &format!("connect_failed of {conn:?}"));
            return ControlFlow::Continue(());
        };
        let link = Arc::clone(&self.world.links.lock()[number as usize]);
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
        address_index: usize,
        error: &io::Error,
    ) -> ControlFlow<()> {
        self.world.fault(None, &format!("listener {address_index} failed: {error}"));
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, event_loop: &mut Loop<'_>) {
        self.act_around(event_loop, 5);
        self.world.loops[self.loop_id].pre_writes.fetch_add(1, SeqCst);
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

impl Machine {
    /// Checks the last callback of a connection but for a detached one, and tries whether anything
    /// can still be done to it.
    fn over(&mut self, conn: &mut Conn<'_>, link: &Arc<Link>, reason: &CloseReason) {
        let world = Arc::clone(&self.world);
        around::forget(&world, self.loop_id, link);
        world.check(link, reasons::check(&world, link, reason));
        let is_congested = conn.is_congested() && !is_known("congested when closed");
        if conn.output_len() > 0 || api::takes_output(conn) || is_congested {
            let what = format!("over, with output: {conn:?}, congested: {is_congested}");
            world.fault(Some(link), &what);
        }
        let mut dice = link.server.lock().dice.split();
        while dice.percent(30) && world.spend() {
            if dice.coin() {
                acts::act_on(&world, conn, link, &mut dice);
            } else {
                around::act_on(&world, &mut conn.event_loop(), &mut dice);
            }
        }
    }
}

fn check_accepted(world: &World, conn: &Conn<'_>, link: &Link, index: usize) {
    if conn.address_index().map(usize::from) != Some(index) {
        let what = format!("came in by {:?}, not {index}", conn.address_index());
        world.fault(Some(link), &what);
    }
    let accepted = world.loops.iter().map(|side| side.accepted.load(SeqCst)).sum::<usize>();
    if world.plan.max_connections.is_some_and(|max| accepted > max) {
        world.fault(Some(link), &format!("{accepted} connections, too many"));
    }
}

/// Compares input with what comes next.
pub(crate) fn take_input(world: &World, link: &Link, input: &[u8]) -> Result<(), String> {
    let mut server = link.server.lock();
    let stream = Stream::of(&[world.seed, link.number.into()]);
    if stream.at(server.received, input.len()) != input {
        let at = server.received;
        return Err(format!("{} bytes of input, from {at} on, are not what was sent", input.len()));
    }
    server.received += input.len() as u64;
    Ok(())
}

/// Checks that input comes only while it may, for all that waits to be sent.
fn check_congestion(world: &World, conn: &Conn<'_>, link: &Link) {
    writing::check_output(world, conn, link);
    let server = link.server.lock();
    let (reads, high) = (server.reads_while_congested, server.limits.high_watermark);
    drop(server);
    let len = conn.output_len();
    if !reads && (conn.is_congested() || len > high) {
        world.fault(Some(link), &format!("input while {len} bytes of output wait"));
    }
}

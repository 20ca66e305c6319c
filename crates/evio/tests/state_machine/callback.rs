//! The common part of all callbacks: a check against the model, then random operations.

use std::ops::ControlFlow;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, ConnId, Loop};

use super::dice::Dice;
use super::handler::{Context, Machine};
use super::link::{Kind, Link};
use super::noise::Stream;
use super::plan::Ending;
use super::reasons;
use super::world::{Known, Phase, World};
use super::{acts, around, by_handle, writing};
use crate::util::{Call, Reason};

impl Machine {
    /// Checks a callback of a connection, and that it is what its context says.
    pub(super) fn enter(&self, id: ConnId, context: &Context, call: Call) -> Arc<Link> {
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

    pub(super) fn enter_link(&self, link: &Link, call: Call) {
        let world = &self.world;
        world.note_of(link, format!("{call:?}"));
        world.census.count(&format!("call {}", name_of(call)));
        let result = link.server.lock().enter(call, link, world);
        world.check(link, result);
        world.pulse.beat();
    }

    /// Does things by chance in a callback of a connection, and says what it returns.
    pub(super) fn act(&mut self, conn: &mut Conn<'_>, link: &Arc<Link>, call: Call) -> Action {
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
        if dice.below(300) == 0 && world.spend() {
            world.note_of(link, "takes long".to_owned());
            // Acts out a callback that takes long.
            thread::sleep(dice.millis(60));
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
        let is_stopped = call == Call::Stopping && world.plan.ending == Ending::Stopping;
        if is_stopped || self.ends_now(Ending::Action(call)) {
            world.shutting_down(false);
            return Action::Shutdown;
        }
        let waits = [Call::Woken, Call::Timer].map(Ending::Action);
        if waits.into_iter().any(|ending| self.ends_now(ending)) {
            return Action::None;
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
            Call::Data => 5,
            _ => 3,
        };
        if !dice.percent(chance) {
            return Action::None;
        }
        let detaches = dice.percent(match call {
            Call::PeerClosed => 20,
            Call::Data => 60,
            _ => 40,
        });
        if detaches && is_running { Action::Detach } else { Action::Close }
    }

    /// Records the action that a callback returns.
    fn ask(&self, link: &Link, call: Call, action: Action) {
        let mut server = link.server.lock();
        if action == Action::Shutdown || server.is_ending {
            return;
        }
        server.is_ending = true;
        match (action, call) {
            (Action::Detach, _) => {
                server.is_detaching = true;
                if link.kind.is_accepted() {
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

    /// Returns `Break` if the plan says that this callback ends the server now.
    pub(super) fn flow(&self, ending: Ending) -> ControlFlow<()> {
        if self.ends_now(ending) {
            self.world.shutting_down(false);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Sees to it that the callback comes which is to end the server.
    pub(super) fn prepare_end(&self, conn: &mut Conn<'_>, link: &Arc<Link>) {
        if self.ends_now(Ending::Action(Call::Woken)) {
            let known = Known {
                handle: conn.handle(),
                event_loop: conn.loop_handle(),
                link: Arc::clone(link),
            };
            let _ = by_handle::wake(&self.world, &known);
        } else if self.ends_now(Ending::Action(Call::Timer)) {
            acts::start_timer(&self.world, conn, link, Some(Duration::from_millis(5)));
        }
    }

    /// Records that nothing of this turn may be sent, and which connections must end for it.
    pub(super) fn withhold(&self) {
        let side = &self.world.loops[self.loop_id];
        let now = self.world.written_on(self.loop_id);
        side.withheld.lock().insert(now.pre_writes);
        self.world.census.count("withheld");
        for (_, link) in &*side.live.lock() {
            let mut server = link.server.lock();
            server.causes.withheld |= server.last_written == Some(now);
            server.causes.may_be_withheld |= server.last_written_now == Some(now);
        }
    }

    pub(super) fn act_around(&mut self, event_loop: &mut Loop<'_>, chance: usize) {
        if self.dice.percent(chance) && self.world.spend() {
            let mut dice = self.dice.split();
            around::act_on(&self.world, event_loop, &mut dice);
        }
    }

    /// Checks the last callback of a connection but for a detached one, and tries whether anything
    /// can still be done to it.
    pub(super) fn over(&mut self, conn: &mut Conn<'_>, link: &Arc<Link>, reason: &CloseReason) {
        let world = Arc::clone(&self.world);
        around::forget(&world, self.loop_id, link);
        world.check(link, reasons::check(&world, link, reason));
        if conn.output_len() > 0 || conn.takes_output() || conn.is_congested() {
            world.fault(Some(link), &format!("over, with output: {conn:?}"));
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

pub(crate) fn check_accepted(world: &World, conn: &Conn<'_>, link: &Link) {
    let index = conn.address_index().map(usize::from);
    if index.is_none_or(|index| ![Kind::Accepted(index), Kind::Stranger].contains(&link.kind)) {
        let what = format!("came in by address {index:?}");
        world.fault(Some(link), &what);
    }
    let accepted = world.loops.iter().map(|side| side.accepted.load(SeqCst)).sum::<usize>();
    if world.plan.max_connections.is_some_and(|max| accepted > max) {
        world.fault(Some(link), &format!("{accepted} connections, too many"));
    }
}

/// Compares input with what comes next.
pub(crate) fn take_input(world: &World, link: &Link, input: &[u8]) -> Result<(), String> {
    if link.kind == Kind::Stranger {
        return Ok(());
    }
    let mut server = link.server.lock();
    let stream = Stream::of(&[world.seed, link.stream().into()]);
    if stream.at(server.received, input.len()) != input {
        let at = server.received;
        return Err(format!("{} bytes of input, from {at} on, are not what was sent", input.len()));
    }
    server.received += input.len() as u64;
    Ok(())
}

/// Checks that input comes only while it may, for all that waits to be sent.
pub(crate) fn check_congestion(world: &World, conn: &Conn<'_>, link: &Link) {
    writing::check_output(world, conn, link);
    let server = link.server.lock();
    let (reads, high) = (server.reads_while_congested, server.limits.high_watermark);
    drop(server);
    let len = conn.output_len();
    if !reads && (conn.is_congested() || len > high) {
        world.fault(Some(link), &format!("input while {len} bytes of output wait"));
    }
}

//! Random operations on a connection through its `Conn`, from a callback or a task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evio::{Conn, Keepalive, Limits};

use super::by_handle;
use super::dice::Dice;
use super::link::Link;
use super::world::{Known, World};
use super::writing;

/// One operation.
#[derive(Clone, Copy, Debug)]
enum Act {
    Write,
    WriteNothing,
    Pause,
    Resume,
    ReadWhileCongested,
    Limits,
    ReadTimeout,
    Timer,
    ShutdownRead,
    ShutdownWrite,
    Close,
    Abort,
    ByHandle,
    Options,
    Ask,
}

const ACTS: [(usize, Act); 15] = [
    (400, Act::Write),
    (20, Act::WriteNothing),
    (60, Act::Pause),
    (90, Act::Resume),
    (40, Act::ReadWhileCongested),
    (40, Act::Limits),
    (20, Act::ReadTimeout),
    (80, Act::Timer),
    (10, Act::ShutdownRead),
    (15, Act::ShutdownWrite),
    (15, Act::Close),
    (10, Act::Abort),
    (120, Act::ByHandle),
    (20, Act::Options),
    (40, Act::Ask),
];

/// Does one thing to a connection that a callback or a task has reached.
pub(crate) fn act_on(world: &Arc<World>, conn: &mut Conn<'_>, link: &Arc<Link>, dice: &mut Dice) {
    let act = dice.weigh(&ACTS);
    match act {
        Act::Write => return writing::write_frame(world, conn, link, dice),
        Act::ByHandle => return act_by_handle(world, conn, link, dice),
        _ => {}
    }
    world.note_of(link, format!("{act:?}"));
    world.census.count(&format!("{act:?}"));
    match act {
        Act::WriteNothing => writing::write_nothing(conn, dice),
        Act::Pause => pause(conn, link, dice),
        Act::Resume => {
            link.server.lock().set_paused(false);
            conn.resume_reading();
        }
        Act::ReadWhileCongested => {
            let reads = dice.coin();
            conn.read_while_congested(reads);
            link.server.lock().reads_while_congested = reads;
        }
        Act::Limits => set_limits(world, conn, link, dice),
        Act::ReadTimeout => {
            let timeout = dice.percent(40).then(|| Duration::from_millis(50) + dice.millis(300));
            link.server.lock().read_timeout = timeout.map(|timeout| Instant::now() + timeout);
            conn.set_read_timeout(timeout);
        }
        Act::Timer => set_timer(world, conn, link, dice),
        Act::ShutdownRead => {
            conn.shutdown_read();
            let mut server = link.server.lock();
            server.input_ended |= !server.is_over();
        }
        Act::ShutdownWrite => {
            conn.shutdown_write();
            let mut server = link.server.lock();
            server.output_ended |= !server.is_over();
        }
        Act::Close => close(conn, link),
        Act::Abort => abort(world, conn, link),
        Act::Options => {
            // Both fail only when the connection has failed already.
            let _ = conn.set_nodelay(dice.coin());
            let _ = conn.set_keepalive(&Keepalive::default());
        }
        Act::Ask => ask(world, conn, link),
        Act::Write | Act::ByHandle => {}
    }
}

fn pause(conn: &mut Conn<'_>, link: &Link, dice: &mut Dice) {
    conn.pause_reading();
    let mut server = link.server.lock();
    server.set_paused(true);
    if dice.coin() {
        // Else nothing might ever happen to it again.
        let delay = dice.millis(20);
        server.timer = Some(Instant::now() + delay);
        conn.set_timer(Some(delay));
    }
}

fn set_timer(world: &World, conn: &mut Conn<'_>, link: &Link, dice: &mut Dice) {
    let max = if dice.percent(80) { 40 } else { 300 };
    let delay = dice.percent(85).then(|| dice.millis(max));
    start_timer(world, conn, link, delay);
}

/// Sets the timer of a connection, or takes it back.
pub(crate) fn start_timer(
    world: &World,
    conn: &mut Conn<'_>,
    link: &Link,
    delay: Option<Duration>,
) {
    // Its time begins no earlier than this.
    link.server.lock().timer = delay.map(|delay| Instant::now() + delay);
    conn.set_timer(delay);
    world.note_of(link, format!("the timer is {delay:?}"));
}

fn set_limits(world: &World, conn: &mut Conn<'_>, link: &Link, dice: &mut Dice) {
    let is_waiting = conn.output_len() > 0 || conn.is_congested();
    let mut limits = world.plan.limits;
    if dice.percent(70) {
        limits.high_watermark = dice.pick(&[0, 100, 5_000, 70_000, 1 << 20]);
        limits.low_watermark = dice.below(limits.high_watermark + 1);
    }
    if dice.percent(10) {
        limits.max_output = dice.pick(&[10_000, 100_000, 1 << 20]);
    }
    let timeout = |dice: &mut Dice| dice.percent(7).then(|| dice.millis(300));
    limits.idle_timeout = timeout(dice).or(limits.idle_timeout);
    limits.write_timeout = timeout(dice).or(limits.write_timeout);
    limits.congestion_timeout = timeout(dice).or(limits.congestion_timeout);
    if dice.percent(10) {
        limits.close_timeout = dice.millis(500);
    }
    apply_limits(world, conn, link, limits, is_waiting);
}

fn apply_limits(world: &World, conn: &mut Conn<'_>, link: &Link, limits: Limits, is_waiting: bool) {
    world.note_of(link, format!("{limits:?}"));
    let mut server = link.server.lock();
    server.set_limits(limits);
    server.limits_moved |= is_waiting;
    drop(server);
    conn.set_limits(limits);
}

fn close(conn: &mut Conn<'_>, link: &Link) {
    conn.close();
    let mut server = link.server.lock();
    if server.is_live() {
        server.is_ending = true;
        server.causes.closed = true;
    }
}

fn abort(world: &World, conn: &mut Conn<'_>, link: &Link) {
    let was_taking = conn.takes_output();
    conn.abort();
    let mut server = link.server.lock();
    server.causes.aborted_first |= was_taking && server.is_live();
    server.is_ending = true;
    server.causes.aborted = true;
    drop(server);
    if conn.takes_output() {
        world.fault(Some(link), "an aborted connection takes output");
    }
}

/// Goes by way of the mailbox, although the connection is at hand.
fn act_by_handle(world: &Arc<World>, conn: &mut Conn<'_>, link: &Arc<Link>, dice: &mut Dice) {
    let event_loop = conn.loop_handle();
    let handle = match dice.coin() {
        true => conn.handle(),
        false => event_loop.conn_handle(conn.id()).expect("the loop is one of the group"),
    };
    let known = Known { handle, event_loop, link: Arc::clone(link) };
    by_handle::act_on(world, &known, conn.id().loop_id(), dice);
}

/// Asks for what can be known of a connection.
fn ask(world: &World, conn: &mut Conn<'_>, link: &Link) {
    let id = conn.id();
    let server = link.server.lock();
    let is_live = server.is_live();
    let is_sure = is_live && !server.may_have_ended(&link.peer.lock(), link.kind, world);
    let is_mine = server.id == Some(id);
    drop(server);
    let is_reachable = conn.sibling(id).is_some();
    let is_reachable_by_loop = conn.event_loop().conn(id).is_some();
    if !is_mine || conn.handle().id() != id || is_reachable != is_reachable_by_loop {
        world.fault(Some(link), &format!("{id} is somebody else: {conn:?}"));
    }
    if is_reachable && !is_live || is_sure && !is_reachable {
        world.fault(Some(link), &format!("reachable: {is_reachable}"));
    }
    if conn.now() > Instant::now() {
        world.fault(Some(link), "the time of the turn is in the future");
    }
    // They fail for a Unix socket that is no longer connected.
    let _ = (conn.local_addr(), conn.peer_addr());
}

//! Random operations that are not about the callback's own connection: others of the loop, new
//! ones, and what goes to all loops.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use evio::{Detached, Loop, SocketAddr, Tag};

use super::acts;
use super::by_handle;
use super::dice::Dice;
use super::link::{Kind, Link};
use super::model::{Last, Stage};
use super::silence::Silence;
use super::udp;
use super::world::World;

#[derive(Clone, Copy, Debug)]
enum Act {
    Sibling,
    Walk,
    Post,
    Broadcast,
    Connect,
    Adopt,
    Datagram,
}

const ACTS: [(usize, Act); 7] = [
    (45, Act::Sibling),
    (5, Act::Walk),
    (15, Act::Post),
    (5, Act::Broadcast),
    (20, Act::Connect),
    (12, Act::Adopt),
    (5, Act::Datagram),
];

/// Does one thing to a loop.
pub(crate) fn act_on(world: &Arc<World>, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    let act = dice.weigh(&ACTS);
    world.census.count(&format!("loop {act:?}"));
    match act {
        Act::Sibling => sibling(world, event_loop, dice),
        Act::Walk => walk(world, event_loop, dice),
        Act::Post => post(world, event_loop, dice),
        Act::Broadcast => {
            by_handle::broadcast(world, &event_loop.handle(), event_loop.loop_id(), dice);
        }
        Act::Connect => connect(world, event_loop, dice),
        Act::Adopt => adopt(world, event_loop, dice),
        Act::Datagram => udp::send_from(world, event_loop, dice),
    }
}

/// Does something to some connection of the loop.
fn sibling(world: &Arc<World>, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    let live = world.loops[event_loop.loop_id()].live.lock();
    if live.is_empty() {
        return;
    }
    let (id, link) = live[dice.below(live.len())].clone();
    drop(live);
    let found = event_loop.conn(id);
    check_found(world, &link, found.is_some());
    if let Some(mut conn) = found {
        world.note_of(&link, "is found by another callback".to_owned());
        acts::act_on(world, &mut conn, &link, dice);
    }
}

/// Checks that a connection is reachable as long as nothing has ended it.
fn check_found(world: &World, link: &Link, is_found: bool) {
    let server = link.server.lock();
    let is_live = server.is_live();
    let is_sure = is_live && !server.may_have_ended(&link.peer.lock(), link.kind, world);
    drop(server);
    if is_found && !is_live {
        world.fault(Some(link), "a connection that is ending can be reached");
    } else if is_sure && !is_found {
        world.fault(Some(link), "an open connection cannot be reached");
    }
}

/// Visits all connections, and compares them with those that should be there.
pub(crate) fn walk(world: &Arc<World>, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    let live = world.loops[event_loop.loop_id()].live.lock().clone();
    let mut visited = HashSet::new();
    event_loop.for_each_conn(|mut conn| {
        let id = conn.id();
        if !visited.insert(id) {
            world.fault(None, &format!("{id} is visited twice"));
        }
        let Some((_, link)) = live.iter().find(|(other, _)| *other == id) else {
            return world.fault(None, &format!("{id} is visited, and is no open connection"));
        };
        if link.server.lock().stage != Stage::Open {
            world.fault(Some(link), "visited while it is not open");
        }
        check_found(world, link, true);
        if dice.percent(10) && world.spend() {
            world.note_of(link, "is visited".to_owned());
            acts::act_on(world, &mut conn, link, dice);
        }
    });
    for (id, link) in &live {
        if link.server.lock().stage == Stage::Open && !visited.contains(id) {
            check_found(world, link, false);
        }
    }
}

/// Leaves a task for one of the loops.
fn post(world: &Arc<World>, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    let loops = event_loop.handle().loops();
    let target = event_loop.handle().of_loop(dice.below(loops)).expect("there are so many loops");
    let mut dice = dice.split();
    let _ = by_handle::post(world, &target, move |world, event_loop| {
        if world.spend() {
            act_on(world, event_loop, &mut dice);
        }
    });
}

/// Begins to connect to one of the peers that wait for it, or to an address where none does.
pub(crate) fn connect(world: &Arc<World>, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    let silence = Silence::get();
    let target = match dice.below(10) {
        0 => Some((silence.deserted.into(), world.new_link(Kind::Refused, false))),
        1 => silence.silent.map(|silent| (silent.into(), world.new_link(Kind::Silent, false))),
        2 if dice.percent(30) => {
            let nobody = world.directory.join("nobody");
            let address = std::os::unix::net::SocketAddr::from_pathname(nobody);
            let address = address.expect("the path is short");
            Some((SocketAddr::from(address), world.new_link(Kind::Refused, true)))
        }
        _ => world.targets.lock().pop(),
    };
    if let Some((address, link)) = target {
        connect_to(world, event_loop, address, &link, dice);
    }
}

pub(crate) fn connect_to(
    world: &Arc<World>,
    event_loop: &mut Loop<'_>,
    address: SocketAddr,
    link: &Arc<Link>,
    dice: &mut Dice,
) {
    let tag = choose_tag(world, event_loop, link, dice);
    world.note_of(link, format!("connects to {address}, as {tag:?}"));
    link.server.lock().began = Instant::now();
    let result = event_loop.connect(address, tag);
    let is_expected = link.kind == Kind::Refused;
    take_up(world, event_loop, link, result.map_err(|error| (error, is_expected)), dice);
}

fn adopt(world: &Arc<World>, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    if let Some((stream, link)) = { world.adoptables.lock().pop() } {
        adopt_as(world, event_loop, stream, &link, dice);
    }
}

/// Adopts a socket into the loop.
pub(crate) fn adopt_as(
    world: &Arc<World>,
    event_loop: &mut Loop<'_>,
    socket: impl Into<Detached>,
    link: &Arc<Link>,
    dice: &mut Dice,
) {
    let tag = choose_tag(world, event_loop, link, dice);
    world.note_of(link, format!("is adopted, as {tag:?}"));
    let result = event_loop.adopt(socket, tag);
    take_up(world, event_loop, link, result.map_err(|error| (error, false)), dice);
}

/// Chooses what a connection is asked for with: a number, or another connection of the loop.
fn choose_tag(world: &World, event_loop: &Loop<'_>, link: &Link, dice: &mut Dice) -> Tag {
    let live = world.loops[event_loop.loop_id()].live.lock();
    let tag = match live.len() {
        1.. if dice.percent(25) => Tag::from(live[dice.below(live.len())].0),
        _ => Tag::from(u64::from(link.number)),
    };
    link.server.lock().tag = Some(tag);
    tag
}

/// Records the result of `connect` or `adopt`, and operates on the new connection now and then.
fn take_up(
    world: &Arc<World>,
    event_loop: &mut Loop<'_>,
    link: &Arc<Link>,
    result: Result<evio::ConnId, (std::io::Error, bool)>,
    dice: &mut Dice,
) {
    let mut server = link.server.lock();
    let id = match result {
        Ok(id) => id,
        Err((error, is_expected)) => {
            server.stage = Stage::Over(Last::NotBegun);
            drop(server);
            world.note_of(link, format!("does not begin: {error}"));
            let peer = link.peer.lock();
            let has_left = peer.has_left || peer.has_meddled;
            drop(peer);
            if !(is_expected || has_left || world.is_shutting_down()) {
                world.fault(Some(link), &format!("cannot begin: {error}"));
            }
            return;
        }
    };
    server.stage = Stage::Connecting;
    server.id = Some(id);
    let local = event_loop.conn(id).and_then(|conn| conn.local_addr().ok()?.as_inet());
    server.local_addr = local;
    drop(server);
    world.loops[event_loop.loop_id()].live.lock().push((id, Arc::clone(link)));
    while dice.percent(40) && world.spend() {
        let found = event_loop.conn(id);
        check_found(world, link, found.is_some());
        let Some(mut conn) = found else { return };
        acts::act_on(world, &mut conn, link, dice);
    }
}

/// Removes a connection from the list of those that can be reached.
pub(crate) fn forget(world: &World, loop_id: usize, link: &Link) {
    let side = &world.loops[loop_id];
    side.live.lock().retain(|(_, other)| other.number != link.number);
    if link.kind.is_accepted() && !link.server.lock().is_detaching {
        side.accepted.fetch_sub(1, SeqCst);
    }
}

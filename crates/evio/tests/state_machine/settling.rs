//! Liveness: when nobody asks for anything new, everything that was asked for comes about.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use evio::{LoopHandle, SendError};

use super::by_handle;
use super::dice::Dice;
use super::link::{Kind, Link, Peer, Taken};
use super::model::{Server, Stage};
use super::peers;
use super::world::{LOOPS, Listening, Phase, World};
use super::{around, world};
use crate::util::DEADLINE;

/// Waits until all is still, and returns what is missing otherwise.
pub(crate) fn settle(world: &Arc<World>, event_loop: &LoopHandle) -> Result<(), String> {
    world.set_phase(Phase::Winding);
    // Nobody is going to adopt these.
    let adoptables = std::mem::take(&mut *world.adoptables.lock());
    drop(adoptables);
    wait(world, "callers", || {
        let callers = world.callers.load(SeqCst);
        (callers > 0).then(|| format!("{callers} callers are not done"))
    })?;
    world.set_phase(Phase::Settling);
    // A callback that was under way may have posted something to the other loop.
    for _ in 0..2 {
        on_each_loop(world, event_loop, |_, _| {})?;
    }
    for link in links(world) {
        link.server.lock().pauses_on_the_way = 0;
    }
    // Before those that are paused are resumed, which might make up for something.
    wait_for_all(world)?;
    resume_all(world)?;
    wait_for_all(world)?;
    wait(world, "contexts", || {
        let open = links(world).iter().filter(|l| l.server.lock().stage == Stage::Open).count();
        let contexts = world.contexts.load(SeqCst);
        (contexts != open).then(|| format!("{contexts} contexts of {open} open connections"))
    })?;
    wait(world, "tasks", || {
        let tasks = &world.tasks;
        let taken = tasks.posted.load(SeqCst) - tasks.refused.load(SeqCst);
        (taken != tasks.run.load(SeqCst)).then(|| format!("a task was not run: {tasks:?}"))
    })?;
    let seed = world.seed;
    on_each_loop(world, event_loop, move |world, event_loop| {
        around::walk(world, event_loop, &mut Dice::new(seed, u64::MAX - 30));
    })?;
    let plan = &world.plan;
    // The kernel places those of listeners that share their port.
    let is_told = plan.load_balance.is_none() && !plan.reuse_port;
    if is_told && plan.max_connections.is_none() {
        count(world)?;
    }
    Ok(())
}

fn wait(
    world: &World,
    what: &str,
    mut missing: impl FnMut() -> Option<String>,
) -> Result<(), String> {
    // After a fault, nothing is waited for.
    let result = world.pulse.until(DEADLINE, || if world.has_fault() { None } else { missing() });
    if world.has_fault() {
        return Err(world.faults());
    }
    result.map_err(|text| format!("waiting for {what}: {text}\n{}", world.trace))
}

/// Waits until nothing is missing for any connection.
fn wait_for_all(world: &World) -> Result<(), String> {
    wait(world, "everything", || {
        let links = links(world);
        let missing = links.iter().find_map(|link| Some((link, missing(world, link)?)));
        missing.map(|(link, what)| format!("{what}\n{link}"))
    })
}

fn links(world: &World) -> Vec<Arc<Link>> {
    world.links.lock().clone()
}

/// Runs a task on each loop, behind everything that was sent to it before, and waits for it.
pub(crate) fn on_each_loop(
    world: &Arc<World>,
    event_loop: &LoopHandle,
    task: impl Fn(&Arc<World>, &mut evio::Loop<'_>) + Clone + Send + 'static,
) -> Result<(), String> {
    for loop_id in 0..LOOPS {
        let target = event_loop.of_loop(loop_id).ok_or("there are so many loops")?;
        let done = Arc::new(std::sync::atomic::AtomicBool::new(false));
        wait(world, "room in a mailbox", || {
            let (task, done) = (task.clone(), Arc::clone(&done));
            let posted = by_handle::post(world, &target, move |world, event_loop| {
                task(world, event_loop);
                done.store(true, SeqCst);
            });
            (posted == Err(SendError::Full)).then(|| "the mailbox is full".to_owned())
        })?;
        wait(world, "a task", || {
            (!done.load(SeqCst)).then(|| format!("loop {loop_id} does not run a task"))
        })?;
    }
    Ok(())
}

/// Resumes reading on every connection, by handle or by a task.
fn resume_all(world: &Arc<World>) -> Result<(), String> {
    let mut dice = Dice::new(world.seed, u64::MAX - 40);
    let handles = world.handles.lock().clone();
    for known in handles {
        let link = &known.link;
        let is_paused = |link: &Link| {
            let server = link.server.lock();
            server.stage == Stage::Open && server.is_paused != Some(false)
        };
        let by_handle = dice.coin();
        wait(world, "reading to be resumed", || {
            if !is_paused(link) {
                return None;
            }
            if link.server.lock().pauses_on_the_way == 0 {
                if by_handle {
                    by_handle::set_paused(world, &known, false);
                } else {
                    resume(world, &known);
                }
            }
            Some(format!("reading is not resumed\n{link}"))
        })?;
    }
    Ok(())
}

fn resume(world: &Arc<World>, known: &world::Known) {
    let (id, link) = (known.handle.id(), Arc::clone(&known.link));
    let _ = by_handle::post(world, &known.event_loop, move |world, event_loop| {
        if let Some(mut conn) = event_loop.conn(id) {
            world.note_of(&link, "is resumed by a task".to_owned());
            link.server.lock().set_paused(false);
            conn.resume_reading();
        }
    });
}

/// Returns what should have happened to a connection, and has not.
fn missing(world: &World, link: &Link) -> Option<String> {
    let server = link.server.lock();
    let peer = link.peer.lock();
    let is_there = peer.is_connected && peer.outcome.is_none();
    let what = match server.stage {
        Stage::New => {
            let Kind::Accepted(index) = link.kind else { return None };
            (is_there && can_be_accepted(world, index)).then_some("it was not opened")
        }
        Stage::Connecting => Some("it is still connecting"),
        Stage::Open => missing_of_open(&server, &peer, peer.taken_of(link.number)),
        Stage::Over(_) if link.is_continued() => None,
        Stage::Over(_) => (is_there && peer.is_reading).then_some("the peer has not seen the end"),
    };
    if what.is_none() && server.stage == Stage::Open && !server.is_ending {
        return server.overdue(link);
    }
    what.map(str::to_owned)
}

fn can_be_accepted(world: &World, index: usize) -> bool {
    let is_stopped = |l: &Listening| l.index() == index && l.is_stopped;
    let accepted = world.loops.iter().map(|side| side.accepted.load(SeqCst)).sum::<usize>();
    let is_full = world.plan.max_connections.is_some_and(|max| accepted >= max);
    !is_full && !world.listeners.lock().iter().any(is_stopped)
}

fn missing_of_open(server: &Server, peer: &Peer, taken: Taken) -> Option<&'static str> {
    let is_reading = peer.is_reading && peer.outcome.is_none();
    if server.is_ending || server.endings_on_the_way > 0 || server.causes.withheld {
        return Some("it was to end, and has not");
    }
    if server.output_ended && (server.input_ended || server.peer_closed) && is_reading {
        return Some("both directions have ended, and it has not");
    }
    if peer.has_reset {
        return Some("its peer has reset it, and it has not ended");
    }
    let is_kept = server.input_ended || server.peer_closed || server.is_paused != Some(false);
    if peer.outcome.is_some() && !is_kept {
        return Some("its peer has gone, and it has not ended");
    }
    let is_held_up = server.is_congested && !is_reading;
    if !(is_kept || is_held_up || peer.has_left) {
        if server.received < peer.sent {
            return Some("input was not delivered");
        }
        if peer.finished.is_some() {
            return Some("the end of the input was not told");
        }
    }
    if is_reading {
        if peer.has_meddled {
            return None;
        }
        let sends = server.sends.iter().zip(taken.sends).any(|(sends, taken)| taken < sends.owed);
        let mut broadcasts = server.broadcasts_owed.iter().zip(taken.broadcasts);
        let broadcasts = broadcasts.any(|(owed, taken)| taken < *owed);
        if taken.frames < server.frames || taken.is_partial || sends || broadcasts {
            return Some("output was not delivered");
        }
        if server.output_ended {
            return Some("the end of the output was not sent");
        }
        if server.is_congested && !server.limits_moved {
            return Some("it was congested, and drained was not called");
        }
    }
    None
}

/// Checks that the connections that count are those that are there.
fn count(world: &Arc<World>) -> Result<(), String> {
    wait(world, "the count of connections", || {
        let accepted = || {
            let counts = world.loops.iter().map(|side| side.accepted.load(SeqCst));
            counts.collect::<Vec<usize>>()
        };
        let expected = accepted();
        let link = peers::poke(world);
        let ended = world.pulse.until(DEADLINE, || (!link.server.lock().is_over()).then_some(()));
        if ended.is_err() {
            return Some(format!("a client was not served\n{link}"));
        }
        let placed = world.placed.lock().clone();
        (placed != expected || accepted() != expected)
            .then(|| format!("the server counts {placed:?} connections, not {expected:?}"))
    })?;
    Ok(())
}

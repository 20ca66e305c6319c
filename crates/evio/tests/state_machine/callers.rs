//! Threads that do nothing but use the handles of a server and its connections.

use std::net;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use evio::{LoopHandle, ServerHandle};

use super::around;
use super::by_handle;
use super::dice::Dice;
use super::udp;
use super::world::{LOOPS, Listening, Phase, World};

/// How many there are; each is a sender beside the loops.
pub(crate) const CALLERS: usize = 2;

#[derive(Clone, Copy, Debug)]
enum Act {
    Command,
    Post,
    Broadcast,
    Listen,
    StopListening,
    Datagram,
}

const ACTS: [(usize, Act); 6] = [
    (70, Act::Command),
    (15, Act::Post),
    (3, Act::Broadcast),
    (1, Act::Listen),
    (1, Act::StopListening),
    (8, Act::Datagram),
];

/// Starts one of them.
pub(crate) fn start(
    world: &Arc<World>,
    number: usize,
    handle: &ServerHandle,
    event_loop: &LoopHandle,
    udp: net::SocketAddr,
) {
    let shared = Arc::clone(world);
    let (handle, event_loop) = (handle.clone(), event_loop.clone());
    world.callers.fetch_add(1, SeqCst);
    world.spawn(format!("caller {number}"), move || {
        let world = &shared;
        let sender = LOOPS + number;
        let mut dice = Dice::new(world.seed, u64::MAX - 10 - number as u64);
        let client = udp::Client::new(world, udp);
        while world.phase() == Phase::Running && !world.has_fault() {
            if world.spend() {
                act(world, sender, &handle, &event_loop, &client, &mut dice);
            }
            if dice.percent(90) {
                world.pulse.pause(dice.millis(8));
            }
        }
        // All that was sent must arrive, where it still can.
        let handles = world.handles.lock().clone();
        for known in handles {
            if known.link.server.lock().sends[sender].sent > 0 {
                by_handle::fence_sends(world, &known, sender);
            }
        }
        world.callers.fetch_sub(1, SeqCst);
        world.pulse.beat();
    });
}

fn act(
    world: &Arc<World>,
    sender: usize,
    handle: &ServerHandle,
    event_loop: &LoopHandle,
    client: &udp::Client,
    dice: &mut Dice,
) {
    let act = dice.weigh(&ACTS);
    world.census.count(&format!("caller {act:?}"));
    match act {
        Act::Command => {
            let handles = world.handles.lock();
            if handles.is_empty() {
                return;
            }
            // The latest most of the time, and those of long ago, too.
            let recent = if dice.percent(85) { handles.len().min(30) } else { handles.len() };
            let known = handles[handles.len() - 1 - dice.below(recent)].clone();
            drop(handles);
            by_handle::act_on(world, &known, sender, dice);
        }
        Act::Post => {
            let target = event_loop.of_loop(dice.below(LOOPS)).expect("there are so many loops");
            let mut dice = dice.split();
            let _ = by_handle::post(world, &target, move |world, event_loop| {
                around::act_on(world, event_loop, &mut dice);
            });
        }
        Act::Broadcast => by_handle::broadcast(world, event_loop, sender, dice),
        Act::Listen => listen(world, handle, dice),
        Act::StopListening => stop_listening(world, handle, dice),
        Act::Datagram => client.act(handle, dice),
    }
}

fn listen(world: &World, handle: &ServerHandle, dice: &mut Dice) {
    let path = world.directory.join(format!("s{}", dice.next()));
    let address = match dice.coin() {
        true => "tcp://127.0.0.1:0".to_owned(),
        false => format!("unix://{}", path.display()),
    };
    match handle.listen(&*address) {
        Ok(bound) => {
            world.note(format!("listens on {bound:?}"));
            let listening = bound.into_iter().map(|bound| Listening { bound, is_stopped: false });
            world.listeners.lock().extend(listening);
        }
        Err(error) if world.is_shutting_down() => drop(error),
        Err(error) => world.fault(None, &format!("cannot listen on {address}: {error}")),
    }
}

/// Stops one of those that were added; those of the beginning stay.
fn stop_listening(world: &World, handle: &ServerHandle, dice: &mut Dice) {
    let mut listeners = world.listeners.lock();
    let added: Vec<&mut Listening> =
        listeners.iter_mut().skip(2).filter(|l| !l.is_stopped).collect();
    if added.is_empty() {
        return;
    }
    let chosen = dice.below(added.len());
    let listening = added.into_iter().nth(chosen).expect("there are so many");
    listening.is_stopped = true;
    world.note(format!("stops listening on {}", listening.bound.addr()));
    handle.stop_listening(listening.bound.index());
}

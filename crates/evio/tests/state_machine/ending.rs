//! The end of a round: the server ends in one of many ways, everybody hears of it, and nothing is
//! left.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use evio::{LoopHandle, SendError};

use super::around;
use super::by_handle;
use super::dice::Dice;
use super::link::Kind;
use super::peers;
use super::plan::Ending;
use super::reasons;
use super::round::Running;
use super::settling;
use super::silence::Silence;
use super::world::{Phase, World};
use crate::util::DEADLINE;

/// How long one that ends by a callback may go without finding that callback, when its mailbox or
/// its connections are few.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ends the server: while everything goes on, or when all is still.
pub(crate) fn end(
    world: &Arc<World>,
    mut running: Running,
    event_loop: &LoopHandle,
    is_storm: bool,
) -> Result<(), String> {
    if !is_storm {
        settling::settle(world, event_loop)?;
    }
    ask(world, &mut running, event_loop);
    wait_for_end(world, &running, event_loop)?;
    world.set_phase(Phase::Over);
    world.adoptables.lock().clear();
    while let Some(thread) = { world.threads.lock().pop() } {
        thread.join().map_err(|_| "a thread of the test has panicked".to_owned())?;
    }
    for link in &*world.links.lock() {
        world.check(link, reasons::check_pair(world, link));
    }
    check_leftovers(world, &running, event_loop);
    if world.has_fault() { Err(world.faults()) } else { Ok(()) }
}

/// Ends the server in the way of the plan.
fn ask(world: &Arc<World>, running: &mut Running, event_loop: &LoopHandle) {
    let handle = &running.handle;
    let ending = world.plan.ending;
    world.note(format!("is to end: {ending:?}"));
    match ending {
        Ending::Handle => {
            world.shutting_down(false);
            handle.shutdown();
        }
        Ending::Gracefully(time) => {
            world.shutting_down(true);
            handle.shutdown_gracefully(time);
        }
        Ending::Stopping => {
            world.shutting_down(true);
            handle.shutdown_gracefully(2 * DEADLINE);
        }
        Ending::GracefullyThenNow => {
            world.shutting_down(true);
            handle.shutdown_gracefully(DEADLINE);
            world.pulse.pause(Duration::from_millis(20));
            world.shutting_down(false);
            handle.shutdown();
        }
        Ending::Socket | Ending::SocketGracefully(_) => {
            world.shutting_down(ending.is_graceful());
            let stop = running.stop.as_mut().expect("the plan has a socket");
            stop.write_all(b"!").expect("the server has the other end");
        }
        Ending::SocketClosed => {
            world.shutting_down(false);
            running.stop = None;
        }
        Ending::Task | Ending::TaskGracefully(_) => {
            world.shutting_down(ending.is_graceful());
            let posted = by_handle::post(world, event_loop, move |_, event_loop| match ending {
                Ending::TaskGracefully(time) => event_loop.shutdown_gracefully(time),
                _ => event_loop.shutdown(),
            });
            if posted.is_err() {
                world.shutting_down(false);
                handle.shutdown();
            }
        }
        _ => world.ends_now.store(true, SeqCst),
    }
}

/// Waits for the server to have ended, and gives it occasion to.
fn wait_for_end(
    world: &Arc<World>,
    running: &Running,
    event_loop: &LoopHandle,
) -> Result<(), String> {
    let began = Instant::now();
    let is_narrow = world.plan.max_connections.is_some() || world.plan.mailbox_capacity < 1_000;
    loop {
        match running.result.recv_timeout(Duration::from_millis(100)) {
            Ok(Ok(Ok(()))) => return Ok(()),
            Ok(Ok(Err(error))) => return Err(format!("the server failed: {error}")),
            Ok(Err(_)) => return Err(world.faults()),
            Err(_) => {}
        }
        if began.elapsed() > DEADLINE {
            let links = world.links.lock().clone();
            let open = links.iter().find(|link| {
                let server = link.server.lock();
                server.id.is_some() && !server.is_over()
            });
            let open = open.map(ToString::to_string).unwrap_or_default();
            return Err(format!("the server does not end\n{open}{}", world.trace));
        }
        if world.is_shutting_down() {
            continue;
        }
        if is_narrow && began.elapsed() > PATIENCE {
            world.shutting_down(false);
            running.handle.shutdown();
        }
        poke(world, running, event_loop);
    }
}

/// Brings about a callback that is to end the server.
fn poke(world: &Arc<World>, running: &Running, event_loop: &LoopHandle) {
    match world.plan.ending {
        Ending::Action(_) | Ending::Closed | Ending::Detached => drop(peers::poke(world)),
        Ending::ConnectFailed => {
            let _ = by_handle::post(world, event_loop, |world, event_loop| {
                let address = Silence::get().silent.unwrap_or(Silence::get().deserted);
                let link = world.new_link(Kind::Silent, false);
                let dice = &mut Dice::new(0, 0);
                around::connect_to(world, event_loop, address.into(), &link, dice);
            });
        }
        Ending::Datagram => {
            let udp = running.addrs.iter().filter_map(|addr| addr.addr().as_inet()).next_back();
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
            let bytes = super::udp::any_datagram(world, &mut Dice::new(0, 0));
            // It may be lost: then another one comes.
            let _ = socket.send_to(&bytes, udp.expect("the server has an address for datagrams"));
        }
        _ => {}
    }
}

/// Checks what is there when the server has ended: no context, no task, and handles that say so.
fn check_leftovers(world: &Arc<World>, running: &Running, event_loop: &LoopHandle) {
    let contexts = world.contexts.load(SeqCst);
    if contexts > 0 {
        world.fault(None, &format!("{contexts} contexts were not given back"));
    }
    let tasks = &world.tasks;
    if tasks.posted.load(SeqCst) != tasks.run.load(SeqCst) + tasks.dropped.load(SeqCst) {
        world.fault(None, &format!("a task is neither run nor dropped: {tasks:?}"));
    }
    let stopped = Err(SendError::Stopped);
    for known in world.handles.lock().iter() {
        let handle = &known.handle;
        if handle.send("x").map_err(SendError::from) != stopped
            || handle.wake() != stopped
            || handle.close() != stopped
        {
            world.fault(Some(&known.link), "a handle works after the server's end");
        }
    }
    let handle = &running.handle;
    if event_loop.post(|_| {}).map_err(SendError::from) != stopped
        || handle.broadcast(Vec::new()) != stopped
    {
        world.fault(None, "a loop takes a message after the server's end");
    }
    if handle.listen("tcp://127.0.0.1:0").is_ok() {
        world.fault(None, "an address is listened on after the server's end");
    }
    handle.shutdown();
}

//! One round: a server, all who have to do with it, and its end.

use std::fs;
use std::os::unix::net::UnixStream;
use std::panic;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use evio::{BoundAddress, Error, Server, ServerHandle};

use super::callers::{self, CALLERS};
use super::dice::Dice;
use super::ending;
use super::handler::Machine;
use super::noise::noise;
use super::peers;
use super::plan::Ending;
use super::silence::Silence;
use super::world::{LOOPS, Listening, World};
use crate::util::DEADLINE;

/// So many peers there are at once, at most.
const PEERS: usize = 30;

/// A round goes over to its end after this time, with operations left or not.
const TIME: Duration = Duration::from_secs(20);

/// Everything is over after this time, or hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(100);

/// A running server.
pub(crate) struct Running {
    pub(crate) handle: ServerHandle,
    pub(crate) addrs: Vec<BoundAddress>,
    /// The other side of `shutdown_on`.
    pub(crate) stop: Option<UnixStream>,
    pub(crate) result: Receiver<thread::Result<Result<(), Error>>>,
}

/// Runs a round, and returns what is wrong.
pub(crate) fn run(world: &Arc<World>) -> Result<(), String> {
    fs::create_dir_all(&world.directory).map_err(|error| error.to_string())?;
    // They stay, and are not what this round leaves behind.
    Silence::get();
    noise();
    let before = descriptors();
    let running = start(world)?;
    world
        .pulse
        .until(DEADLINE, || world.first_loop.lock().is_none().then_some(()))
        .map_err(|()| "serving was not called")?;
    let event_loop = world.first_loop.lock().take().expect("it is there");
    let udp = running.addrs.iter().find(|addr| usize::from(addr.index()) == 2);
    let udp = udp.and_then(|addr| addr.addr().as_inet()).ok_or("no address for datagrams")?;
    for number in 0..CALLERS {
        callers::start(world, number, &running.handle, &event_loop, udp);
    }
    let storm = start_peers(world);
    ending::end(world, running, &event_loop, storm)?;
    drop(event_loop);
    world.handles.lock().clear();
    // A thread that has been joined may have a little to do yet.
    let left = world.pulse.until(Duration::from_secs(10), || {
        let now = descriptors();
        (now != before).then(|| format!("{now} descriptors, before: {before}"))
    });
    left.and_then(|()| if world.has_fault() { Err(world.faults()) } else { Ok(()) })
}

/// Counts the descriptors of this process. FreeBSD may list the first three only.
fn descriptors() -> usize {
    fs::read_dir("/dev/fd").expect("the system lists them").count()
}

fn start(world: &Arc<World>) -> Result<Running, String> {
    let plan = &world.plan;
    world.note(format!("{plan:?}"));
    let reuse_port = if plan.reuse_port { "?reuseport=true" } else { "" };
    let tcp = format!("tcp://127.0.0.1:0{reuse_port}");
    let unix = format!("unix://{}", world.directory.join("server").display());
    let addresses = [tcp, unix, "udp://127.0.0.1:0".to_owned()];
    let server = Server::bind(addresses.iter().map(String::as_str));
    let mut server = server.map_err(|error| error.to_string())?;
    server = server
        .limits(plan.limits)
        .mailbox_capacity(plan.mailbox_capacity)
        .shutdown_timeout(plan.shutdown_timeout)
        .panic_policy(plan.panic_policy);
    if let Some(limits) = plan.unix_limits {
        server = server.limits_of(1, limits);
    }
    if let Some(max) = plan.max_connections {
        server = server.max_connections(max);
    }
    let shared = Arc::clone(world);
    server = match plan.load_balance {
        Some(load_balance) => server.load_balance(load_balance),
        None => server.place_with(move |_, open| {
            open.clone_into(&mut shared.placed.lock());
            // Each in turn, by what is there.
            open.iter().sum::<usize>() % LOOPS
        }),
    };
    let mut stop = None;
    if let Ending::Socket | Ending::SocketClosed | Ending::SocketGracefully(_) = plan.ending {
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        stop = Some(ours);
        server = match plan.ending {
            Ending::SocketGracefully(time) => server.shutdown_gracefully_on(theirs, time),
            _ => server.shutdown_on(theirs),
        };
    }
    let (addrs, handle) = (server.local_addrs(), server.handle());
    for index in 0..2 {
        let bound = addrs.iter().find(|addr| usize::from(addr.index()) == index);
        let bound = bound.ok_or("an address is not bound")?.clone();
        world.listeners.lock().push(Listening { bound, is_stopped: false });
    }
    let (results, result) = mpsc::channel();
    let shared = Arc::clone(world);
    world.spawn("server".to_owned(), move || {
        let run = || server.run_each(LOOPS, |loop_id| Machine::new(&shared, loop_id));
        let ended = panic::catch_unwind(panic::AssertUnwindSafe(run));
        if let Err(panic) = &ended {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            shared.fault(None, &format!("the server has panicked: {text:?}"));
        }
        // Nobody is listening when the round has failed already.
        let _ = results.send(ended);
        shared.pulse.beat();
    });
    Ok(Running { handle, addrs, stop, result })
}

/// Starts peers until the operations are done, and returns whether the end comes before that.
fn start_peers(world: &Arc<World>) -> bool {
    let mut dice = Dice::new(world.seed, u64::MAX - 20);
    let end = Instant::now() + TIME;
    while world.spent() < 100 && Instant::now() < end && !world.has_fault() {
        if world.plan.storm.is_some_and(|share| world.spent() >= share) {
            return true;
        }
        if world.peers.load(SeqCst) < PEERS {
            peers::start_one(world, &mut dice);
        }
        world.pulse.wait(dice.millis(4));
    }
    false
}

/// A place for the sockets of a round.
pub(crate) fn directory(number: usize) -> PathBuf {
    std::env::temp_dir().join(format!("evio-machine-{}-{number}", std::process::id()))
}

//! Operations on a connection by its handle, from any thread.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use evio::{Conn, Loop, LoopHandle, SendError};

use super::dice::Dice;
use super::frame::{EVERYBODY, FIRST_BROADCASTER, FIRST_SENDER, Frame, HEADER, Written};
use super::link::Link;
use super::model::Stage;
use super::world::{Known, World};

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Wake,
    Send,
    SendShared,
    Pause,
    Resume,
    Close,
    Abort,
}

const COMMANDS: [(usize, Command); 7] = [
    (30, Command::Wake),
    (25, Command::Send),
    (12, Command::SendShared),
    (7, Command::Pause),
    (14, Command::Resume),
    (3, Command::Close),
    (3, Command::Abort),
];

/// Gives one command, and sees to it that its being carried out is noticed.
pub(crate) fn act_on(world: &Arc<World>, known: &Known, sender: usize, dice: &mut Dice) {
    let command = dice.weigh(&COMMANDS);
    world.census.count(&format!("handle {command:?}"));
    let result = match command {
        Command::Wake => {
            let wake = wake(world, known);
            if wake.is_some_and(|_| dice.percent(40)) {
                fence_wake(world, known, wake);
            }
            return;
        }
        Command::Send | Command::SendShared => send(world, known, sender, command, dice),
        Command::Pause => return set_paused(world, known, true),
        Command::Resume => return set_paused(world, known, false),
        Command::Close | Command::Abort => return end(world, known, command),
    };
    if result.is_ok() && dice.percent(40) {
        fence_sends(world, known, sender);
    }
}

/// Wakes a connection, and returns which wake that was if it was taken.
pub(crate) fn wake(world: &World, known: &Known) -> Option<u32> {
    let link = &known.link;
    let wake = link.wakes.fetch_add(1, SeqCst) + 1;
    let result = known.handle.wake();
    if result.is_err() {
        link.server.lock().wake_was_refused = true;
    }
    world.note_of(link, format!("wake {wake} by handle: {result:?}"));
    result.is_ok().then_some(wake)
}

/// Checks that a wake is carried out before the next message of the same thread. One that is
/// connecting is not woken.
fn fence_wake(world: &Arc<World>, known: &Known, wake: Option<u32>) {
    let id = known.handle.id();
    fence(world, known, move |world, event_loop, link| {
        let server = link.server.lock();
        let is_owed = wake > Some(server.wakes_before) && wake > Some(server.woken);
        let is_open = server.stage == Stage::Open;
        drop(server);
        if is_owed && is_open && event_loop.conn(id).is_some() {
            world.fault(Some(link), &format!("a wake was lost: {wake:?}"));
        }
    });
}

fn send(
    world: &World,
    known: &Known,
    sender: usize,
    command: Command,
    dice: &mut Dice,
) -> Result<(), SendError> {
    let link = &known.link;
    let len = dice.len().min(300_000);
    let mut server = link.server.lock();
    let sequence = server.sends[sender].sent;
    // Before it is sent: it may arrive at once. Nobody else sends for this sender.
    server.sends[sender].sent += 1;
    server.written += (len + HEADER) as u64;
    server.others_wrote = true;
    drop(server);
    let writer = FIRST_SENDER + sender as u16;
    let (number, written) = (link.number, Written::AT_ANY_TIME);
    let bytes = Frame { number, writer, sequence, len: len as u32, written }.bytes(world.seed);
    let result = match command {
        Command::Send => known.handle.send(bytes).map_err(SendError::from),
        _ => known.handle.send_shared(bytes.into()).map_err(SendError::from),
    };
    if result.is_err() {
        link.server.lock().sends[sender].sent -= 1;
    }
    world.note_of(link, format!("{command:?} {sequence} of sender {sender}, {len}: {result:?}"));
    result
}

/// Pauses or resumes reading; which of them holds is not known until that was carried out.
pub(crate) fn set_paused(world: &Arc<World>, known: &Known, pauses: bool) {
    let link = &known.link;
    let mut server = link.server.lock();
    server.pauses_on_the_way += 1;
    server.pauses += 1;
    server.is_paused = None;
    let change = server.pauses;
    drop(server);
    let handle = &known.handle;
    let result = if pauses { handle.pause_reading() } else { handle.resume_reading() };
    world.note_of(link, format!("by handle, pause {pauses}: {result:?}"));
    let is_left = result.is_ok();
    fence(world, known, move |_, _, link| {
        let mut server = link.server.lock();
        server.pauses_on_the_way -= 1;
        // Unless somebody else has changed it since.
        if is_left && server.pauses == change {
            server.is_paused = Some(pauses);
        }
    });
}

fn end(world: &Arc<World>, known: &Known, command: Command) {
    let link = &known.link;
    let mut server = link.server.lock();
    server.endings_on_the_way += 1;
    match command {
        Command::Close => server.causes.closed = true,
        _ => server.causes.aborted = true,
    }
    drop(server);
    let result = match command {
        Command::Close => known.handle.close(),
        _ => known.handle.abort(),
    };
    world.note_of(link, format!("by handle, {command:?}: {result:?}"));
    if result.is_err() {
        link.server.lock().endings_on_the_way -= 1;
        return;
    }
    let id = known.handle.id();
    fence(world, known, move |world, event_loop, link| {
        let is_reachable = event_loop.conn(id).is_some();
        let mut server = link.server.lock();
        server.endings_on_the_way -= 1;
        server.is_ending = true;
        drop(server);
        if is_reachable {
            world.fault(Some(link), &format!("{command:?} by handle was not carried out"));
        }
    });
}

/// Records that everything a sender has sent until now must arrive, if the connection still takes
/// output when the loop has carried it out.
pub(crate) fn fence_sends(world: &Arc<World>, known: &Known, sender: usize) {
    let sent = known.link.server.lock().sends[sender].sent;
    let id = known.handle.id();
    fence(world, known, move |world, event_loop, link| {
        let Some(conn) = event_loop.conn(id).filter(Conn::takes_output) else { return };
        super::writing::check_output(world, &conn, link);
        let mut server = link.server.lock();
        let owed = &mut server.sends[sender].owed;
        *owed = sent.max(*owed);
    });
}

/// Posts `done` to the connection's loop, behind the commands that this thread has given before.
fn fence(
    world: &Arc<World>,
    known: &Known,
    done: impl FnOnce(&World, &mut Loop<'_>, &Link) + Send + 'static,
) {
    let link = Arc::clone(&known.link);
    // Without room for it, things stay unknown.
    let _ = post(world, &known.event_loop, move |world, event_loop| done(world, event_loop, &link));
}

/// Counts a task from when it is posted to when it is gone.
struct Ticket {
    world: Arc<World>,
    is_run: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let tasks = &self.world.tasks;
        let count = if self.is_run { &tasks.run } else { &tasks.dropped };
        count.fetch_add(1, SeqCst);
        self.world.pulse.beat();
    }
}

/// Posts a task, and keeps count of it.
pub(crate) fn post(
    world: &Arc<World>,
    event_loop: &LoopHandle,
    task: impl FnOnce(&Arc<World>, &mut Loop<'_>) + Send + 'static,
) -> Result<(), SendError> {
    let mut ticket = Ticket { world: Arc::clone(world), is_run: false };
    world.tasks.posted.fetch_add(1, SeqCst);
    let result = event_loop.post(move |event_loop| {
        ticket.is_run = true;
        task(&ticket.world, event_loop);
    });
    if result.is_err() {
        world.tasks.refused.fetch_add(1, SeqCst);
    }
    result.map_err(SendError::from)
}

/// Broadcasts, from a loop or another thread.
pub(crate) fn broadcast(world: &Arc<World>, from: &LoopHandle, sender: usize, dice: &mut Dice) {
    let len = dice.len().min(20_000);
    let sequence = world.broadcasts[sender].fetch_add(1, SeqCst);
    world.add_broadcast_bytes(len + HEADER);
    // Those that are open now and take output afterwards must get it.
    let open: Vec<Vec<_>> = world.loops.iter().map(|side| side.live.lock().clone()).collect();
    let is_open = |link: &Link| link.server.lock().stage == Stage::Open;
    let writer = FIRST_BROADCASTER + sender as u16;
    let (number, written) = (EVERYBODY, Written::AT_ANY_TIME);
    let bytes = Frame { number, writer, sequence, len: len as u32, written }.bytes(world.seed);
    let open: Vec<Vec<_>> = open
        .into_iter()
        .map(|live| live.into_iter().filter(|(_, link)| is_open(link)).collect())
        .collect();
    let result = from.broadcast(bytes);
    world.note(format!("broadcast {sequence} of sender {sender}, {len} bytes: {result:?}"));
    if result.is_err() {
        world.failed_broadcasts.lock().insert((sender, sequence));
        return;
    }
    for (loop_id, live) in open.into_iter().enumerate() {
        let event_loop = from.of_loop(loop_id).expect("there are so many loops");
        let _ = post(world, &event_loop, move |_, event_loop| {
            for (id, link) in live {
                if event_loop.conn(id).as_ref().is_some_and(Conn::takes_output) {
                    link.server.lock().broadcasts_owed[sender] = Some(sequence);
                }
            }
        });
    }
}

//! A detached socket goes on, on a thread or in a loop, and the peer must not notice.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio::{Conn, Detached, Loop};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::callback::take_input;
use super::dice::Dice;
use super::frame::{Frame, HEADER, LOOP, Written};
use super::link::Link;
use super::world::{LOOPS, Phase, World};
use super::{around, by_handle};
use crate::util::{Client, DEADLINE};

/// How long one call may wait before the thread looks around.
const STEP: Duration = Duration::from_millis(50);

/// Gives back some of the input of the callback that asks for the detach.
pub(crate) fn put_back_some(world: &World, conn: &mut Conn<'_>, link: &Link, input: &[u8]) {
    let mut server = link.server.lock();
    let mut dice = server.dice.split();
    let kept = if dice.coin() { input.len() } else { dice.below(input.len() + 1) };
    server.received -= (input.len() - kept) as u64;
    drop(server);
    let (first, second) = input[kept..].split_at(dice.below(input.len() - kept + 1));
    conn.put_back(first);
    conn.put_back(second);
    link.server.lock().put_back = input.len() - kept;
    world.note_of(link, format!("puts {} bytes back", input.len() - kept));
}

/// Goes on with a socket: on a thread of its own, or in one of the loops.
pub(crate) fn take_over(
    world: &Arc<World>,
    link: &Arc<Link>,
    socket: Detached,
    event_loop: &mut Loop<'_>,
) {
    let mut dice = link.server.lock().dice.split();
    let is_whole = !link.server.lock().output_ended;
    if world.phase() == Phase::Running && is_whole && dice.percent(40) {
        let new = world.continue_link(link);
        world.note_of(&new, "goes on with the socket".to_owned());
        if dice.coin() {
            return around::adopt_as(world, event_loop, socket, &new, &mut dice);
        }
        let target = event_loop.handle().of_loop(dice.below(LOOPS));
        let target = target.expect("there are so many loops");
        let _ = by_handle::post(world, &target, move |world, event_loop| {
            around::adopt_as(world, event_loop, socket, &new, &mut dice);
        });
        return;
    }
    let (world, link) = (Arc::clone(world), Arc::clone(link));
    let name = format!("detached {}", link.number);
    Arc::clone(&world).spawn(name, move || {
        if let Err(what) = go_on(&world, &link, socket, dice) {
            world.fault(Some(&link), &what);
        }
        world.pulse.beat();
    });
}

fn go_on(world: &World, link: &Link, mut socket: Detached, mut dice: Dice) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    // Input that was put back comes first; to read more than that would wait for the peer.
    if link.server.lock().put_back > 0 && dice.coin() {
        let mut first = [0];
        socket.read_exact(&mut first).map_err(text)?;
        take_input(world, link, &first)?;
    }
    let (stream, rest) = socket.into_parts();
    take_input(world, link, &rest)?;
    let flags = fcntl(&stream, FcntlArg::F_GETFL).map_err(|error| error.to_string())?;
    if OFlag::from_bits_retain(flags).contains(OFlag::O_NONBLOCK) {
        return Err("a detached socket is not in blocking mode".to_owned());
    }
    if dice.percent(15) {
        world.note_of(link, "drops the socket".to_owned());
        link.server.lock().is_dropped = true;
        return Ok(());
    }
    let client = match TcpStream::try_from(stream) {
        Ok(stream) => Client::Tcp(stream),
        Err(stream) => Client::Unix(stream.try_into().expect("it is TCP or Unix")),
    };
    client.set_read_timeout(STEP).map_err(text)?;
    client.set_write_timeout(STEP).map_err(text)?;
    let result = converse(world, link, &client, &mut dice);
    let peer = link.peer.lock();
    let may_fail = peer.has_left || peer.has_meddled;
    drop(peer);
    match result {
        Err(error) if !may_fail => Err(format!("a detached socket: {error}")),
        _ => Ok(()),
    }
}

/// Writes a little, ends the output, and takes all that the peer has to say.
fn converse(world: &World, link: &Link, client: &Client, dice: &mut Dice) -> io::Result<()> {
    let frames = if link.server.lock().output_ended { 0 } else { dice.below(3) };
    for _ in 0..frames {
        let len = dice.len().min(10_000);
        let mut server = link.server.lock();
        let sequence = server.frames;
        server.frames += 1;
        server.written += (len + HEADER) as u64;
        drop(server);
        world.note_of(link, format!("writes frame {sequence} of {len} bytes"));
        let (number, written) = (link.number, Written::AT_ANY_TIME);
        let frame = Frame { number, writer: LOOP, sequence, len: len as u32, written };
        let bytes = frame.bytes(world.seed);
        let mut sent = 0;
        with_patience(world, || {
            sent += (&mut &*client).write(&bytes[sent..])?;
            Ok(sent < bytes.len())
        })?;
    }
    // It has been ended already, perhaps, or both sides have.
    let _ = client.try_finish_sending();
    let mut buffer = vec![0; 32 << 10];
    with_patience(world, || {
        let len = (&mut &*client).read(&mut buffer)?;
        take_input(world, link, &buffer[..len]).map_err(io::Error::other)?;
        world.pulse.beat();
        Ok(len > 0)
    })?;
    world.note_of(link, "has found the end of the input".to_owned());
    Ok(())
}

/// Does something until it is done. A peer may take its time, but not when the round is over.
fn with_patience(world: &World, mut step: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let mut over = None;
    loop {
        match step() {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let over = over.get_or_insert_with(Instant::now);
                if world.phase() < Phase::Over {
                    *over = Instant::now();
                } else if over.elapsed() > DEADLINE {
                    return Err(error);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

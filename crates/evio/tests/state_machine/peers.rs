//! How the peers of a server come to it: as clients, as those it connects to, and as the other ends
//! of what it adopts.

use std::io;
use std::net::{Ipv4Addr, SocketAddr as Inet, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{SocketAddr as UnixAddr, UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use evio::{SocketAddr, Stream};
use socket2::{Domain, SockAddr, Socket, Type};

use super::client::Client;
use super::dice::Dice;
use super::link::{Kind, Link, Outcome};
use super::model::Stage;
use super::script;
use super::world::{Listening, Phase, World};
use crate::util::{self, DEADLINE};

/// Starts one peer of some kind, on a thread of its own.
pub(crate) fn start_one(world: &Arc<World>, dice: &mut Dice) {
    match dice.below(100) {
        0..55 => {
            let listeners = world.listeners.lock();
            let all: Vec<&Listening> = listeners.iter().filter(|l| !l.is_stopped).collect();
            // Those of the beginning most of the time.
            let chosen = if dice.percent(80) { dice.below(2) } else { dice.below(all.len()) };
            let listening = all.get(chosen).map(|listening| (*listening).clone());
            drop(listeners);
            if let Some(listening) = listening {
                connect(world, listening);
            }
        }
        55..80 => wait_for_it(world, dice.percent(40)),
        _ => offer(world, dice.percent(50)),
    }
}

/// The socket of a peer, and perhaps a copy of the server's; none if there is no connection.
type Beginning = Option<(util::Client, Option<OwnedFd>)>;

/// Runs a peer on a thread of its own.
fn run(
    world: &Arc<World>,
    link: Arc<Link>,
    live: impl FnOnce(&mut Client, &mut Dice) + Send + 'static,
    begin: impl FnOnce(&World, &Arc<Link>, &mut Dice) -> io::Result<Beginning> + Send + 'static,
) {
    world.peers.fetch_add(1, SeqCst);
    let name = format!("peer {}", link.number);
    let shared = Arc::clone(world);
    world.spawn(name, move || {
        let world = &shared;
        let mut dice = world.peer_dice(&link);
        match begin(world, &link, &mut dice) {
            Ok(Some((socket, copy))) => {
                world.note_of(&link, "is connected".to_owned());
                let mut client = Client::new(world, &link, socket);
                client.copy = copy;
                live(&mut client, &mut dice);
            }
            other => {
                world.note_of(&link, format!("never connected: {other:?}"));
                link.peer.lock().outcome = Some(Outcome::NeverConnected);
            }
        }
        world.peers.fetch_sub(1, SeqCst);
        world.pulse.beat();
    });
}

/// Starts a client.
pub(crate) fn connect(world: &Arc<World>, listening: Listening) {
    let link = new_client(world, &listening);
    run(world, link, script::live, move |world, link, dice| {
        connect_to(world, link, &listening, dice.percent(30))
    });
}

/// Starts a client that sends a little, ends its output and waits for the end.
pub(crate) fn poke(world: &Arc<World>) -> Arc<Link> {
    let listening = world.listeners.lock()[0].clone();
    let link = new_client(world, &listening);
    let live = |client: &mut Client, _: &mut Dice| {
        client.send(10);
        client.pump(DEADLINE, Client::has_sent_all);
        client.finish_sending();
        client.pump(DEADLINE, |_| false);
    };
    run(world, Arc::clone(&link), live, move |world, link, _| {
        connect_to(world, link, &listening, false)
    });
    link
}

fn new_client(world: &World, listening: &Listening) -> Arc<Link> {
    let is_unix = matches!(listening.bound.addr(), SocketAddr::Unix(_));
    world.new_link(Kind::Accepted(listening.index()), is_unix)
}

/// Connects, which fails only when nobody listens there any more.
fn connect_to(
    world: &World,
    link: &Arc<Link>,
    listening: &Listening,
    small: bool,
) -> io::Result<Beginning> {
    let result = try_connect(world, link, listening.bound.addr(), small);
    let is_stopped = |l: &Listening| l.index() == listening.index() && l.is_stopped;
    let is_excused = world.is_shutting_down() || world.listeners.lock().iter().any(is_stopped);
    if let Err(error) = &result {
        if !is_excused {
            world.fault(Some(link), &format!("cannot connect: {error}"));
        }
    }
    result.map(|client| Some((client, None)))
}

/// Connects from an address that is known before, so that the server can tell who it is.
fn try_connect(
    world: &World,
    link: &Arc<Link>,
    address: &SocketAddr,
    small: bool,
) -> io::Result<util::Client> {
    let client = match address {
        SocketAddr::Inet(address) => {
            let socket = bind_to_new_port(world, link)?;
            if small {
                socket.set_recv_buffer_size(4 << 10)?;
            }
            socket.connect(&SockAddr::from(*address))?;
            util::Client::Tcp(TcpStream::from(OwnedFd::from(socket)))
        }
        SocketAddr::Unix(address) => {
            let own = world.directory.join(format!("c{}", link.number));
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.bind(&SockAddr::unix(&own)?)?;
            world.names.lock().insert(own.display().to_string(), Arc::clone(link));
            let path = address.as_pathname().expect("the server's socket has a path");
            let result = socket.connect(&SockAddr::unix(path)?);
            std::fs::remove_file(&own)?;
            result?;
            util::Client::Unix(UnixStream::from(OwnedFd::from(socket)))
        }
    };
    without_blocking(client)
}

/// Binds a port that no client of this round has had: the server may still be busy with that one.
fn bind_to_new_port(world: &World, link: &Arc<Link>) -> io::Result<Socket> {
    let mut held = Vec::new();
    loop {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&SockAddr::from(Inet::from((Ipv4Addr::LOCALHOST, 0))))?;
        let own = socket.local_addr()?.as_socket().expect("an address of IPv4").to_string();
        let mut names = world.names.lock();
        if let std::collections::hash_map::Entry::Vacant(name) = names.entry(own) {
            name.insert(Arc::clone(link));
            return Ok(socket);
        }
        held.push(socket);
    }
}

fn without_blocking(client: util::Client) -> io::Result<util::Client> {
    match &client {
        util::Client::Tcp(stream) => stream.set_nonblocking(true)?,
        util::Client::Unix(stream) => stream.set_nonblocking(true)?,
    }
    Ok(client)
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Accepts a peer, with its address unless it is a Unix one.
    fn accept(&self) -> io::Result<(util::Client, Option<Inet>)> {
        let (client, peer) = match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                (util::Client::Tcp(stream), Some(peer))
            }
            Self::Unix(listener) => (util::Client::Unix(listener.accept()?.0), None),
        };
        Ok((without_blocking(client)?, peer))
    }
}

/// Listens on an address of its own, for the server to connect to.
fn wait_for_it(world: &Arc<World>, is_unix: bool) {
    let link = world.new_link(Kind::Connected, is_unix);
    run(world, link, script::live, move |world, link, _| {
        let path = world.directory.join(format!("l{}", link.number));
        let (listener, address) = if is_unix {
            let listener = UnixListener::bind(&path)?;
            listener.set_nonblocking(true)?;
            (Listener::Unix(listener), SocketAddr::from(UnixAddr::from_pathname(&path)?))
        } else {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            let address = SocketAddr::from(listener.local_addr()?);
            (Listener::Tcp(listener), address)
        };
        world.targets.lock().push((address, Arc::clone(link)));
        let client = accept(world, link, &listener);
        if is_unix {
            std::fs::remove_file(&path)?;
        }
        client
    });
}

/// Waits to be connected to, as long as that can still be.
fn accept(world: &World, link: &Link, listener: &Listener) -> io::Result<Beginning> {
    let mut taken = None;
    loop {
        match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok((_, peer)) if is_stranger(world, link, peer) => {}
            result => return result.map(|(client, _)| Some((client, None))),
        }
        if link.server.lock().is_over() {
            // It may have been connected before it failed.
            return listener.accept().map(|(client, _)| Some((client, None)));
        }
        let mut targets = world.targets.lock();
        let place = targets.iter().position(|(_, other)| other.number == link.number);
        if let Some(place) = place.filter(|_| world.phase() > Phase::Running) {
            targets.remove(place);
            return Ok(None);
        }
        drop(targets);
        if place.is_none() && taken.get_or_insert_with(Instant::now).elapsed() > DEADLINE {
            world.fault(Some(link), "the server has not connected");
            return Ok(None);
        }
        world.pulse.wait(Duration::from_millis(2));
    }
}

/// Returns whether it was not the server that has connected: another process may try any port.
fn is_stranger(world: &World, link: &Link, peer: Option<Inet>) -> bool {
    if peer.is_none() {
        return false;
    }
    // The server does not know its own address earlier than this thread may see it.
    let known = world.pulse.until(Duration::from_secs(1), || {
        let server = link.server.lock();
        (server.stage == Stage::New).then_some(())
    });
    known.is_err() || peer != link.server.lock().local_addr
}

/// Makes a pair, and offers one end of it to the server.
fn offer(world: &Arc<World>, is_unix: bool) {
    let link = world.new_link(Kind::Adopted, is_unix);
    run(world, link, script::live, move |world, link, dice| {
        let (own, theirs) = if is_unix {
            let (own, theirs) = UnixStream::pair()?;
            (util::Client::Unix(own), Stream::from(theirs))
        } else {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let theirs = TcpStream::connect(listener.local_addr()?)?;
            let address = theirs.local_addr()?;
            let own = loop {
                let (own, peer) = listener.accept()?;
                if peer == address {
                    break own;
                }
            };
            (util::Client::Tcp(own), Stream::from(theirs))
        };
        // With a copy elsewhere a reset leaves at once on Linux only.
        let may_be_copied = evio::BACKEND == "epoll";
        let copy = (dice.percent(40) && may_be_copied)
            .then(|| theirs.as_fd().try_clone_to_owned())
            .transpose()?;
        let mut adoptables = world.adoptables.lock();
        if world.phase() > Phase::Running {
            // They have been cleared away already.
            return Ok(None);
        }
        adoptables.push((theirs, Arc::clone(link)));
        drop(adoptables);
        without_blocking(own).map(|own| Some((own, copy)))
    });
}

//! Datagrams: each carries a number, and bytes that belong to it.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use evio::{Loop, ServerHandle, Udp};

use super::dice::Dice;
use super::noise::Stream;
use super::world::World;

/// The index of the address that takes datagrams.
fn address_index<T: From<u8>>() -> T {
    T::from(2)
}

fn datagram(world: &World, number: u64, len: usize) -> Vec<u8> {
    let body = Stream::of(&[world.seed, number, u64::MAX]).at(0, len);
    [&number.to_le_bytes()[..], body].concat()
}

fn check(world: &World, bytes: &[u8]) {
    let number = bytes.first_chunk().map(|number| u64::from_le_bytes(*number));
    let is_right = number.is_some_and(|number| datagram(world, number, bytes.len() - 8) == bytes);
    if !is_right {
        world.fault(None, &format!("a datagram of {} bytes is wrong", bytes.len()));
    }
}

/// Makes one of a random length, up to nearly the largest there is.
pub(crate) fn any_datagram(world: &World, dice: &mut Dice) -> Vec<u8> {
    datagram(world, dice.next(), dice.len().min(60_000))
}

/// The server's side: checks what has come, and sends it back.
pub(crate) fn answer(world: &World, socket: &mut Udp<'_>, peer: SocketAddr, bytes: &[u8]) {
    check(world, bytes);
    if bytes.len() % 2 == 0 {
        socket.send_to(bytes, peer);
    } else {
        socket.send_to_now(bytes, peer);
    }
}

/// Sends one that nobody has asked for.
pub(crate) fn send_from(world: &World, event_loop: &mut Loop<'_>, dice: &mut Dice) {
    let Some(mut socket) = event_loop.udp(address_index()) else { return };
    let bytes = any_datagram(world, dice);
    if let Some(peer) = *world.udp_peer.lock() {
        socket.send_to(&bytes, peer);
    }
}

/// A client, of which nothing is expected but that what arrives is right.
pub(crate) struct Client {
    world: Arc<World>,
    socket: UdpSocket,
    server: SocketAddr,
}

impl Client {
    pub(crate) fn new(world: &Arc<World>, server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_nonblocking(true).expect("the mode can be set");
        *world.udp_peer.lock() = socket.local_addr().ok();
        Self { world: Arc::clone(world), socket, server }
    }

    /// Sends one, by itself or by having the server do it, and takes what is there.
    pub(crate) fn act(&self, handle: &ServerHandle, dice: &mut Dice) {
        let bytes = any_datagram(&self.world, dice);
        if dice.percent(20) {
            let own = self.socket.local_addr().expect("it is bound");
            let _ = handle.send_datagram(address_index(), bytes, own);
        } else {
            // One that there is no room for is lost.
            let _ = self.socket.send_to(&bytes, self.server);
        }
        let mut buffer = vec![0; 70_000];
        while let Ok((len, _)) = self.socket.recv_from(&mut buffer) {
            check(&self.world, &buffer[..len]);
            self.world.census.count("datagram returned");
        }
    }
}

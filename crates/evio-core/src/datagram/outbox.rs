//! The datagrams that wait for the end of the turn.

use std::io;
use std::net::{IpAddr, SocketAddr};

use evio_sys::net::UdpSocket;
use slab::Slab;

use crate::datagram::bound_udp::BoundUdp;

/// Bytes of waiting datagrams at which a socket's input waits for the next turn.
const OUTBOX_FULL: usize = 1 << 20;

/// Bytes of waiting datagrams above which further ones are dropped, as by a socket without room.
const OUTBOX_LIMIT: usize = 16 << 20;

/// Datagrams above which further ones are dropped: empty ones take room as well.
const MAX_WAITING: usize = 1 << 18;

/// Datagrams that the outbox keeps room for between turns.
const KEPT_DATAGRAMS: usize = 4096;

/// The datagrams of a turn, end to end in one buffer that is reused.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
    /// Sockets that the loop has given up in this turn and sends from once more: `None` if broken.
    given_up: Vec<Option<UdpSocket>>,
}

#[derive(Debug)]
struct Datagram {
    sender: Sender,
    peer: SocketAddr,
    source: Option<IpAddr>,
    /// Where its bytes end, which is where those of the next begin.
    end: usize,
}

/// Where to find the socket that a datagram leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// Among those of the loop.
    Bound(u32),
    /// Among those that are given up.
    GivenUp(usize),
}

impl Outbox {
    pub(super) fn push(
        &mut self,
        socket: u32,
        bytes: &[u8],
        peer: SocketAddr,
        source: Option<IpAddr>,
    ) {
        if self.bytes.len() + bytes.len() > OUTBOX_LIMIT || self.datagrams.len() >= MAX_WAITING {
            return;
        }
        self.bytes.extend_from_slice(bytes);
        let sender = Sender::Bound(socket);
        self.datagrams.push(Datagram { sender, peer, source, end: self.bytes.len() });
    }

    /// Keeps a socket that the loop has given up, whose slot may be another one's soon. What
    /// waits for the end of the turn is sent by `socket`, or lost if there is none.
    pub(crate) fn give_up(&mut self, slot: u32, socket: Option<UdpSocket>) {
        let given_up = Sender::GivenUp(self.given_up.len());
        let mut waiting = self.datagrams.iter_mut().filter(|d| d.sender == Sender::Bound(slot));
        let Some(first) = waiting.next() else { return };
        first.sender = given_up;
        waiting.for_each(|datagram| datagram.sender = given_up);
        self.given_up.push(socket);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= OUTBOX_FULL
    }

    /// Sends and forgets everything.
    pub(crate) fn send(&mut self, sockets: &Slab<BoundUdp>) {
        let mut start = 0;
        for Datagram { sender, peer, source, end } in self.datagrams.drain(..) {
            let bytes = &self.bytes[start..end];
            start = end;
            let socket = match sender {
                Sender::Bound(slot) => sockets.get(slot as usize).map(|bound| &bound.socket),
                Sender::GivenUp(place) => self.given_up[place].as_ref(),
            };
            if let Some(socket) = socket {
                send_datagram(socket, bytes, peer, source);
            }
        }
        self.clear();
    }

    /// Forgets everything. The memory of a burst goes back.
    pub(super) fn clear(&mut self) {
        self.datagrams.clear();
        self.bytes.clear();
        self.given_up.clear();
        self.bytes.shrink_to(OUTBOX_FULL);
        self.datagrams.shrink_to(KEPT_DATAGRAMS);
    }
}

/// Sends once more after an error: it may be that of an earlier datagram, which the kernel reports
/// with the next call whatever that is for.
pub(super) fn send_datagram(
    socket: &UdpSocket,
    bytes: &[u8],
    peer: SocketAddr,
    source: Option<IpAddr>,
) {
    let send = || match source {
        Some(source) => socket.send_from(bytes, source, peer),
        None => socket.send_to(bytes, peer),
    };
    if let Err(error) = send() {
        if error.kind() != io::ErrorKind::WouldBlock {
            let _ = send();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket as StdSocket;

    use super::*;

    fn socket() -> BoundUdp {
        let socket = UdpSocket::try_from(StdSocket::bind("127.0.0.1:0").unwrap()).unwrap();
        BoundUdp::new(0, socket)
    }

    /// The slot of a socket that is given up may be another one's in the same turn.
    #[test]
    fn nothing_of_one_socket_is_sent_by_another() {
        let receiver = StdSocket::bind("127.0.0.1:0").unwrap();
        let peer = receiver.local_addr().unwrap();
        for is_of_use in [true, false] {
            let (mut sockets, mut outbox) = (Slab::new(), Outbox::default());
            let slot = sockets.insert(socket());
            for bytes in [b"1", b"2"] {
                outbox.push(slot as u32, bytes, peer, None);
            }
            let given_up = sockets.remove(slot).socket;
            let old = given_up.local_addr().unwrap();
            outbox.give_up(slot as u32, is_of_use.then_some(given_up));
            assert_eq!(sockets.insert(socket()), slot);
            outbox.push(slot as u32, b"3", peer, None);
            let new = sockets[slot].socket.local_addr().unwrap();
            outbox.send(&sockets);
            assert!(outbox.is_empty() && outbox.given_up.is_empty());

            let all = [(b'1', old), (b'2', old), (b'3', new)];
            for &expected in if is_of_use { &all[..] } else { &all[2..] } {
                let mut byte = [0];
                let (_, from) = receiver.recv_from(&mut byte).unwrap();
                assert_eq!((byte[0], from), expected);
            }
        }
    }
}

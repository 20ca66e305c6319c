//! UDP: a socket as a callback sees it, and the datagrams that wait for the end of the turn.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use evio_sys::Interest;
use evio_sys::net::{Received, UdpSocket, is_defunct};
use slab::Slab;

use crate::conn::ThreadBound;
use crate::handler::Handler;
use crate::loop_access::Loop;
use crate::loop_state::LoopState;
use crate::source::Source;
use crate::turn::Running;

/// Datagrams taken from one socket in a turn.
const DATAGRAM_BUDGET: usize = 64;

/// Failures in a row at which a socket rests. An error that tells of an earlier datagram is told
/// once, and who shares a socket with others may come late time and again; neither has so many.
const MAX_FAILURES: usize = 64;

/// Bytes of waiting datagrams at which a socket's input waits for the next turn.
const OUTBOX_FULL: usize = 1 << 20;

/// A UDP socket, for the time of a callback.
///
/// Datagrams are sent when the turn of the loop ends, each by itself. As UDP does, they can be
/// lost: one that the socket has no room for, or that is too large for the network, is dropped.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
/// use std::ops::ControlFlow;
/// use evio_core::Udp;
///
/// /// The `datagram` callback of an echo server.
/// fn datagram(socket: &mut Udp<'_>, peer: SocketAddr, input: &[u8]) -> ControlFlow<()> {
///     socket.send_to(input, peer);
///     ControlFlow::Continue(())
/// }
/// ```
pub struct Udp<'a> {
    state: &'a mut LoopState,
    number: u32,
    /// The peer of the datagram that the callback is for, and the address it came to.
    conversation: Option<(SocketAddr, IpAddr)>,
    thread_bound: ThreadBound,
}

impl<'a> Udp<'a> {
    /// `number` must be that of a socket of the loop.
    pub(crate) fn new(
        state: &'a mut LoopState,
        number: u32,
        conversation: Option<(SocketAddr, IpAddr)>,
    ) -> Self {
        Self { state, number, conversation, thread_bound: PhantomData }
    }

    fn bound(&self) -> &BoundUdp {
        self.state.sockets.get(self.number as usize).expect("a Udp lives shorter than its socket")
    }

    /// Sends a datagram at the end of the turn.
    ///
    /// A reply to the datagram that the callback is for leaves from the address that was sent to,
    /// also when the socket is bound to a wildcard and the machine has several.
    pub fn send_to(&mut self, bytes: &[u8], peer: SocketAddr) {
        let source = self.source_for(peer);
        self.state.outbox.push(self.number, bytes, peer, source);
    }

    /// Sends a datagram at once, unless others are waiting for the end of the turn.
    ///
    /// It saves a copy, and a peer that waits for the reply has it earlier. It does not wait for
    /// [`Handler::pre_write`].
    pub fn send_to_now(&mut self, bytes: &[u8], peer: SocketAddr) {
        if self.state.outbox.is_empty() {
            send_datagram(&self.bound().socket, bytes, peer, self.source_for(peer));
        } else {
            self.send_to(bytes, peer);
        }
    }

    fn source_for(&self, peer: SocketAddr) -> Option<IpAddr> {
        self.conversation.filter(|&(other, _)| other == peer).map(|(_, local)| local)
    }

    /// Returns the address of this machine that the datagram came to; `None` outside of
    /// [`Handler::datagram`](crate::Handler::datagram), for a socket that is bound to one address
    /// anyway, for IPv6 multicast, and where the system does not tell.
    ///
    /// # Platform notes
    ///
    /// Linux tells (`IP_PKTINFO`); elsewhere the source of a reply is chosen by the routes.
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.conversation.map(|(_, local)| local)
    }

    /// Returns the index of this socket's address, in the order in which the server was given them.
    #[must_use]
    pub fn address_index(&self) -> usize {
        usize::from(self.bound().address_index)
    }

    /// Returns the address that was bound.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.bound().socket.local_addr()
    }

    /// Receives what is sent to an IPv4 multicast group, on the interface with the given address,
    /// or one that the system chooses if it is unspecified.
    ///
    /// A group is joined by one socket. On a server with several loops each has a socket of its
    /// own, and every one that joins receives every datagram of the group.
    ///
    /// # Errors
    ///
    /// Fails when `group` is no multicast address, the socket takes no IPv4, the interface does not
    /// exist, or the group was joined already.
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.bound().socket.join_multicast_v4(group, interface)
    }

    /// Receives what is sent to an IPv6 multicast group, on the interface with the given index, or
    /// one that the system chooses if it is zero; otherwise as
    /// [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Fails when `group` is no multicast address, the socket is not one of IPv6, the interface
    /// does not exist, or the group was joined already.
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.bound().socket.join_multicast_v6(group, interface)
    }

    /// Takes back [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Fails when the group was not joined on that interface.
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.bound().socket.leave_multicast_v4(group, interface)
    }

    /// Takes back [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// Fails when the group was not joined on that interface.
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.bound().socket.leave_multicast_v6(group, interface)
    }

    /// Returns the loop of this socket.
    #[must_use]
    pub fn event_loop(&mut self) -> Loop<'_> {
        Loop::new(self.state)
    }
}

impl fmt::Debug for Udp<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Udp").field("address_index", &self.address_index()).finish()
    }
}

/// A UDP socket of the loop.
#[derive(Debug)]
pub(crate) struct BoundUdp {
    pub(crate) socket: UdpSocket,
    pub(crate) address_index: u16,
    /// How often there was an error, or nothing although the poller had reported it: since the last
    /// datagram, the last rest, or the last time that all there was had been taken.
    failures: usize,
    /// Until when it is out of the poller, if it is.
    pub(crate) rests_until: Option<Instant>,
}

impl BoundUdp {
    pub(crate) fn new(address_index: u16, socket: UdpSocket) -> Self {
        Self { socket, address_index, failures: 0, rests_until: None }
    }
}

/// The datagrams of a turn, end to end in one buffer that is reused.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    datagrams: Vec<Datagram>,
    /// What is left of sockets that the loop has given up in this turn: `None` if one is of no use.
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
    fn push(&mut self, socket: u32, bytes: &[u8], peer: SocketAddr, source: Option<IpAddr>) {
        self.bytes.extend_from_slice(bytes);
        let sender = Sender::Bound(socket);
        self.datagrams.push(Datagram { sender, peer, source, end: self.bytes.len() });
    }

    /// Takes note that the loop has given up a socket, whose number may be another one's soon. What
    /// waits for the end of the turn is sent by `socket`, or lost if there is none.
    pub(crate) fn give_up(&mut self, number: u32, socket: Option<UdpSocket>) {
        let given_up = Sender::GivenUp(self.given_up.len());
        let mut waiting = self.datagrams.iter_mut().filter(|d| d.sender == Sender::Bound(number));
        let Some(first) = waiting.next() else { return };
        first.sender = given_up;
        waiting.for_each(|datagram| datagram.sender = given_up);
        self.given_up.push(socket);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= OUTBOX_FULL
    }

    /// Sends and forgets everything.
    pub(crate) fn send(&mut self, sockets: &Slab<BoundUdp>) {
        let mut start = 0;
        for Datagram { sender, peer, source, end } in self.datagrams.drain(..) {
            let bytes = &self.bytes[start..end];
            start = end;
            let socket = match sender {
                Sender::Bound(number) => sockets.get(number as usize).map(|bound| &bound.socket),
                Sender::GivenUp(place) => self.given_up[place].as_ref(),
            };
            if let Some(socket) = socket {
                send_datagram(socket, bytes, peer, source);
            }
        }
        self.bytes.clear();
        self.given_up.clear();
        // One burst of large datagrams must not keep its memory for ever.
        self.bytes.shrink_to(OUTBOX_FULL);
    }
}

/// Sends once more after an error: it may be that of an earlier datagram, which the kernel reports
/// with the next call whatever that is for.
fn send_datagram(socket: &UdpSocket, bytes: &[u8], peer: SocketAddr, source: Option<IpAddr>) {
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

impl LoopState {
    /// Takes a socket out of the poller for a while: it is polled level-triggered, so one that
    /// nothing can be had from would be reported again and again.
    fn rest_socket(&mut self, number: u32) {
        let bound = &mut self.sockets[number as usize];
        bound.failures = 0;
        if self.poller.deregister(&bound.socket).is_ok() {
            bound.rests_until = Some(self.rests.begin(self.clock.now()));
        }
    }

    /// Has sockets receive again that have rested long enough.
    pub(crate) fn resume_rested_sockets(&mut self) {
        for (number, bound) in &mut self.sockets {
            if bound.rests_until.is_some_and(|until| until <= self.clock.now()) {
                let token = Source::Datagram(number as u32).token();
                let result = self.poller.register(&bound.socket, token, Interest::READABLE);
                bound.rests_until = result.err().map(|_| self.rests.begin(self.clock.now()));
            }
        }
    }
}

impl<H: Handler> Running<H> {
    pub(crate) fn receive_datagrams(&mut self, number: u32) {
        for attempt in 0..DATAGRAM_BUDGET {
            // Looked up each time: a callback may have given it up.
            let Some(bound) = self.state.sockets.get_mut(number as usize) else { return };
            let Received { len, peer, local } = match bound.socket.recv_from(&mut self.buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && attempt > 0 => {
                    // What was reported has been taken.
                    bound.failures = 0;
                    return;
                }
                Err(error) if self.goes_on_after(&error, number) => continue,
                Err(_) => return,
            };
            bound.failures = 0;
            let conversation = local.map(|local| (peer, local));
            let mut socket = Udp::new(&mut self.state, number, conversation);
            let flow = self.handler.datagram(&mut socket, peer, &self.buffer[..len]);
            self.follow(flow);
            if self.state.outbox.is_full() {
                return;
            }
        }
    }

    /// Deals with a failure, and returns whether to try again in this turn.
    #[cold]
    fn goes_on_after(&mut self, error: &io::Error, number: u32) -> bool {
        if is_defunct(error) {
            self.give_up_socket(number, error);
            return false;
        }
        let bound = &mut self.state.sockets[number as usize];
        bound.failures += 1;
        if bound.failures == MAX_FAILURES {
            self.state.rest_socket(number);
            return false;
        }
        // The fate of an earlier datagram to some peer: the next one may be well.
        error.kind() != io::ErrorKind::WouldBlock
    }

    fn give_up_socket(&mut self, number: u32, error: &io::Error) {
        let bound = self.state.sockets.remove(number as usize);
        self.state.outbox.give_up(number, None);
        // Fails only if the system has forgotten it already.
        let _ = self.state.poller.deregister(&bound.socket);
        self.listener_failed(usize::from(bound.address_index), error);
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

    /// The number of a socket that is given up may be another one's in the same turn.
    #[test]
    fn nothing_of_one_socket_is_sent_by_another() {
        let receiver = StdSocket::bind("127.0.0.1:0").unwrap();
        let peer = receiver.local_addr().unwrap();
        for is_of_use in [true, false] {
            let (mut sockets, mut outbox) = (Slab::new(), Outbox::default());
            let number = sockets.insert(socket());
            for bytes in [b"1", b"2"] {
                outbox.push(number as u32, bytes, peer, None);
            }
            let given_up = sockets.remove(number).socket;
            let old = given_up.local_addr().unwrap();
            outbox.give_up(number as u32, is_of_use.then_some(given_up));
            assert_eq!(sockets.insert(socket()), number);
            outbox.push(number as u32, b"3", peer, None);
            let new = sockets[number].socket.local_addr().unwrap();
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

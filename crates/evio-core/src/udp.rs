//! UDP: a socket as a callback sees it, and the datagrams that wait for the end of the turn.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use evio_sys::Interest;
use evio_sys::net::{Received, UdpSocket, is_defunct};
use slab::Slab;

use crate::acceptor::end_of_rest;
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
    /// How often the poller has reported it, or an error was the answer, since there last was a
    /// datagram.
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
}

#[derive(Debug)]
struct Datagram {
    socket: u32,
    peer: SocketAddr,
    source: Option<IpAddr>,
    /// Where its bytes end, which is where those of the next begin.
    end: usize,
}

impl Outbox {
    fn push(&mut self, socket: u32, bytes: &[u8], peer: SocketAddr, source: Option<IpAddr>) {
        self.bytes.extend_from_slice(bytes);
        self.datagrams.push(Datagram { socket, peer, source, end: self.bytes.len() });
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
        for Datagram { socket, peer, source, end } in self.datagrams.drain(..) {
            let bytes = &self.bytes[start..end];
            start = end;
            if let Some(BoundUdp { socket, .. }) = sockets.get(socket as usize) {
                send_datagram(socket, bytes, peer, source);
            }
        }
        self.bytes.clear();
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
            bound.rests_until = Some(end_of_rest(self.now));
        }
    }

    /// Has sockets receive again that have rested long enough.
    pub(crate) fn resume_rested_sockets(&mut self) {
        for (number, bound) in &mut self.sockets {
            if bound.rests_until.is_some_and(|until| until <= self.now) {
                let token = Source::Datagram(number as u32).token();
                let result = self.poller.register(&bound.socket, token, Interest::READABLE);
                bound.rests_until = result.err().map(|_| end_of_rest(self.now));
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
        // Those that wait know the socket by its number, which may be another one's soon.
        if !self.state.outbox.is_empty() {
            self.flush();
        }
        let bound = self.state.sockets.remove(number as usize);
        // Fails only if the system has forgotten it already.
        let _ = self.state.poller.deregister(&bound.socket);
        self.listener_failed(usize::from(bound.address_index), error);
    }
}

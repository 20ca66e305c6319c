//! A UDP socket, as a callback sees it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use crate::api::event_loop_access::Loop;
use crate::api::loop_state::LoopState;
use crate::datagram::bound_udp::BoundUdp;
use crate::types::thread_bound::ThreadBound;

/// A UDP socket, for the time of a callback.
///
/// Datagrams are sent when the turn of the loop ends, each by itself. As UDP does, they can be
/// lost: one that the socket has no room for, or that is too large for the network, is dropped, and
/// so is what goes beyond 16 MiB of datagrams in one turn.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
/// use std::ops::ControlFlow;
/// # use evio_core as evio;
/// use evio::Udp;
///
/// /// The `datagram` callback of an echo server.
/// fn datagram(socket: &mut Udp<'_>, peer: SocketAddr, input: &[u8]) -> ControlFlow<()> {
///     socket.send_to(input, peer);
///     ControlFlow::Continue(())
/// }
/// ```
pub struct Udp<'a> {
    state: &'a mut LoopState,
    slot: u32,
    /// The peer of the datagram that the callback is for, and the address it came to.
    conversation: Option<(SocketAddr, IpAddr)>,
    thread_bound: ThreadBound,
}

impl<'a> Udp<'a> {
    /// `slot` must be that of a socket of the loop.
    pub(crate) fn new(
        state: &'a mut LoopState,
        slot: u32,
        conversation: Option<(SocketAddr, IpAddr)>,
    ) -> Self {
        Self { state, slot, conversation, thread_bound: PhantomData }
    }

    fn bound(&self) -> &BoundUdp {
        self.state.datagrams.get(self.slot).expect("a Udp lives shorter than its socket")
    }

    /// Sends a datagram at the end of the turn.
    ///
    /// A reply to the datagram that the callback is for leaves from the address that was sent to,
    /// also when the socket is bound to a wildcard and the machine has several.
    pub fn send_to(&mut self, bytes: &[u8], peer: SocketAddr) {
        let source = self.source_for(peer);
        self.state.datagrams.send_later(self.slot, bytes, peer, source);
    }

    /// Sends a datagram at once, unless others are waiting for the end of the turn.
    ///
    /// It saves a copy, and a peer that waits for the reply has it earlier. It does not wait for
    /// [`Handler::pre_write`](crate::Handler::pre_write).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// # use evio_core as evio;
    /// use evio::Udp;
    ///
    /// /// What a server does in `datagram` that is asked for the time, which should not wait.
    /// fn answer(socket: &mut Udp<'_>, peer: SocketAddr, now: fn() -> [u8; 48]) {
    ///     socket.send_to_now(&now(), peer);
    /// }
    /// ```
    pub fn send_to_now(&mut self, bytes: &[u8], peer: SocketAddr) {
        let source = self.source_for(peer);
        self.state.datagrams.send_now(self.slot, bytes, peer, source);
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// # use evio_core as evio;
    /// use evio::Udp;
    ///
    /// /// Says in the log where a datagram has come from, and to which address.
    /// fn log(socket: &Udp<'_>, peer: SocketAddr) -> std::io::Result<()> {
    ///     let ip = socket.local_ip().unwrap_or(socket.local_addr()?.ip());
    ///     println!("{peer} -> {ip}, by address {}", socket.address_index());
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn local_ip(&self) -> Option<IpAddr> {
        self.conversation.map(|(_, local)| local)
    }

    /// Returns the index of this socket's address, in the order in which the server was given them.
    ///
    /// # Examples
    ///
    /// See [`local_ip`](Self::local_ip).
    #[must_use]
    pub fn address_index(&self) -> u16 {
        self.bound().address_index()
    }

    /// Returns the address that was bound.
    ///
    /// # Errors
    ///
    /// Fails only when the system call does.
    ///
    /// # Examples
    ///
    /// See [`local_ip`](Self::local_ip).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.bound().socket().local_addr()
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
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::{Ipv4Addr, Ipv6Addr};
    /// # use evio_core as evio;
    /// use evio::Loop;
    ///
    /// const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
    /// const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0x0102, 3);
    ///
    /// /// What a server does in `serving` to hear what is said to a group. Its first address is
    /// /// `udp4://:5000`, the second one `udp6://:5000`.
    /// fn join(event_loop: &mut Loop<'_>) -> std::io::Result<()> {
    ///     if let Some(socket) = event_loop.udp(0) {
    ///         socket.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED)?;
    ///     }
    ///     if let Some(socket) = event_loop.udp(1) {
    ///         socket.join_multicast_v6(GROUP_V6, 0)?;
    ///     }
    ///     Ok(())
    /// }
    ///
    /// /// What it does when it has heard enough.
    /// fn leave(event_loop: &mut Loop<'_>) -> std::io::Result<()> {
    ///     if let Some(socket) = event_loop.udp(0) {
    ///         socket.leave_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED)?;
    ///     }
    ///     if let Some(socket) = event_loop.udp(1) {
    ///         socket.leave_multicast_v6(GROUP_V6, 0)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn join_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.bound().socket().join_multicast_v4(group, interface)
    }

    /// Receives what is sent to an IPv6 multicast group, on the interface with the given index, or
    /// one that the system chooses if it is zero; otherwise as
    /// [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Fails when `group` is no multicast address, the socket is not one of IPv6, the interface
    /// does not exist, or the group was joined already.
    ///
    /// # Examples
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn join_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.bound().socket().join_multicast_v6(group, interface)
    }

    /// Takes back [`join_multicast_v4`](Self::join_multicast_v4).
    ///
    /// # Errors
    ///
    /// Fails when the group was not joined on that interface.
    ///
    /// # Examples
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn leave_multicast_v4(&self, group: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        self.bound().socket().leave_multicast_v4(group, interface)
    }

    /// Takes back [`join_multicast_v6`](Self::join_multicast_v6).
    ///
    /// # Errors
    ///
    /// Fails when the group was not joined on that interface.
    ///
    /// # Examples
    ///
    /// See [`join_multicast_v4`](Self::join_multicast_v4).
    pub fn leave_multicast_v6(&self, group: Ipv6Addr, interface: u32) -> io::Result<()> {
        self.bound().socket().leave_multicast_v6(group, interface)
    }

    /// Returns the loop of this socket.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// use std::ops::ControlFlow;
    /// # use evio_core as evio;
    /// use evio::Udp;
    ///
    /// /// The `datagram` callback of a server that passes on to its clients what it hears.
    /// fn datagram(socket: &mut Udp<'_>, _: SocketAddr, input: &[u8]) -> ControlFlow<()> {
    ///     socket.event_loop().for_each_conn(|mut conn| conn.write(input));
    ///     ControlFlow::Continue(())
    /// }
    /// ```
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

/// For socket options that this crate does not know.
impl AsFd for Udp<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bound().socket().as_fd()
    }
}

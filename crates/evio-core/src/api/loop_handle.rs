//! A loop, as other threads see it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evio_sys::net::{Listener, UdpSocket};

use crate::accept::listener::{BoundListener, Sharing};
use crate::api::conn_handle::ConnHandle;
use crate::api::event_loop_access::Loop;
use crate::api::group::{Group, Sender};
use crate::api::message::{Command, ShutdownMode};
use crate::api::messages::MessageSender;
use crate::api::tasks::Tasks;
use crate::datagram::bound_udp::BoundUdp;
use crate::mail::send_error::{SendError, Unsent};
use crate::types::conn_id::ConnId;
use crate::types::message_type::WrongMessageType;

/// A loop and its group, for any thread and for any length of time.
///
/// # Examples
///
/// ```
/// # use evio_core as evio;
/// use evio::{LoopHandle, SendError};
///
/// /// Pauses the input of all connections of all loops, such as while a disk is full.
/// fn pause_all(handle: &LoopHandle) -> Result<(), SendError> {
///     for event_loop in (0..handle.loops()).filter_map(|loop_id| handle.of_loop(loop_id)) {
///         event_loop.post(|here| here.for_each_conn(|mut conn| conn.pause_reading()))?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct LoopHandle {
    group: Arc<Group>,
    loop_id: u16,
}

impl LoopHandle {
    pub(crate) fn new(group: Arc<Group>, loop_id: u16) -> Self {
        Self { group, loop_id }
    }

    /// Returns the index of the loop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::LoopHandle;
    ///
    /// /// Returns the loop after this one, and the first one after the last.
    /// fn next(event_loop: &LoopHandle) -> Option<LoopHandle> {
    ///     event_loop.of_loop((event_loop.loop_id() + 1) % event_loop.loops())
    /// }
    /// ```
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.loop_id)
    }

    /// Runs `task` on the loop's thread, between callbacks. A task that is posted while the loop
    /// runs waits for the next turn, so that tasks which post others do not hold up connections.
    ///
    /// # Errors
    ///
    /// The task, with what [`SendError`] says of it.
    ///
    /// # Examples
    ///
    /// See [`LoopHandle`].
    pub fn post<F>(&self, task: F) -> Result<(), Unsent<F>>
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        Tasks::send(self.mailbox(), task)
    }

    /// Returns a sender of messages to the handler of this loop.
    ///
    /// # Errors
    ///
    /// Fails when the handlers of the group take messages of another type, or a sender of another
    /// type was made before.
    ///
    /// # Examples
    ///
    /// See [`WrongMessageType`].
    pub fn message_sender<M: Send + 'static>(&self) -> Result<MessageSender<M>, WrongMessageType> {
        MessageSender::new(Arc::clone(&self.group), self.loop_id)
    }

    /// Returns how many loops the group has.
    ///
    /// # Examples
    ///
    /// See [`LoopHandle`].
    #[must_use]
    pub fn loops(&self) -> usize {
        self.group.loops()
    }

    /// Returns a handle for another loop of the group, if it has so many.
    ///
    /// # Examples
    ///
    /// See [`LoopHandle`].
    #[must_use]
    pub fn of_loop(&self, loop_id: usize) -> Option<Self> {
        let exists = loop_id < self.group.loops();
        exists.then(|| Self::new(Arc::clone(&self.group), loop_id as u16))
    }

    /// Returns a handle for a connection of the group; `None` if the id is of no loop of it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use evio_core as evio;
    /// use evio::{ConnId, LoopHandle, SendError};
    ///
    /// /// Writes to a connection of which only the id is known, such as from a message.
    /// fn send_to(server: &LoopHandle, id: ConnId, bytes: Vec<u8>) -> Result<(), SendError> {
    ///     if let Some(conn) = server.conn_handle(id) {
    ///         conn.send(bytes)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[must_use]
    pub fn conn_handle(&self, id: ConnId) -> Option<ConnHandle> {
        let mailbox = self.group.mailboxes().get(id.loop_id())?;
        Some(ConnHandle::new(Arc::clone(mailbox), id, None))
    }

    /// Gives a dial its addresses, however full the mailbox is: there are no more of them than
    /// dials.
    pub(super) fn give_addresses(&self, dial: u64, addresses: io::Result<Vec<SocketAddr>>) {
        // A loop that has ended has no dials.
        let _ = self.mailbox().push_unbounded(Command::Dial(dial, addresses));
    }

    fn mailbox(&self) -> &Sender {
        self.group.mailbox(self.loop_id)
    }

    /// Registers a listener with the loop, which accepts from it and spreads the connections over
    /// all loops. If that fails, [`listener_failed`](crate::Handler::listener_failed) is called.
    ///
    /// `ServerHandle::listen` of the `evio` crate binds an address and does this for its sockets.
    ///
    /// # Errors
    ///
    /// Fails when the server is ending or has ended; the listener is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// use std::ops::ControlFlow;
    /// # use evio_core as evio;
    /// use evio::LoopHandle;
    /// use evio::net::{ListenOptions, Listener};
    ///
    /// /// Lets the server listen on one more address while it runs, with the index 1.
    /// fn listen(server: &LoopHandle, address: std::net::SocketAddr) -> io::Result<()> {
    ///     let listener = Listener::tcp(address, &ListenOptions::default())?;
    ///     server.listen(1, listener).map_err(io::Error::other)
    /// }
    ///
    /// /// The `listener_failed` callback of that server, which can do without that address.
    /// fn listener_failed(address_index: u16, error: &io::Error) -> ControlFlow<()> {
    ///     eprintln!("address {address_index}: {error}");
    ///     if address_index == 1 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    /// }
    ///
    /// /// Listens to it no more.
    /// fn stop(server: &LoopHandle) {
    ///     server.stop_listening(1);
    /// }
    /// ```
    pub fn listen(
        &self,
        address_index: u16,
        listener: impl Into<Arc<Listener>>,
    ) -> Result<(), SendError> {
        let bound = BoundListener::new(address_index, listener.into(), Sharing::AllLoops);
        self.add(Command::Listen(Box::new(bound)))
    }

    /// Registers a listener with the loop, which accepts from it and keeps the connections itself:
    /// for one listener per loop, bound with `SO_REUSEPORT`. If that fails,
    /// [`listener_failed`](crate::Handler::listener_failed) is called.
    ///
    /// # Errors
    ///
    /// Fails when the server is ending or has ended; the listener is closed then.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io;
    /// # use evio_core as evio;
    /// use evio::LoopHandle;
    /// use evio::net::{ListenOptions, Listener, UdpSocket};
    ///
    /// /// Gives every loop a listener and a UDP socket of its own for the same port: the kernel
    /// /// spreads what comes in.
    /// fn listen(server: &LoopHandle, address: std::net::SocketAddr) -> io::Result<()> {
    ///     let options = ListenOptions::default().reuse_port(true);
    ///     for event_loop in (0..server.loops()).filter_map(|loop_id| server.of_loop(loop_id)) {
    ///         let listener = Listener::tcp(address, &options)?;
    ///         event_loop.listen_here(1, listener).map_err(io::Error::other)?;
    ///         let socket = UdpSocket::bind(address, &options)?;
    ///         event_loop.bind(2, socket).map_err(io::Error::other)?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub fn listen_here(
        &self,
        address_index: u16,
        listener: impl Into<Arc<Listener>>,
    ) -> Result<(), SendError> {
        let bound = BoundListener::new(address_index, listener.into(), Sharing::LocalOnly);
        self.add(Command::Listen(Box::new(bound)))
    }

    /// Registers a UDP socket with the loop, which receives from it. If that fails,
    /// [`listener_failed`](crate::Handler::listener_failed) is called.
    ///
    /// # Errors
    ///
    /// Fails when the server is ending or has ended; the socket is closed then.
    ///
    /// # Examples
    ///
    /// See [`listen_here`](Self::listen_here).
    pub fn bind(&self, address_index: u16, socket: UdpSocket) -> Result<(), SendError> {
        self.add(Command::Bind(Box::new(BoundUdp::new(address_index, socket))))
    }

    /// Adds a socket however full the mailbox is, unless the server is ending.
    fn add(&self, command: Command) -> Result<(), SendError> {
        match self.group.is_ending() {
            true => Err(SendError::Stopped),
            false => self.mailbox().push_unbounded(command),
        }
    }

    /// Tells every loop of the group to close its listeners and UDP sockets for the address with
    /// this index. Connections that came in by it stay, those that wait to be accepted are accepted
    /// first, as far as limits allow, also where another process shares the listener, and datagrams
    /// that wait for the end of the turn are sent.
    ///
    /// # Examples
    ///
    /// See [`listen`](Self::listen).
    pub fn stop_listening(&self, address_index: u16) {
        for mailbox in self.group.mailboxes() {
            // A loop that has ended listens to nothing.
            let _ = mailbox.push_unbounded(Command::StopListening(address_index));
        }
    }

    /// Sends a datagram from this loop's socket for the address with this index; without one,
    /// nothing happens.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::net::SocketAddr;
    /// # use evio_core as evio;
    /// use evio::{LoopHandle, SendError};
    ///
    /// /// Tells a peer what a thread has found out. The first address is one of UDP.
    /// fn tell(event_loop: &LoopHandle, peer: SocketAddr, answer: &str) -> Result<(), SendError> {
    ///     event_loop.send_datagram(0, answer, peer)
    /// }
    /// ```
    pub fn send_datagram(
        &self,
        address_index: u16,
        bytes: impl Into<Vec<u8>>,
        peer: SocketAddr,
    ) -> Result<(), SendError> {
        let bytes: Vec<u8> = bytes.into();
        let len = bytes.len();
        Tasks::send_with(self.mailbox(), len, move |event_loop| {
            if let Some(mut socket) = event_loop.udp_for(address_index, peer) {
                socket.send_to(&bytes, peer);
            }
        })?;
        Ok(())
    }

    /// Appends `bytes` to the output of every open connection of every loop of the group; those
    /// that are half-closed take no output. The bytes are shared, not copied.
    ///
    /// Each loop writes them to its connections bit by bit, over several turns if there are many;
    /// messages that come later wait for that.
    ///
    /// # Errors
    ///
    /// Returns the error of one of the loops that refuse it; the others send it all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::Loop;
    ///
    /// /// The `tick` callback of a server whose clients expect a sign of life every ten seconds.
    /// fn tick(event_loop: &mut Loop<'_>) -> ControlFlow<(), Duration> {
    ///     // To those of all loops; one that has no room for it now will be told the next time.
    ///     let _ = event_loop.handle().broadcast(*b"ping\n");
    ///     ControlFlow::Continue(Duration::from_secs(10))
    /// }
    /// ```
    pub fn broadcast(&self, bytes: impl Into<Arc<[u8]>>) -> Result<(), SendError> {
        let bytes: Arc<[u8]> = bytes.into();
        let send = |mailbox: &Arc<Sender>| {
            mailbox.try_push(Command::Broadcast(Arc::clone(&bytes)), bytes.len())
        };
        self.group.mailboxes().iter().map(send).fold(Ok(()), Result::and)
    }

    /// Ends all loops of the group, as [`Action::Shutdown`](crate::Action::Shutdown) does; those
    /// that have not been started yet end as soon as they are. Calling it again, or later, does
    /// nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use evio_core as evio;
    /// use evio::LoopHandle;
    ///
    /// /// Ends the server when its clients have finished, or at once when asked again.
    /// fn end(server: &LoopHandle, has_been_asked: bool) {
    ///     if has_been_asked {
    ///         server.shutdown();
    ///     } else {
    ///         server.shutdown_gracefully(Duration::from_secs(30));
    ///     }
    /// }
    /// ```
    pub fn shutdown(&self) {
        self.group.shutdown(ShutdownMode::Immediate);
    }

    /// Ends all loops of the group when their connections have come to an end by themselves, or at
    /// the latest `timeout` after this call: each loop accepts what waits, then nothing more, reads
    /// what peers have sent, and calls [`Handler::stopping`](crate::Handler::stopping) for each
    /// connection. A loop that a callback holds up for longer ends right after that. What was sent
    /// to the loop before is carried out before, as far as the time allows, and else when the
    /// connections have been told.
    ///
    /// # Examples
    ///
    /// See [`shutdown`](Self::shutdown).
    pub fn shutdown_gracefully(&self, timeout: Duration) {
        self.group.shutdown(ShutdownMode::Graceful(timeout));
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopHandle").field("loop_id", &self.loop_id).finish_non_exhaustive()
    }
}

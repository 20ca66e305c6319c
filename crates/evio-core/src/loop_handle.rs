//! A loop, as other threads see it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use evio_sys::net::{Listener, UdpSocket};

use crate::acceptor::BoundListener;
use crate::group::Group;
use crate::loop_access::Loop;
use crate::mailbox::{Manner, Message, SendError};
use crate::udp::BoundUdp;

/// A loop and its group, for any thread and for any length of time.
///
/// # Examples
///
/// ```
/// use evio_core::{Config, EventLoop};
///
/// # fn main() -> std::io::Result<()> {
/// # struct Nothing;
/// # impl evio_core::Handler for Nothing {
/// #     type Context = ();
/// #     fn context(&mut self, _: &evio_core::Conn<'_>) {}
/// #     fn data(
/// #         &mut self,
/// #         _: &mut evio_core::Conn<'_>,
/// #         _: &mut (),
/// #         _: &[u8],
/// #     ) -> evio_core::Action {
/// #         evio_core::Action::None
/// #     }
/// # }
/// let event_loop = EventLoop::new(Config::default())?;
/// let handle = event_loop.handle();
/// let stopper = std::thread::spawn(move || handle.shutdown());
/// event_loop.run(Nothing)?;
/// # stopper.join().unwrap();
/// # Ok(())
/// # }
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
    #[must_use]
    pub fn loop_id(&self) -> usize {
        usize::from(self.loop_id)
    }

    /// Has `task` run on the loop's thread, between callbacks. One that is left while the loop runs
    /// waits for the next turn, so that tasks which leave others do not hold up connections.
    ///
    /// # Errors
    ///
    /// See [`SendError`]; the task is dropped then.
    pub fn post(&self, task: impl FnOnce(&mut Loop<'_>) + Send + 'static) -> Result<(), SendError> {
        self.group.mailbox(self.loop_id()).send_task(task)
    }

    /// Returns how many loops the group has.
    #[must_use]
    pub fn loops(&self) -> usize {
        self.group.loops()
    }

    /// Returns a handle for another loop of the group, if it has so many.
    #[must_use]
    pub fn sibling(&self, loop_id: usize) -> Option<Self> {
        let exists = loop_id < self.group.loops();
        exists.then(|| Self::new(Arc::clone(&self.group), loop_id as u16))
    }

    /// Has the loop accept from a listener, as [`EventLoop::listen`](crate::EventLoop::listen) does
    /// before it runs. If that fails, [`listener_failed`](crate::Handler::listener_failed) is
    /// called.
    ///
    /// # Errors
    ///
    /// Fails when the loop has ended; the listener is closed then.
    pub fn listen(&self, address_index: u16, listener: Listener) -> Result<(), SendError> {
        let bound = BoundListener::new(address_index, listener, false);
        self.tell(Message::Listen(Box::new(bound)))
    }

    /// Has the loop accept from a listener, and keep the connections itself, as
    /// [`EventLoop::listen_here`](crate::EventLoop::listen_here) does before it runs. If that
    /// fails, [`listener_failed`](crate::Handler::listener_failed) is called.
    ///
    /// # Errors
    ///
    /// Fails when the loop has ended; the listener is closed then.
    pub fn listen_here(&self, address_index: u16, listener: Listener) -> Result<(), SendError> {
        let bound = BoundListener::new(address_index, listener, true);
        self.tell(Message::Listen(Box::new(bound)))
    }

    /// Has the loop receive from a UDP socket, as [`EventLoop::bind`](crate::EventLoop::bind) does
    /// before it runs. If that fails, [`listener_failed`](crate::Handler::listener_failed) is
    /// called.
    ///
    /// # Errors
    ///
    /// Fails when the loop has ended; the socket is closed then.
    pub fn bind(&self, address_index: u16, socket: UdpSocket) -> Result<(), SendError> {
        self.tell(Message::Bind(Box::new(BoundUdp::new(address_index, socket))))
    }

    /// Has every loop of the group close its listeners and UDP sockets for the address with this
    /// index. Connections that came in by it stay, those that were not accepted are reset, and
    /// datagrams that wait for the end of the turn are sent.
    pub fn stop_listening(&self, address_index: u16) {
        self.group.stop_listening(address_index);
    }

    /// Sends a datagram from this loop's socket for the address with this index; without one,
    /// nothing happens.
    ///
    /// # Errors
    ///
    /// See [`SendError`].
    pub fn send_datagram(
        &self,
        address_index: usize,
        bytes: impl Into<Vec<u8>>,
        peer: SocketAddr,
    ) -> Result<(), SendError> {
        let bytes = bytes.into();
        self.post(move |event_loop| {
            if let Some(mut socket) = event_loop.udp_for(address_index, peer) {
                socket.send_to(&bytes, peer);
            }
        })
    }

    /// Leaves a message however full the mailbox is.
    fn tell(&self, message: Message) -> Result<(), SendError> {
        self.group.mailbox(self.loop_id()).post(message)
    }

    /// Appends `bytes` to the output of every open connection of every loop of the group. They are
    /// shared, not copied.
    ///
    /// # Errors
    ///
    /// Says what one of the loops said that refused it; the others send it all the same.
    pub fn broadcast(&self, bytes: Arc<[u8]>) -> Result<(), SendError> {
        (0..self.group.loops())
            .map(|loop_id| self.group.mailbox(loop_id).send(Message::Broadcast(Arc::clone(&bytes))))
            .fold(Ok(()), Result::and)
    }

    /// Ends all loops of the group, as [`Action::Shutdown`](crate::Action::Shutdown) does; those
    /// that have not been started yet end as soon as they are. Calling it again, or later, does
    /// nothing.
    pub fn shutdown(&self) {
        self.group.shutdown(Manner::Prompt);
    }

    /// Ends all loops of the group when their connections have come to an end by themselves, or at
    /// the latest after `timeout`: nothing more is accepted, and
    /// [`Handler::stopping`](crate::Handler::stopping) is called for each connection.
    pub fn shutdown_gracefully(&self, timeout: Duration) {
        self.group.shutdown(Manner::Graceful(timeout));
    }
}

impl fmt::Debug for LoopHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopHandle").field("loop_id", &self.loop_id).finish_non_exhaustive()
    }
}

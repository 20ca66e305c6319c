//! Messages to a loop from other threads.

use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use evio_sys::net::Stream;
use evio_sys::{Poller, Waker};
use parking_lot::Mutex;

use crate::acceptor::BoundListener;
use crate::conn_id::ConnKey;
use crate::loop_access::Loop;
use crate::source::Source;
use crate::udp::BoundUdp;

/// What a loop takes from its mailbox.
#[derive(Debug)]
pub(crate) enum Mail {
    Message(Message),
    Order(Order),
}

/// What a program asks of a loop.
#[derive(Debug)]
pub(crate) enum Message {
    Conn(ConnKey, ConnCommand),
    Broadcast(Arc<[u8]>),
    Task(Task),
    Listen(Box<BoundListener>),
    Bind(Box<BoundUdp>),
    /// Gives up the sockets of the address with this index.
    StopListening(u16),
}

/// What the server and its loops ask of a loop.
#[derive(Debug)]
pub(crate) enum Order {
    Adopt(Accepted),
    /// A connection of some loop has ended, and a listener of some loop waited for that.
    AcceptAgain,
    Shutdown(Manner),
}

/// Work for a loop, from another thread.
pub(crate) struct Task(pub(crate) Box<dyn FnOnce(&mut Loop<'_>) + Send>);

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

/// How a server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Connections are told, and have this long to finish by themselves.
    Graceful(Duration),
    /// Connections are closed.
    Prompt,
}

/// What is asked of one connection.
#[derive(Debug)]
pub(crate) enum ConnCommand {
    Wake,
    Send(Vec<u8>),
    SendShared(Arc<[u8]>),
    Pause,
    Resume,
    Close,
    Abort,
}

/// A connection on its way to its loop.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: Stream,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) address_index: u16,
}

/// Why a message could not be left for a connection or a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// As many messages as `mailbox_capacity` allows are waiting already; try again later.
    Full,
    /// The server has ended.
    Stopped,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many messages are waiting for this loop",
            Self::Stopped => "the server has ended",
        })
    }
}

impl error::Error for SendError {}

/// Messages that a queue keeps the memory for; a burst of more gives it back.
const KEPT: usize = 4096;

/// The receiving end, the loop's own.
///
/// Messages are taken all at once, so that the loop and the other threads do not fight for a cache
/// line with each of them: with a queue that both ends work on, a third of the wakes per second
/// were measured. Orders have a queue of their own, which no capacity applies to.
#[derive(Debug)]
pub(crate) struct Mailbox {
    sender: Arc<MailboxSender>,
    incoming: Receiver<Order>,
    /// What has been taken and not been carried out.
    messages: VecDeque<Message>,
    orders: VecDeque<Order>,
}

/// The sending end, shared by everyone else. It owns the waker, so that a wake after the loop's end
/// reaches a descriptor that is still its own.
#[derive(Debug)]
pub(crate) struct MailboxSender {
    queue: Mutex<Queue>,
    orders: Sender<Order>,
    waker: Waker,
    capacity: usize,
    /// An `AcceptAgain` is on its way: at the limit of connections there is one for each that ends.
    accepts_again: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    messages: VecDeque<Message>,
    /// The loop has ended.
    is_closed: bool,
}

impl Mailbox {
    pub(crate) fn new(poller: &Poller, capacity: usize) -> io::Result<Self> {
        let (orders, incoming) = unbounded();
        let waker = Waker::new(poller, Source::Waker.token())?;
        let sender = Arc::new(MailboxSender {
            queue: Mutex::default(),
            orders,
            waker,
            capacity,
            accepts_again: AtomicBool::new(false),
        });
        Ok(Self { sender, incoming, messages: VecDeque::new(), orders: VecDeque::new() })
    }

    pub(crate) fn sender(&self) -> &Arc<MailboxSender> {
        &self.sender
    }

    /// Lets the next message wake the loop again; to be called before the messages are taken.
    pub(crate) fn acknowledge(&self) {
        self.sender.waker.acknowledge();
    }

    /// Takes what comes next. An order comes after every message that was left before it, so that
    /// what a program sends before it ends the server is still sent.
    pub(crate) fn take(&mut self) -> Option<Mail> {
        if self.messages.is_empty() && self.orders.is_empty() {
            self.collect();
        }
        let message = self.messages.pop_front().map(Mail::Message);
        message.or_else(|| self.orders.pop_front().map(Mail::Order))
    }

    /// Orders are collected before the messages, and carried out after them.
    fn collect(&mut self) {
        self.orders.shrink_to(KEPT);
        self.orders.extend(self.incoming.try_iter());
        self.messages.shrink_to(KEPT);
        mem::swap(&mut self.messages, &mut self.sender.queue.lock().messages);
    }
}

/// What has not been carried out is dropped outside of the lock, since that may run anybody's code.
impl Drop for Mailbox {
    fn drop(&mut self) {
        let mut queue = self.sender.queue.lock();
        queue.is_closed = true;
        self.messages.append(&mut queue.messages);
    }
}

impl MailboxSender {
    /// Leaves a message that is subject to the capacity.
    pub(crate) fn send(&self, message: Message) -> Result<(), SendError> {
        self.leave(message, self.capacity)
    }

    /// Leaves a message however many are waiting: only for those that there can be few of.
    pub(crate) fn post(&self, message: Message) -> Result<(), SendError> {
        self.leave(message, usize::MAX)
    }

    fn leave(&self, message: Message, capacity: usize) -> Result<(), SendError> {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            return Err(SendError::Stopped);
        }
        if queue.messages.len() >= capacity {
            return Err(SendError::Full);
        }
        queue.messages.push_back(message);
        drop(queue);
        self.wake();
        Ok(())
    }

    /// Gives an order. A loop that has ended gives it back.
    pub(crate) fn order(&self, order: Order) -> Result<(), Order> {
        self.orders.send(order).map_err(|error| error.into_inner())?;
        self.wake();
        Ok(())
    }

    /// Has the listeners of the loop try again, once for all calls until they do.
    pub(crate) fn accept_again(&self) {
        if !self.accepts_again.swap(true, Ordering::SeqCst) {
            // A loop that has ended accepts nothing.
            let _ = self.order(Order::AcceptAgain);
        }
    }

    /// To be called before the listeners try again.
    pub(crate) fn accepting_again(&self) {
        self.accepts_again.store(false, Ordering::SeqCst);
    }

    /// The mail is there by now. If the system refuses the wake, it is carried out with the next.
    fn wake(&self) {
        let _ = self.waker.wake();
    }
}

//! Messages to a loop from other threads.

use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use evio_sys::net::Stream;
use evio_sys::{Poller, Waker};

use crate::acceptor::BoundListener;
use crate::conn_id::ConnKey;
use crate::inbox::Inbox;
use crate::loop_access::Loop;
use crate::source::Source;
use crate::tasks::{MAX_SHARED_LEN, Tasks};
use crate::udp::BoundUdp;

/// What a loop takes from its mailbox.
#[derive(Debug)]
pub(crate) enum Mail {
    Message(Message),
    Order(Order),
}

impl Mail {
    /// Returns how much it is of what a turn carries out.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Message(Message::Tasks(tasks)) => tasks.count(),
            Self::Message(_) | Self::Order(_) => 1,
        }
    }
}

/// What a program asks of a loop.
#[derive(Debug)]
pub(crate) enum Message {
    Conn(ConnKey, ConnCommand),
    Broadcast(Arc<[u8]>),
    Tasks(Tasks),
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
/// Orders have a queue of their own, which no capacity applies to.
#[derive(Debug)]
pub(crate) struct Mailbox {
    sender: Arc<MailboxSender>,
    incoming: Receiver<Order>,
    /// What has been taken and not been carried out.
    messages: VecDeque<Message>,
    orders: VecDeque<Order>,
    /// There may be mail, and nobody will wake the loop for it.
    ///
    /// Invariant: true when something was taken and has not been carried out.
    has_mail: bool,
}

/// The sending end, shared by everyone else. It owns the waker, so that a wake after the loop's end
/// reaches a descriptor that is still its own.
#[derive(Debug)]
pub(crate) struct MailboxSender {
    inbox: Inbox<Message>,
    orders: Sender<Order>,
    waker: Waker,
    capacity: usize,
    /// An `AcceptAgain` is on its way: at the limit of connections there is one for each that ends.
    accepts_again: AtomicBool,
}

impl Mailbox {
    pub(crate) fn new(poller: &Poller, capacity: usize) -> io::Result<Self> {
        let (orders, incoming) = unbounded();
        let waker = Waker::new(poller, Source::Waker.token())?;
        let sender = Arc::new(MailboxSender {
            inbox: Inbox::new(),
            orders,
            waker,
            capacity,
            accepts_again: AtomicBool::new(false),
        });
        let (messages, orders) = (VecDeque::new(), VecDeque::new());
        Ok(Self { sender, incoming, messages, orders, has_mail: true })
    }

    pub(crate) fn sender(&self) -> &Arc<MailboxSender> {
        &self.sender
    }

    /// To be called when the waker was reported.
    pub(crate) fn woken(&mut self) {
        self.sender.waker.acknowledge();
        self.has_mail = true;
        self.collect();
    }

    /// Returns whether there may be something to take, which in most turns there is not.
    #[inline]
    pub(crate) fn may_have_mail(&self) -> bool {
        self.has_mail
    }

    /// Returns whether there is mail. If not, the next wakes the loop; so this is to be called
    /// before it sleeps.
    ///
    /// A loop that found nothing the last time need not look: who leaves something wakes it.
    #[inline]
    pub(crate) fn has_mail(&mut self) -> bool {
        if self.has_mail {
            self.collect();
        }
        self.has_mail
    }

    /// Takes what comes next of that which was collected. An order comes after every message that
    /// was left before it, so that what a program sends before it ends the server is still sent.
    pub(crate) fn take(&mut self) -> Option<Mail> {
        let message = self.messages.pop_front().map(Mail::Message);
        message.or_else(|| self.orders.pop_front().map(Mail::Order))
    }

    /// Takes everything that was left, once nothing is there from the last time: orders before the
    /// messages, to carry them out after them.
    pub(crate) fn collect(&mut self) {
        if !self.messages.is_empty() || !self.orders.is_empty() {
            return;
        }
        self.orders.shrink_to(KEPT);
        self.orders.extend(self.incoming.try_iter());
        self.messages.shrink_to(KEPT);
        self.sender.inbox.take_all(&mut self.messages, !self.orders.is_empty());
        // An order may have come meanwhile, and its thread have found that the loop was told.
        let has_taken = !self.messages.is_empty() || !self.orders.is_empty();
        self.has_mail = has_taken || !self.incoming.is_empty();
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.sender.inbox.close(&mut self.messages);
    }
}

impl MailboxSender {
    /// Leaves a message that is subject to the capacity.
    pub(crate) fn send(&self, message: Message) -> Result<(), SendError> {
        self.leave(self.capacity, |messages| messages.push_back(message))
    }

    /// Leaves a message however many are waiting: only for those that there can be few of.
    pub(crate) fn post(&self, message: Message) -> Result<(), SendError> {
        self.leave(usize::MAX, |messages| messages.push_back(message))
    }

    /// Leaves work, which is subject to the capacity.
    pub(crate) fn send_task<F>(&self, task: F) -> Result<(), SendError>
    where
        F: FnOnce(&mut Loop<'_>) + Send + 'static,
    {
        if size_of::<F>() > MAX_SHARED_LEN {
            return self.send(Message::Tasks(Tasks::alone(task)));
        }
        self.leave(self.capacity, |messages| Tasks::push(messages, task))
    }

    fn leave(
        &self,
        capacity: usize,
        add: impl FnOnce(&mut VecDeque<Message>),
    ) -> Result<(), SendError> {
        if self.inbox.leave(capacity, add)? {
            self.wake();
        }
        Ok(())
    }

    /// Gives an order. A loop that has ended gives it back.
    pub(crate) fn order(&self, order: Order) -> Result<(), Order> {
        self.orders.send(order).map_err(|error| error.into_inner())?;
        if self.inbox.tell() {
            self.wake();
        }
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
        if self.waker.wake().is_err() {
            self.inbox.forget_told();
        }
    }
}

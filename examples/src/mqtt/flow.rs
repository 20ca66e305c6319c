//! Who has to wait for whom.
//!
//! A publisher is not read from while a subscriber that gets its messages has not taken what it was
//! sent, or while the mailbox of another loop is full: it waits at that [`Gate`], and the kernel
//! has its peer wait. On its own loop a publisher looks at the gates before each message, so what
//! waits for a subscriber is hardly more than the high watermark. The other loops learn of a
//! message when it is in their mailbox; they write it in any case, and tell the loop of the
//! publisher to hold it. Until that is heard, a publisher sends no more than its [`SHARE`]. Many
//! could still send much, so each loop has a window of bytes for each other, too, and when all are
//! used, all publishers wait. The bytes of a message come back as [`Credit`] when its subscribers
//! there have room for more.
//!
//! A gate opens when evio says that the subscriber has [`drained`](evio::Handler::drained), when it
//! has acknowledged enough, when it has gone, or when the mailbox has taken the messages that it
//! had refused, and there is credit. Then those who wait go on, one after the other for as long as
//! it stays open, on all loops, and who shuts it again comes last the next time.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use evio::{ConnId, Loop, MessageSender, PauseReason, SendError};

use super::broker::Broker;
use super::retained::Publication;

/// Why a client is not read from: it waits at a gate, or for the other clients to get their turn.
const HELD: PauseReason = PauseReason::new(0);
const LATER: PauseReason = PauseReason::new(1);

/// How soon what a mailbox has refused is tried again, and clients go on that have had their share.
const RETRY: Duration = Duration::from_millis(1);

/// The most bytes on their way to a loop, or waiting for slow subscribers there: the other loops
/// have equal parts of it. The message that goes beyond one is still sent.
const ALL_WINDOWS: usize = 4 << 20;

/// The most bytes that one publisher has on their way to a loop, or waiting there. The message that
/// goes beyond is still sent.
const SHARE: usize = 16 << 10;

/// The bounds of the mailboxes.
pub const MAILBOX_BYTES: usize = 512 << 10;
/// See [`MAILBOX_BYTES`].
pub const MAILBOX_MESSAGES: usize = 1024;

/// The most publishers that wait for one subscriber, who is cut off if there are more.
const MAX_WAITING: usize = 10_000;

/// How much is done in one callback before other clients get their turn: messages that are written
/// to somebody, and places among the filters where their subscribers are looked for.
const MAX_WORK: usize = 50_000;

/// What one loop tells another.
#[derive(Clone, Debug)]
pub enum Message {
    /// A message for subscribers, and who has published it, or has left with that will.
    Publish(ConnId, Publication),
    /// So many bytes from these publishers wait for nobody any more on the first loop.
    Credit(usize, Vec<(ConnId, usize)>),
    /// A publisher has to wait for one more subscriber.
    Hold(ConnId),
    /// A publisher has to wait for one subscriber less, which is the first of the two.
    Release(ConnId, ConnId),
    /// The publisher that was released has gone on; it is the turn of the next one.
    Next(ConnId),
    /// A client has connected with this name, at this time: an older one with that name is to end.
    Connected(Arc<str>, u64),
}

/// The way to another loop.
#[derive(Debug)]
pub(super) struct Link {
    sender: MessageSender<Message>,
    /// What its mailbox had no room for: of each publisher one message, for it waits then.
    unsent: VecDeque<Message>,
    /// The publishers that wait, all of this loop.
    waiting: VecDeque<ConnId>,
    window: usize,
    /// How many bytes were sent and not credited yet, in all and of each publisher.
    used: usize,
    shares: HashMap<ConnId, usize>,
    /// How many of the other loop's are to be credited, and to whom.
    owed: usize,
    credits: Vec<(ConnId, usize)>,
}

/// Who has published a message, and its bytes. All its subscribers that have no room for more hold
/// it, and the last of them gives it back.
pub(super) type Credit = Arc<(ConnId, usize)>;

impl Link {
    pub(super) fn new(sender: MessageSender<Message>, loops: usize) -> Self {
        let (unsent, waiting, shares, credits) = Default::default();
        let window = ALL_WINDOWS / loops;
        Self { sender, unsent, waiting, window, used: 0, shares, owed: 0, credits }
    }

    /// Sends what was published, and returns whether its publisher has used its share up with that.
    pub(super) fn publish(&mut self, publisher: ConnId, message: &Publication) -> bool {
        self.send(Message::Publish(publisher, message.clone()));
        self.used += message.len();
        let share = self.shares.entry(publisher).or_default();
        *share += message.len();
        *share >= SHARE && *share - message.len() < SHARE
    }

    /// Takes credit back, and returns whether its publisher has something of its share again.
    pub(super) fn put_back(&mut self, publisher: ConnId, bytes: usize) -> bool {
        self.used -= bytes;
        let left = self.shares.remove(&publisher).map_or(0, |share| share - bytes);
        if left > 0 {
            self.shares.insert(publisher, left);
        }
        left < SHARE && left + bytes >= SHARE
    }

    /// Sends a message behind those that were refused.
    fn send(&mut self, message: Message) {
        self.unsent.push_back(message);
        if self.unsent.len() == 1 {
            self.flush();
        }
    }

    fn flush(&mut self) {
        while let Some(message) = self.unsent.pop_front() {
            let len = if let Message::Publish(_, message) = &message { message.len() } else { 0 };
            // Otherwise it is sent, or the server is ending, and nobody gets it.
            if let Err(unsent) = self.sender.send_with(message, len) {
                if unsent.error() == SendError::Full {
                    return self.unsent.push_front(unsent.into_inner());
                }
            }
        }
    }
}

/// What a publisher waits at.
#[derive(Clone, Copy, Debug)]
pub(super) enum Gate {
    /// A client of this loop.
    Subscriber(ConnId),
    /// The way to another loop, by its place among all of them.
    Link(usize),
}

impl Broker {
    fn is_open(&self, event_loop: &mut Loop<'_>, gate: Gate) -> bool {
        match gate {
            Gate::Link(link) => {
                let Link { unsent, used, window, .. } = &self.links[link];
                unsent.is_empty() && used < window
            }
            Gate::Subscriber(id) => {
                let client = self.clients.get(id);
                let is_full = |conn| client.is_some_and(|client| client.is_full(&conn));
                !event_loop.conn(id).is_some_and(is_full)
            }
        }
    }

    fn waiting_at(&mut self, gate: Gate) -> Option<&mut VecDeque<ConnId>> {
        match gate {
            Gate::Link(link) => Some(&mut self.links[link].waiting),
            Gate::Subscriber(id) => self.clients.get_mut(id).map(|client| &mut client.waiting),
        }
    }

    /// Returns a gate at which a publisher of this loop has to wait before its message goes to
    /// those who were found for it.
    pub(super) fn shut_gate(&self, event_loop: &mut Loop<'_>, publisher: ConnId) -> Option<Gate> {
        let links = (0..self.links.len()).map(Gate::Link);
        // What a client publishes to itself does not wait for its acknowledgements, which come
        // behind it; and while its output is congested, it does not get here.
        let subscribers = self.found.iter().map(|(id, _)| *id).filter(|id| *id != publisher);
        links.chain(subscribers.map(Gate::Subscriber)).find(|gate| !self.is_open(event_loop, *gate))
    }

    /// Has a publisher, of any loop, wait at a gate.
    pub(super) fn wait_at(&mut self, event_loop: &mut Loop<'_>, gate: Gate, publisher: ConnId) {
        let Some(waiting) = self.waiting_at(gate).filter(|all| !all.contains(&publisher)) else {
            return;
        };
        waiting.push_back(publisher);
        if let (true, Gate::Subscriber(id)) = (waiting.len() > MAX_WAITING, gate) {
            if let Some(mut conn) = event_loop.conn(id) {
                conn.abort();
            }
        }
        self.hold(event_loop, publisher);
    }

    pub(super) fn hold(&mut self, event_loop: &mut Loop<'_>, publisher: ConnId) {
        if publisher.loop_id() != event_loop.loop_id() {
            return self.send(publisher.loop_id(), Message::Hold(publisher));
        }
        let client = self.clients.get_mut(publisher);
        if let (Some(client), Some(mut conn)) = (client, event_loop.conn(publisher)) {
            client.holds += 1;
            conn.pause_reading_for(HELD);
            client.keep_alive(&mut conn);
        }
    }

    /// Takes back [`hold`](Self::hold). A publisher of this loop that nobody holds any more is
    /// served by [`go_on`](Self::go_on).
    pub(super) fn release(&mut self, event_loop: &mut Loop<'_>, gate: Gate, publisher: ConnId) {
        if let (Gate::Subscriber(id), true) = (gate, publisher.loop_id() != event_loop.loop_id()) {
            return self.send(publisher.loop_id(), Message::Release(id, publisher));
        }
        let client = self.clients.get_mut(publisher);
        if let (Some(client), Some(mut conn)) = (client, event_loop.conn(publisher)) {
            client.holds = client.holds.saturating_sub(1);
            if client.holds == 0 {
                conn.resume_reading_for(HELD);
                self.ready.push_back(publisher);
            }
        }
    }

    /// Returns whether a client has had its share of this callback. Then it goes on later.
    pub(super) fn had_its_share(&mut self, event_loop: &mut Loop<'_>, id: ConnId) -> bool {
        let has_had = self.work > MAX_WORK;
        if let (true, Some(mut conn)) = (has_had, event_loop.conn(id)) {
            conn.pause_reading_for(LATER);
            self.later.push(id);
        }
        has_had
    }

    /// Tries again what could not be done before.
    pub(super) fn retry(&mut self, event_loop: &mut Loop<'_>) {
        self.has_timer = false;
        for id in mem::take(&mut self.later) {
            if let Some(mut conn) = event_loop.conn(id) {
                conn.resume_reading_for(LATER);
                self.ready.push_back(id);
            }
        }
        self.go_on(event_loop);
    }

    /// Serves those who had to wait and need not any more. Each callback ends here.
    pub(super) fn go_on(&mut self, event_loop: &mut Loop<'_>) {
        for (index, link) in self.links.iter_mut().enumerate() {
            link.flush();
            if !link.waiting.is_empty() {
                self.opened.push_back(Gate::Link(index));
            }
        }
        while let Some(id) = self.next_ready(event_loop) {
            if let Some(mut conn) = event_loop.conn(id) {
                self.serve(&mut conn, &[]);
            }
        }
        let has_more = !self.later.is_empty() || self.links.iter().any(|l| !l.unsent.is_empty());
        if has_more && !self.has_timer {
            // The only timer of this loop.
            self.has_timer = event_loop.set_timer(RETRY, 0).is_ok();
        }
    }

    fn next_ready(&mut self, event_loop: &mut Loop<'_>) -> Option<ConnId> {
        while self.ready.is_empty() {
            let gate = self.opened.pop_front()?;
            let is_open = self.is_open(event_loop, gate);
            if let (Gate::Subscriber(id), true) = (gate, is_open) {
                let credits = self.clients.get_mut(id).map(|client| mem::take(&mut client.credits));
                credits.into_iter().flatten().for_each(|credit| self.give_back(event_loop, credit));
            }
            let waiting = self.waiting_at(gate).filter(|_| is_open);
            if let Some(publisher) = waiting.and_then(VecDeque::pop_front) {
                self.release(event_loop, gate, publisher);
                // For one of another loop, `Next` comes when it has gone on.
                if publisher.loop_id() == event_loop.loop_id() {
                    self.opened.push_front(gate);
                }
            }
        }
        self.ready.pop_front()
    }

    /// Gives credit back that nobody else holds. The other loop gets it in large pieces: what is
    /// missing is too little to have anybody wait.
    pub(super) fn give_back(&mut self, event_loop: &Loop<'_>, credit: Credit) {
        let Some((publisher, bytes)) = Arc::into_inner(credit) else { return };
        let Some(link) = self.link(publisher.loop_id()) else { return };
        link.owed += bytes;
        link.credits.push((publisher, bytes));
        if link.owed >= link.window.min(SHARE) / 2 {
            link.owed = 0;
            let credits = mem::take(&mut link.credits);
            link.send(Message::Credit(event_loop.loop_id(), credits));
        }
    }

    pub(super) fn link(&mut self, loop_id: usize) -> Option<&mut Link> {
        self.links.iter_mut().find(|link| link.sender.loop_id() == loop_id)
    }

    /// Sends a message to another loop.
    pub(super) fn send(&mut self, loop_id: usize, message: Message) {
        if let Some(link) = self.link(loop_id) {
            link.send(message);
        }
    }

    /// Sends a message to all the other loops.
    pub(super) fn send_all(&mut self, message: &Message) {
        self.links.iter_mut().for_each(|link| link.send(message.clone()));
    }
}

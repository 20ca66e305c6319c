//! All of a loop but its handler: what a callback can reach through its `Conn`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio_sys::net::{Reserve, Stream};
use evio_sys::{Interest, Poller, clock};
use slab::Slab;

use crate::acceptor::BoundListener;
use crate::action::CloseReason;
use crate::config::{Config, Limits};
use crate::conn_id::ConnKey;
use crate::conn_table::ConnTable;
use crate::entry::{Entry, Phase};
use crate::group::Group;
use crate::load_balance::Random;
use crate::mailbox::{Mailbox, Manner};
use crate::output::Pool;
use crate::rest::Rests;
use crate::source::Source;
use crate::timer::{Tick, Wheel};
use crate::turn_clock::TurnClock;
use crate::turn_output::TurnOutput;
use crate::udp::{BoundUdp, Outbox};

/// How long a connection that a shutdown or a timeout has closed is kept for the peer to close its
/// side. It has been sent everything, and may be gone long since; only a peer that writes on after
/// this time loses what it has not read.
const SHORT_LINGER: Duration = Duration::from_millis(500);

/// What every request needs comes first, then what every turn does.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct LoopState {
    pub(crate) conns: ConnTable,
    pub(crate) clock: TurnClock,
    /// Connections to be looked at when the turn ends.
    ///
    /// Invariant: a connection with `dirty` set is on it.
    pub(crate) dirty: Vec<ConnKey>,
    /// Whether a connection on the list may have output, so that `pre_write` is due.
    pub(crate) output_waiting: bool,
    pub(crate) shutdown: Shutdown,
    pub(crate) rests: Rests,
    pub(crate) outbox: Outbox,
    pub(crate) mailbox: Mailbox,
    pub(crate) wheel: Wheel,
    pub(crate) loop_id: u16,
    pub(crate) config: Config,
    pub(crate) group: Arc<Group>,
    pub(crate) poller: Poller,
    pub(crate) listeners: Slab<BoundListener>,
    pub(crate) sockets: Slab<BoundUdp>,
    pub(crate) reserve: Option<Reserve>,
    /// Ends the server, in this manner, as soon as there is something to read.
    pub(crate) stop: Option<(Stream, Manner)>,
    pub(crate) turn_output: TurnOutput,
    pub(crate) pool: Pool,
    pub(crate) random: Random,
}

/// How far the loop is on its way to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shutdown {
    No,
    /// To be begun when the turn is over; another one that is under way ends at the moment given.
    Requested(Manner, Option<Instant>),
    /// Nothing is accepted any more, and connections that are left at the deadline are cut off.
    Until(Instant, Manner),
}

impl LoopState {
    pub(crate) fn new(
        loop_id: u16,
        config: Config,
        group: Arc<Group>,
        poller: Poller,
        mailbox: Mailbox,
    ) -> Self {
        let now = clock::now();
        Self {
            loop_id,
            config,
            group,
            poller,
            mailbox,
            listeners: Slab::new(),
            sockets: Slab::new(),
            reserve: None,
            stop: None,
            conns: ConnTable::default(),
            turn_output: TurnOutput::default(),
            pool: Pool::default(),
            outbox: Outbox::default(),
            wheel: Wheel::new(now),
            rests: Rests::default(),
            random: Random::new(),
            clock: TurnClock::new(now),
            dirty: Vec::new(),
            output_waiting: false,
            shutdown: Shutdown::No,
        }
    }

    pub(crate) fn add_socket(&mut self, bound: BoundUdp) -> io::Result<()> {
        let place = self.sockets.vacant_entry();
        let token = Source::Datagram(place.key() as u32).token();
        self.poller.register(&bound.socket, token, Interest::READABLE)?;
        place.insert(bound);
        Ok(())
    }

    pub(crate) fn shutdown_on(&mut self, stop: Stream, manner: Manner) -> io::Result<()> {
        self.poller.register(&stop, Source::Stop.token(), Interest::READABLE)?;
        self.stop = Some((stop, manner));
        Ok(())
    }

    /// Ends the server. What asked for it is not listened to again: it would go on asking.
    pub(crate) fn stop(&mut self) {
        if let Some((stop, manner)) = self.stop.take() {
            let _ = self.poller.deregister(&stop);
            self.request_shutdown(manner);
        }
    }

    /// Has the connection looked at when the turn ends.
    #[inline]
    pub(crate) fn mark_dirty(&mut self, key: ConnKey) {
        if let Some(entry) = self.conns.get_mut(key) {
            if !entry.dirty {
                entry.dirty = true;
                self.dirty.push(key);
            }
        }
    }

    /// Begins an ending that loses nothing.
    pub(crate) fn close(&mut self, key: ConnKey, reason: CloseReason) {
        if let Some(entry) = self.conns.get_mut(key) {
            entry.close(reason);
            self.mark_dirty(key);
        }
    }

    /// Ends a connection at the end of the turn, whatever is left to send.
    pub(crate) fn end(&mut self, key: ConnKey, reason: CloseReason, reset: bool) {
        if let Some(entry) = self.conns.get_mut(key) {
            entry.end(reason, reset);
            self.mark_dirty(key);
        }
    }

    /// Ends the output of a connection when what there is has been sent.
    pub(crate) fn half_close(&mut self, key: ConnKey) {
        if let Some(entry) = self.conns.get_mut(key) {
            entry.half_close();
            self.mark_dirty(key);
        }
    }

    /// Begins to detach a connection, unless it is ending.
    pub(crate) fn detach(&mut self, key: ConnKey) {
        if let Some(entry) = self.conns.get_mut(key) {
            if entry.is_served() {
                entry.phase = Phase::Detaching;
                self.mark_dirty(key);
            }
        }
    }

    /// A prompt shutdown overtakes a graceful one; other than that the first one stays.
    pub(crate) fn request_shutdown(&mut self, manner: Manner) {
        let (present, deadline) = match self.shutdown {
            Shutdown::No => (None, None),
            Shutdown::Requested(present @ Manner::Graceful(timeout), None) => {
                (Some(present), self.clock.now().checked_add(timeout))
            }
            Shutdown::Requested(present, deadline) => (Some(present), deadline),
            Shutdown::Until(deadline, present) => (Some(present), Some(deadline)),
        };
        let overtakes = present != Some(Manner::Prompt) && manner == Manner::Prompt;
        if present.is_none() || overtakes {
            self.shutdown = Shutdown::Requested(manner, deadline);
        }
    }

    /// Stops or resumes the input of a connection.
    pub(crate) fn set_paused(&mut self, key: ConnKey, paused: bool) {
        if let Some(entry) = self.conns.get_mut(key) {
            entry.paused = paused;
            self.mark_dirty(key);
        }
    }

    /// Lets the input of a connection go on, or not, while too much output waits.
    pub(crate) fn set_reads_while_congested(&mut self, key: ConnKey, reads: bool) {
        if let Some(entry) = self.conns.get_mut(key) {
            entry.reads_while_congested = reads;
            self.mark_dirty(key);
        }
    }

    /// Gives the ending that is under way a deadline, unless it has one already.
    pub(crate) fn start_closing_deadline(&mut self, key: ConnKey) {
        let now = self.tick_now();
        let Some(entry) = self.conns.get_mut(key) else { return };
        if entry.deadlines.closing.is_none() {
            let mut timeout = entry.limits(&self.config).close_timeout;
            if matches!(
                entry.phase,
                Phase::Draining(CloseReason::Shutdown | CloseReason::Timeout(_))
            ) {
                timeout = timeout.min(SHORT_LINGER);
            }
            entry.deadlines.closing = now.after(timeout);
            self.arm(key);
        }
    }

    pub(crate) fn set_limits(&mut self, key: ConnKey, limits: Limits, now: Tick) {
        let Some(entry) = self.conns.get_mut(key) else { return };
        let before = *entry.limits(&self.config);
        let is_connecting = entry.is_connecting();
        let deadlines = &mut entry.deadlines;
        // Where no timeout was waited for, nobody has seen to it that the stamps are right. One
        // that is too long to be told from the past is none.
        let was_none =
            |timeout: Option<Duration>| timeout.and_then(|timeout| now.after(timeout)).is_none();
        // While connecting, it is when that began.
        if was_none(before.idle_timeout) && !is_connecting {
            deadlines.active = now;
        }
        if was_none(before.write_timeout) {
            deadlines.stalled = deadlines.stalled.map(|_| now);
        }
        if was_none(before.congestion_timeout) {
            deadlines.congested = deadlines.congested.map(|_| now);
        }
        entry.rare_mut().limits = Some(Box::new(limits));
        self.arm(key);
    }

    /// Returns the present tick, which may be later than that of the turn: what begins after a long
    /// callback must not end early.
    pub(crate) fn tick_now(&self) -> Tick {
        self.wheel.tick(clock::now())
    }

    /// Moves what this turn has put down with its time to its end, if that is
    /// much later: a handler that takes long must not make its connections look idle. The walk is
    /// over all connections, but no more often than there are turns that long.
    pub(crate) fn correct_stamps(&mut self, now: Instant) {
        let Some(stamp) = self.clock.tick_if_read() else { return };
        let now = self.wheel.tick(now);
        if now.since(stamp) > Tick::STAMP_ERROR {
            self.conns.restamp(stamp, now);
        }
    }

    /// Tells the wheel of the connection's next deadline.
    pub(crate) fn arm(&mut self, key: ConnKey) {
        let Some(entry) = self.conns.get(key) else { return };
        if let Some((next, _)) = entry.next_deadline(&self.config, self.clock.tick()) {
            self.wheel.insert(next, key.index);
        }
    }

    /// Has the poller report events of a new connection.
    pub(crate) fn watch(&self, key: ConnKey) -> io::Result<()> {
        let Some(Entry { stream, interest: Some(interest), .. }) = self.conns.get(key) else {
            return Ok(());
        };
        self.poller.register(stream, Source::Conn(key).token(), told(*interest, stream))
    }

    /// Tells the poller what the connection waits for, if that has changed.
    #[inline]
    pub(crate) fn update_interest(&mut self, key: ConnKey) {
        let Some(entry) = self.conns.get_mut(key) else { return };
        let wanted = entry.wanted_interest();
        if entry.interest == Some(wanted) {
            return;
        }
        let token = Source::Conn(key).token();
        match self.poller.reregister(&entry.stream, token, told(wanted, &entry.stream)) {
            Ok(()) => entry.interest = Some(wanted),
            Err(error) => self.end(key, CloseReason::Error(error), false),
        }
    }
}

/// Returns `interest` as the poller is told of it. To be told of changes only is cheaper, but a
/// read from a Unix socket may be short of what is there: it stops where descriptors were sent
/// along.
fn told(interest: Interest, stream: &Stream) -> Interest {
    match stream {
        Stream::Tcp(_) => interest.edge(),
        Stream::Unix(_) => interest,
    }
}

//! The expected state of the server's side of a connection: which callbacks may come, which bytes
//! are owed, and which reasons to end there are. The model follows from the documentation and from
//! the operations of the test, never from the library's own account.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evio::{ConnId, Limits, Tag};

use super::dice::Dice;
use super::frame::{SENDERS, Written};
use super::link::{Kind, Peer};
use super::world::World;
use crate::util::Reason;

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    New,
    Connecting,
    Open,
    Over(Last),
}

/// The last that was heard of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    Closed(Reason),
    Detached,
    ConnectFailed(Reason),
    /// `connect` or `adopt` said no.
    NotBegun,
}

pub(crate) struct Server {
    pub(crate) id: Option<ConnId>,
    /// The address of an outbound connection's own end.
    pub(crate) local_addr: Option<SocketAddr>,
    /// The tag that it was asked for with.
    pub(crate) tag: Option<Tag>,
    pub(crate) stage: Stage,
    pub(crate) has_context: bool,
    /// An ending was asked for on the loop's thread: none but the last callback may come.
    pub(crate) is_ending: bool,
    pub(crate) is_detaching: bool,
    /// The detached socket was dropped, without having been read.
    pub(crate) is_dropped: bool,
    pub(crate) output_ended: bool,
    pub(crate) input_ended: bool,
    pub(crate) peer_closed: bool,
    pub(crate) is_stopping: bool,
    pub(crate) reads_while_congested: bool,
    /// Unknown while a command of another thread is on its way.
    pub(crate) is_paused: Option<bool>,
    /// Counts the changes of that, by any thread.
    pub(crate) pauses: u32,
    pub(crate) pauses_on_the_way: u32,
    pub(crate) endings_on_the_way: u32,
    pub(crate) limits: Limits,
    /// The limits were changed while output waited.
    pub(crate) limits_moved: bool,
    /// The lowest of the high watermarks since it was last drained.
    pub(crate) lowest_watermark: usize,
    /// The bytes that the peer had when the connection was last drained.
    pub(crate) taken_when_drained: u64,
    /// It was seen to be congested, and not drained since.
    pub(crate) is_congested: bool,
    /// Others have written, so it may be congested without this side having seen it.
    pub(crate) others_wrote: bool,
    pub(crate) timer: Option<Instant>,
    pub(crate) read_timeout: Option<Instant>,
    pub(crate) began: Instant,
    pub(crate) received: u64,
    /// Input that was given back with the detach.
    pub(crate) put_back: usize,
    /// Frames written on the loop's thread.
    pub(crate) frames: u32,
    /// Bytes written, without broadcasts.
    pub(crate) written: u64,
    /// When it last wrote something that waits for `pre_write`.
    pub(crate) last_written: Option<Written>,
    /// When it last wrote something of which a part may wait for it.
    pub(crate) last_written_now: Option<Written>,
    pub(crate) sends: [Sends; SENDERS],
    /// The last broadcast of each that must arrive.
    pub(crate) broadcasts_owed: [Option<u32>; SENDERS],
    /// How many wakes there had been when it was last woken.
    pub(crate) woken: u32,
    pub(crate) times_woken: u32,
    /// How many there had been when it opened: those may be lost.
    pub(crate) wakes_before: u32,
    pub(crate) wake_was_refused: bool,
    pub(crate) causes: Causes,
    pub(crate) dice: Dice,
}

/// An ending may take this long, where the limits leave it time.
const PATIENCE: Duration = Duration::from_secs(4);

/// The frames that one sender has sent by handle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends {
    pub(crate) sent: u32,
    /// So many must arrive, unless the connection fails.
    pub(crate) owed: u32,
}

/// The causes that may end the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Causes {
    pub(crate) closed: bool,
    pub(crate) aborted: bool,
    /// It was aborted before anything else could end it.
    pub(crate) aborted_first: bool,
    pub(crate) panicked: bool,
    pub(crate) idle: bool,
    pub(crate) write: bool,
    pub(crate) congestion: bool,
    /// The time for its ending was short at least once.
    pub(crate) short_close: bool,
    /// Its peer could send too much while it was closing.
    pub(crate) discards_little: bool,
    /// It had written in a turn that `pre_write` withheld.
    pub(crate) withheld: bool,
    /// It may have.
    pub(crate) may_be_withheld: bool,
    /// The lowest limit of its output.
    pub(crate) max_output: Option<usize>,
}

impl Server {
    pub(crate) fn new(limits: Limits, dice: Dice) -> Self {
        let mut server = Self {
            id: None,
            local_addr: None,
            tag: None,
            stage: Stage::New,
            has_context: false,
            is_ending: false,
            is_detaching: false,
            is_dropped: false,
            output_ended: false,
            input_ended: false,
            peer_closed: false,
            is_stopping: false,
            reads_while_congested: false,
            is_paused: Some(false),
            pauses: 0,
            pauses_on_the_way: 0,
            endings_on_the_way: 0,
            limits,
            limits_moved: false,
            lowest_watermark: limits.high_watermark,
            taken_when_drained: 0,
            is_congested: false,
            others_wrote: false,
            timer: None,
            read_timeout: None,
            began: Instant::now(),
            received: 0,
            put_back: 0,
            frames: 0,
            written: 0,
            last_written: None,
            last_written_now: None,
            sends: Default::default(),
            broadcasts_owed: Default::default(),
            woken: 0,
            times_woken: 0,
            wakes_before: 0,
            wake_was_refused: false,
            causes: Causes::default(),
            dice,
        };
        server.set_limits(limits);
        server
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }

    /// Returns whether `Conn` methods have any effect.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stage, Stage::Connecting | Stage::Open) && !self.is_ending
    }

    /// Returns whether output is taken, as far as this side knows.
    pub(crate) fn takes_output(&self) -> bool {
        self.is_live() && !self.output_ended
    }

    /// Returns whether the connection may have ended by something that this side does not see.
    pub(crate) fn may_have_ended(&self, peer: &Peer, kind: Kind, world: &World) -> bool {
        world.is_shutting_down() || self.may_have_ended_by_itself(peer, kind, world)
    }

    /// The same, but for the end of the server.
    pub(crate) fn may_have_ended_by_itself(&self, peer: &Peer, kind: Kind, world: &World) -> bool {
        let Causes { idle, write, congestion, .. } = self.causes;
        let withheld = self.causes.withheld || self.causes.may_be_withheld;
        let by_time = idle || write || congestion || self.read_timeout.is_some();
        let by_peer =
            peer.has_left || peer.has_meddled || peer.finished.is_some() && self.output_ended;
        self.endings_on_the_way > 0
            || by_time
            || withheld
            || world.plan.withholds && (self.others_wrote || world.broadcast_bytes() > 0)
            || by_peer
            || self.input_ended && self.output_ended
            || self.may_have_exceeded(world)
            || matches!(kind, Kind::Refused | Kind::Silent)
    }

    /// Returns whether more may have waited than the limit of the output allows.
    pub(crate) fn may_have_exceeded(&self, world: &World) -> bool {
        let written = self.written + world.broadcast_bytes();
        self.causes.max_output.is_some_and(|max| written > max as u64)
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.lowest_watermark = self.lowest_watermark.min(limits.high_watermark);
        let causes = &mut self.causes;
        causes.idle |= limits.idle_timeout.is_some();
        causes.write |= limits.write_timeout.is_some();
        causes.congestion |= limits.congestion_timeout.is_some();
        causes.short_close |= limits.close_timeout.min(limits.flush_timeout) < PATIENCE;
        causes.discards_little |= limits.max_discarded < Limits::default().max_discarded;
        let max = causes.max_output.unwrap_or(usize::MAX).min(limits.max_output);
        causes.max_output = Some(max);
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.pauses += 1;
        self.is_paused = (self.pauses_on_the_way == 0).then_some(paused);
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("id", &self.id)
            .field("stage", &self.stage)
            .field("ending", &(self.is_ending, self.is_detaching, self.endings_on_the_way))
            .field("output_ended", &self.output_ended)
            .field("input_ended", &(self.input_ended, self.peer_closed))
            .field("paused", &(self.is_paused, self.pauses_on_the_way))
            .field("congested", &(self.is_congested, self.reads_while_congested))
            .field("received", &self.received)
            .field("frames", &self.frames)
            .field("written", &self.written)
            .field("sends", &self.sends)
            .field("broadcasts_owed", &self.broadcasts_owed)
            .field("woken", &(self.woken, self.wakes_before))
            .field("timer", &self.timer.map(|due| due.elapsed()))
            .field("limits", &self.limits)
            .field("causes", &self.causes)
            .finish_non_exhaustive()
    }
}

//! What the server's side of a connection is expected to be: which callbacks may come, what is
//! owed, and what may have ended it. It follows from the documentation and from what the test has
//! asked for, never from what the library says of itself.

use std::time::{Duration, Instant};

use evio::{ConnId, Limits};

use super::dice::Dice;
use super::frame::SENDERS;
use super::link::{Kind, Link, Peer};
use super::world::World;
use crate::util::{Call, Reason};

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
    /// Counts the changes of that, by whomever.
    pub(crate) pauses: u32,
    pub(crate) pauses_on_the_way: u32,
    pub(crate) endings_on_the_way: u32,
    pub(crate) limits: Limits,
    /// The limits were changed while output waited.
    pub(crate) limits_moved: bool,
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
    /// Bytes written by anybody but those who broadcast.
    pub(crate) written: u64,
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

/// What one sender has sent by handle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sends {
    pub(crate) sent: u32,
    /// So many must arrive, unless the connection fails.
    pub(crate) owed: u32,
}

/// What may end the connection.
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
    /// Its close timeout was short at least once.
    pub(crate) short_close: bool,
    /// The lowest limit of its output.
    pub(crate) max_output: Option<usize>,
}

/// How late a timer may be before it counts as lost.
const TIMER_PATIENCE: Duration = Duration::from_secs(5);

impl Server {
    pub(crate) fn new(limits: Limits, dice: Dice) -> Self {
        let mut server = Self {
            id: None,
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
            is_congested: false,
            others_wrote: false,
            timer: None,
            read_timeout: None,
            began: Instant::now(),
            received: 0,
            put_back: 0,
            frames: 0,
            written: 0,
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
        let Causes { idle, write, congestion, .. } = self.causes;
        let by_time = idle || write || congestion || self.read_timeout.is_some();
        let by_peer = peer.has_left || peer.finished.is_some() && self.output_ended;
        self.endings_on_the_way > 0
            || by_time
            || by_peer
            || self.input_ended && self.output_ended
            || self.may_have_exceeded(world)
            || matches!(kind, Kind::Refused | Kind::Silent)
            || world.is_shutting_down()
    }

    /// Returns whether more may have waited than the limit of the output allows.
    pub(crate) fn may_have_exceeded(&self, world: &World) -> bool {
        let written = self.written + world.broadcast_bytes();
        self.causes.max_output.is_some_and(|max| written > max as u64)
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        let causes = &mut self.causes;
        causes.idle |= limits.idle_timeout.is_some();
        causes.write |= limits.write_timeout.is_some();
        causes.congestion |= limits.congestion_timeout.is_some();
        causes.short_close |= limits.close_timeout < Duration::from_secs(4);
        let max = causes.max_output.unwrap_or(usize::MAX).min(limits.max_output);
        causes.max_output = Some(max);
    }

    pub(crate) fn set_paused(&mut self, paused: bool) {
        self.pauses += 1;
        self.is_paused = (self.pauses_on_the_way == 0).then_some(paused);
    }

    /// Checks that a callback may be made now, and takes it to have been.
    pub(crate) fn enter(&mut self, call: Call, link: &Link, world: &World) -> Result<(), String> {
        self.check_order(call)?;
        match call {
            Call::Opened => {
                self.stage = Stage::Open;
                self.wakes_before = link.wakes();
            }
            Call::Data => self.check_data()?,
            Call::Woken => {
                // Several wakes may be one, but not one several.
                let wakes = link.wakes();
                self.times_woken += 1;
                self.woken = wakes;
                if self.times_woken > wakes {
                    return Err(format!("woken for the {}th time, of {wakes}", self.times_woken));
                }
            }
            Call::Drained => self.check_drained(world)?,
            Call::Timer => {
                let due = self.timer.take().ok_or("a timer that was not set")?;
                let early = due.saturating_duration_since(Instant::now());
                if !early.is_zero() {
                    return Err(format!("a timer that comes {early:?} too early"));
                }
            }
            Call::Stopping => {
                if self.is_stopping || !world.is_stopping_gracefully() {
                    return Err("stopping, twice or without a graceful end".to_owned());
                }
                self.is_stopping = true;
            }
            Call::PeerClosed => {
                if self.peer_closed || self.input_ended {
                    return Err("the end of input, twice or after shutdown_read".to_owned());
                }
                self.peer_closed = true;
            }
            Call::Closed(reason) => self.stage = Stage::Over(Last::Closed(reason)),
            Call::Detached => self.stage = Stage::Over(Last::Detached),
            Call::ConnectFailed(reason) => self.stage = Stage::Over(Last::ConnectFailed(reason)),
        }
        Ok(())
    }

    fn check_order(&self, call: Call) -> Result<(), String> {
        let is_last = matches!(call, Call::Closed(_) | Call::Detached | Call::ConnectFailed(_));
        let fits = match self.stage {
            Stage::New => call == Call::Opened,
            Stage::Connecting => matches!(call, Call::Opened | Call::ConnectFailed(_)),
            Stage::Open => !matches!(call, Call::Opened | Call::ConnectFailed(_)),
            Stage::Over(_) => false,
        };
        if !fits {
            return Err(format!("{call:?} of a connection that is {:?}", self.stage));
        }
        let needs_context = !matches!(call, Call::ConnectFailed(_));
        if self.has_context != needs_context {
            return Err(format!("{call:?}, with a context: {}", self.has_context));
        }
        if self.is_ending && !is_last {
            return Err(format!("{call:?} after an ending was asked for"));
        }
        if call == Call::Detached && !self.is_detaching {
            return Err("detached, which nobody asked for".to_owned());
        }
        Ok(())
    }

    fn check_data(&self) -> Result<(), String> {
        if self.is_paused == Some(true) {
            return Err("input while reading is paused".to_owned());
        }
        if self.input_ended || self.peer_closed {
            return Err("input after its end".to_owned());
        }
        Ok(())
    }

    fn check_drained(&mut self, world: &World) -> Result<(), String> {
        let others_wrote = self.others_wrote || world.broadcast_bytes() > 0;
        if !self.is_congested && !others_wrote && !self.limits_moved {
            return Err("drained, without having been congested".to_owned());
        }
        self.is_congested = false;
        Ok(())
    }

    /// Returns what should have happened to an open connection by now.
    pub(crate) fn overdue(&self, link: &Link) -> Option<String> {
        if self.timer.is_some_and(|due| due.elapsed() > TIMER_PATIENCE) {
            return Some("its timer has not come".to_owned());
        }
        let wakes = link.wakes();
        let is_owed = wakes > self.wakes_before && !self.wake_was_refused;
        if is_owed && self.woken < wakes {
            return Some(format!("a wake was lost: {} of {wakes}", self.woken));
        }
        None
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

//! How long a client may take.

use std::time::{Duration, Instant};

use evio::Conn;

use super::{Exchange, Phase};

/// How long a client may take; `None` is for ever.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For the whole head of a request, from its first byte on, and for the first request of a
    /// connection. Default: 30 seconds.
    pub head: Option<Duration>,
    /// For the body of a request, besides a second for each [`MIN_BODY_RATE`] bytes that have come:
    /// a slow line passes, one that drips does not. Default: 30 seconds.
    pub body: Option<Duration>,
    /// From one request to the next; a client that is still taking the reply then has it once
    /// more. Default: 60 seconds.
    pub keep_alive: Option<Duration>,
}

/// The rate that a body must have in the long run, in bytes per second: that of a slow modem.
pub const MIN_BODY_RATE: u64 = 1024;

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Some(Duration::from_secs(30)),
            body: Some(Duration::from_secs(30)),
            keep_alive: Some(Duration::from_secs(60)),
        }
    }
}

/// What a client has been too slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expired {
    /// It has not begun a request.
    Connection,
    /// It has begun one.
    Request,
}

/// What a connection waits for, and since when.
///
/// Setting a timer costs more than answering a small request, so one that runs is left alone as
/// long as it ends before the deadline; when it has, it is set anew to the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    phase: Phase,
    since: Instant,
    /// The number of the request that is waited for: each has its own time.
    request: u32,
    /// When the timer ends, if it runs.
    timer_end: Option<Instant>,
}

impl Wait {
    pub(super) fn new(now: Instant) -> Self {
        Self { phase: Phase::Idle, since: now, request: 0, timer_end: None }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Begins to wait, for the first request or for what it is now.
    pub(super) fn begin<P>(
        &mut self,
        exchange: &Exchange<P>,
        timeouts: &Timeouts,
        conn: &mut Conn<'_>,
    ) {
        self.set_timer(self.deadline(exchange, timeouts), conn);
    }

    /// Goes on to wait for what the connection needs now.
    #[inline]
    pub(super) fn go_on<P>(
        &mut self,
        phase: Phase,
        exchange: &Exchange<P>,
        timeouts: &Timeouts,
        conn: &mut Conn<'_>,
    ) {
        if phase != self.phase || exchange.requests() != self.request {
            *self = Self { phase, since: conn.now(), request: exchange.requests(), ..*self };
            let deadline = self.deadline(exchange, timeouts);
            if deadline.is_some_and(|end| self.timer_end.is_none_or(|timer_end| end < timer_end)) {
                self.set_timer(deadline, conn);
            }
        }
    }

    /// Takes note that the timer has ended; returns what has taken too long, if something has.
    pub(super) fn timer<P>(
        &mut self,
        exchange: &Exchange<P>,
        timeouts: &Timeouts,
        conn: &mut Conn<'_>,
    ) -> Option<Expired> {
        let deadline = self.deadline(exchange, timeouts);
        self.timer_end = None;
        if deadline? > conn.now() {
            self.set_timer(deadline, conn);
            return None;
        }
        Some(if self.phase == Phase::Idle { Expired::Connection } else { Expired::Request })
    }

    /// Begins the same wait once more.
    #[cold]
    pub(super) fn begin_anew<P>(
        &mut self,
        exchange: &Exchange<P>,
        timeouts: &Timeouts,
        conn: &mut Conn<'_>,
    ) {
        self.since = conn.now();
        self.begin(exchange, timeouts, conn);
    }

    /// Has the timer end so soon, whatever is waited for.
    #[cold]
    pub(super) fn end_in(&mut self, delay: Duration, conn: &mut Conn<'_>) {
        self.set_timer(conn.now().checked_add(delay), conn);
    }

    fn deadline<P>(&self, exchange: &Exchange<P>, timeouts: &Timeouts) -> Option<Instant> {
        let time = match self.phase {
            Phase::Head => timeouts.head?,
            Phase::Idle if self.request == 0 => timeouts.head?,
            Phase::Idle => timeouts.keep_alive?,
            Phase::Body => {
                let earned = Duration::from_secs(exchange.body_len() / MIN_BODY_RATE);
                timeouts.body?.checked_add(earned)?
            }
            // The write timeout of the connection is for that.
            Phase::Reply => return None,
        };
        self.since.checked_add(time)
    }

    #[cold]
    fn set_timer(&mut self, end: Option<Instant>, conn: &mut Conn<'_>) {
        self.timer_end = end;
        conn.set_timer(end.map(|end| end.saturating_duration_since(conn.now())));
    }
}

//! When a connection must be looked at, and why.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::table::owes::Owes;
use crate::table::turn_clock::TurnClock;
use crate::table::wheel_time::WheelTime;
use crate::types::limits::Limits;

/// How long output has waited when the kernel is asked for the first time how much it holds.
const FIRST_ASK: Duration = Duration::from_millis(50);

/// The times of one connection: starts, from which limits count, and deadlines. Moving one later is
/// a store; the wheel is told only of what comes earlier than what it knows.
#[derive(Debug)]
pub(super) struct Deadlines {
    /// When bytes last went in either direction, or connecting began.
    pub(super) last_activity: WheelTime,
    /// Since when output has waited without the peer taking any.
    stalled_since: Option<WheelTime>,
    /// Bytes of output that the kernel held when it was asked last, since then.
    kernel_len: Option<NonZeroU32>,
    /// Since when the output has been above the watermarks.
    pub(super) congested_since: Option<WheelTime>,
    /// Since when the connection has been closing, or detaching, with output left.
    pub(super) closing_since: Option<WheelTime>,
    /// When the message that the handler is receiving must be whole.
    pub(super) read_deadline: Option<WheelTime>,
    /// When `Handler::timer` is called.
    pub(super) timer: Option<WheelTime>,
    /// When the peer must have taken something of what is left, or closed its side; or when the
    /// replies must have come that an ending waits for.
    pub(super) close_deadline: Option<WheelTime>,
}

/// The kind of a deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    Connect,
    Idle,
    /// The kernel is to be asked how much output it holds.
    KernelLen,
    Write,
    Congestion,
    Read,
    Timer,
    /// A pause ends.
    Resume,
    /// The peer has taken nothing of a closing connection's output, or not closed its side.
    Close,
    /// A closing connection has taken too long in all.
    Flush,
    /// The replies have not come that an ending waits for.
    Reply,
}

impl Deadlines {
    pub(super) fn new(now: WheelTime) -> Self {
        Self {
            last_activity: now,
            stalled_since: None,
            kernel_len: None,
            congested_since: None,
            closing_since: None,
            read_deadline: None,
            timer: None,
            close_deadline: None,
        }
    }

    /// Notes that bytes went, unless nobody has asked for the time in this turn. Then it does not
    /// matter when that was: a connection with an idle timeout has a place in the wheel, for which
    /// every turn reads the clock, and one that is given it later counts from then.
    #[inline]
    pub(super) fn note_activity(&mut self, clock: &TurnClock) {
        if let Some(tick) = clock.tick_if_read() {
            self.last_activity = tick;
        }
    }

    /// Replaces the stamps of slow turns by the times that they stand for.
    pub(super) fn correct(&mut self, clock: &TurnClock) {
        let Self { last_activity, stalled_since, congested_since, .. } = self;
        *last_activity = clock.corrected(*last_activity);
        for stamp in [stalled_since, congested_since].into_iter().flatten() {
            *stamp = clock.corrected(*stamp);
        }
    }

    pub(super) fn connect(&self, limits: &Limits) -> [Due; 1] {
        [(self.last_activity.after(limits.connect_timeout), Expired::Connect)]
    }

    #[inline]
    pub(super) fn stalled_since(&self) -> Option<WheelTime> {
        self.stalled_since
    }

    /// Notes that output waits for the peer from now on; `None` says that it does not.
    #[inline]
    pub(super) fn set_stalled(&mut self, since: Option<WheelTime>) {
        (self.stalled_since, self.kernel_len) = (since, None);
    }

    /// Returns since when the peer is waited for to take output, for whatever reason.
    pub(super) fn waits_since(&self) -> Option<WheelTime> {
        self.stalled_since.or(self.congested_since).or(self.closing_since)
    }

    /// Notes how many bytes of output the kernel holds, if it tells. Returns whether the peer has
    /// taken some since the last time, which is progress though there is no room yet; the stall
    /// begins anew.
    pub(super) fn note_kernel_len(&mut self, len: Option<usize>, now: WheelTime) -> bool {
        let Some(len) = len else {
            self.kernel_len.get_or_insert(NonZeroU32::MIN);
            return false;
        };
        // One that holds nothing has room, so it is not asked; zero is taken by the niche.
        let len = u32::try_from(len)
            .map_or(NonZeroU32::MAX, |len| NonZeroU32::new(len).unwrap_or(NonZeroU32::MIN));
        let has_progress = self.kernel_len.is_some_and(|before| len < before);
        if has_progress {
            self.last_activity = now;
            self.stalled_since = self.stalled_since.map(|_| now);
        }
        self.kernel_len = Some(len);
        has_progress
    }

    /// Returns when the kernel is asked for the first time: not at once, when what was sent last is
    /// still on its way to the peer's kernel.
    fn first_ask(&self, clock: &TurnClock) -> Option<WheelTime> {
        let is_due = self.kernel_len.is_none();
        since(self.stalled_since.filter(|_| is_due), Some(FIRST_ASK), clock)
    }

    /// Returns the deadlines of a connection whose callbacks are made; while input `is_overdue`,
    /// the read deadline does not hold.
    pub(super) fn active(
        &self,
        limits: &Limits,
        clock: &TurnClock,
        owes: Owes,
        is_overdue: bool,
    ) -> [Due; 7] {
        let [stalled, congested] = self.output(limits, clock);
        // It is not the peer that is silent while it waits for a reply.
        let (idle_timeout, reply_deadline) = match owes {
            Owes::Nothing => (limits.idle_timeout, None),
            Owes::Replies => (limits.idle_timeout.map(|idle| idle.max(limits.reply_timeout)), None),
            Owes::End(deadline) => (None, deadline),
        };
        let is_read = !is_overdue && !matches!(owes, Owes::End(_));
        let idle = since(Some(self.last_activity), idle_timeout, clock);
        let is_asked = stalled.0.or(idle).is_some();
        [
            (self.first_ask(clock).filter(|_| is_asked), Expired::KernelLen),
            (self.read_deadline.filter(|_| is_read), Expired::Read),
            (self.timer, Expired::Timer),
            stalled,
            congested,
            (idle, Expired::Idle),
            (reply_deadline, Expired::Reply),
        ]
    }

    /// Returns those of one that sends its last output.
    pub(super) fn closing(&self, limits: &Limits, clock: &TurnClock) -> [Due; 5] {
        let [stalled, congested] = self.output(limits, clock);
        let [close, flush] = self.lingering(limits);
        [(self.first_ask(clock), Expired::KernelLen), stalled, congested, close, flush]
    }

    /// Returns those of one that waits for the peer's FIN.
    pub(super) fn lingering(&self, limits: &Limits) -> [Due; 2] {
        let flushed = self.closing_since.and_then(|start| start.after(limits.flush_timeout));
        [(self.close_deadline, Expired::Close), (flushed, Expired::Flush)]
    }

    fn output(&self, limits: &Limits, clock: &TurnClock) -> [Due; 2] {
        let stalled = since(self.stalled_since, limits.write_timeout, clock);
        let congested = since(self.congested_since, limits.congestion_timeout, clock);
        [(stalled, Expired::Write), (congested, Expired::Congestion)]
    }
}

/// A deadline, if there is one, and what it is for.
pub(super) type Due = (Option<WheelTime>, Expired);

fn since(
    start: Option<WheelTime>,
    timeout: Option<Duration>,
    clock: &TurnClock,
) -> Option<WheelTime> {
    clock.corrected(start?).after(timeout?)
}

/// Returns the earliest of several deadlines.
pub(super) fn earliest(dues: &[Due], now: WheelTime) -> Option<(WheelTime, Expired)> {
    let dues = dues.iter().filter_map(|&(tick, what)| Some((tick?, what)));
    dues.min_by_key(|&(tick, _)| tick.since(now))
}

#[cfg(test)]
mod tests {
    use evio_sys::clock;

    use super::*;

    fn parts() -> (TurnClock, Deadlines) {
        let clock = TurnClock::new(clock::now());
        let deadlines = Deadlines::new(clock.tick());
        (clock, deadlines)
    }

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn each_limit_counts_from_its_own_start() {
        let (clock, mut deadlines) = parts();
        let now = clock.tick();
        let limits = Limits::default()
            .idle_timeout(Some(seconds(5)))
            .write_timeout(Some(seconds(4)))
            .congestion_timeout(Some(seconds(3)))
            .flush_timeout(seconds(2));
        let first = |deadlines: &Deadlines| {
            earliest(&deadlines.active(&limits, &clock, Owes::Nothing, false), now)
        };
        let due = |count| now.after(seconds(count)).unwrap();
        assert_eq!(first(&deadlines), Some((due(5), Expired::Idle)));
        deadlines.set_stalled(Some(now));
        assert_eq!(first(&deadlines), Some((now.after(FIRST_ASK).unwrap(), Expired::KernelLen)));
        assert!(!deadlines.note_kernel_len(Some(100), now));
        assert_eq!(first(&deadlines), Some((due(4), Expired::Write)));
        deadlines.congested_since = Some(now);
        assert_eq!(first(&deadlines), Some((due(3), Expired::Congestion)));
        deadlines.timer = Some(due(2));
        assert_eq!(first(&deadlines), Some((due(2), Expired::Timer)));
        deadlines.read_deadline = Some(due(1));
        assert_eq!(first(&deadlines), Some((due(1), Expired::Read)));
        let closing = |deadlines: &Deadlines| earliest(&deadlines.closing(&limits, &clock), now);
        assert_eq!(
            closing(&deadlines),
            Some((due(3), Expired::Congestion)),
            "Close takes none away"
        );
        deadlines.closing_since = Some(now);
        assert_eq!(closing(&deadlines), Some((due(2), Expired::Flush)));
        deadlines.close_deadline = Some(due(1));
        assert_eq!(closing(&deadlines), Some((due(1), Expired::Close)));
        let [(connect, what)] = deadlines.connect(&limits);
        assert_eq!((connect, what), (Some(due(10)), Expired::Connect));
    }

    #[test]
    fn an_ending_that_waits_for_replies_does_not_take_the_peer_for_silent() {
        let (clock, mut deadlines) = parts();
        let now = clock.tick();
        let limits = Limits::default().idle_timeout(Some(seconds(1)));
        deadlines.read_deadline = now.after(seconds(1));
        let end = Owes::End(now.after(seconds(60)));
        let first = earliest(&deadlines.active(&limits, &clock, end, false), now);
        assert_eq!(first, Some((now.after(seconds(60)).unwrap(), Expired::Reply)));
        deadlines.set_stalled(Some(now));
        let with_output = limits.write_timeout(Some(seconds(5)));
        let active = deadlines.active(&with_output, &clock, end, false);
        assert!(active.contains(&(now.after(seconds(5)), Expired::Write)), "output is");
    }

    /// An answer may take longer than a peer may be silent.
    #[test]
    fn a_peer_that_is_owed_a_reply_is_idle_later() {
        let (clock, deadlines) = parts();
        let now = clock.tick();
        for (idle, expected) in [(1, 60), (90, 90)] {
            let limits = Limits::default().idle_timeout(Some(seconds(idle)));
            let first = earliest(&deadlines.active(&limits, &clock, Owes::Replies, false), now);
            assert_eq!(first, Some((now.after(seconds(expected)).unwrap(), Expired::Idle)));
        }
    }

    #[test]
    fn what_the_peer_takes_begins_the_stall_anew() {
        let (_, mut deadlines) = parts();
        let start = deadlines.last_activity;
        let at = |count| start.after(seconds(count)).unwrap();
        deadlines.set_stalled(Some(start));
        for (len, count, since) in
            [(100, 1, start), (100, 2, start), (99, 3, at(3)), (99, 4, at(3))]
        {
            let has_progress = deadlines.note_kernel_len(Some(len), at(count));
            assert_eq!((has_progress, deadlines.stalled_since()), (count == 3, Some(since)));
            assert_eq!(deadlines.last_activity, since);
        }
        assert!(!deadlines.note_kernel_len(None, at(5)));
        assert!(!deadlines.note_kernel_len(Some(99), at(5)), "a system that does not tell");
        deadlines.set_stalled(Some(at(5)));
        assert!(!deadlines.note_kernel_len(Some(1), at(6)), "what was known before does not count");
    }

    #[test]
    fn without_limits_nothing_is_due() {
        let (clock, mut deadlines) = parts();
        deadlines.set_stalled(Some(clock.tick()));
        deadlines.congested_since = Some(clock.tick());
        let limits = Limits::default().idle_timeout(Some(Duration::MAX));
        assert_eq!(
            earliest(&deadlines.active(&limits, &clock, Owes::Nothing, false), clock.tick()),
            None
        );
    }

    #[test]
    fn activity_is_put_down_in_turns_that_know_the_time() {
        let (mut clock, mut deadlines) = parts();
        let start = deadlines.last_activity;
        clock.begin_turn();
        deadlines.note_activity(&clock);
        assert_eq!(deadlines.last_activity, start);
        let before = clock.tick();
        clock.end_turn(clock.now() + seconds(1));
        deadlines.note_activity(&clock);
        deadlines.set_stalled(Some(before));
        deadlines.correct(&clock);
        let end = clock.corrected(before);
        assert_ne!(end, before);
        assert_eq!((deadlines.last_activity, deadlines.stalled_since), (end, Some(end)));
    }
}

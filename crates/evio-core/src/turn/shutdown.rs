//! How far a loop is on its way to its end.

use std::io;
use std::time::{Duration, Instant};

use evio_sys::net::Stream;
use evio_sys::{Interest, Poller};
use slab::Slab;

use crate::api::message::ShutdownMode;
use crate::turn::budget;
use crate::types::conn_id::ConnKey;
use crate::types::event_target::EventTarget;

/// 100 years: "never", without overflowing `Instant`.
const NEVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// The time to close one connection with a full send buffer; 5,000 of them took half a second. A
/// shutdown begins to cut off that much earlier, within a tenth of its time, to be over in time.
const CUT_OFF_TIME: Duration = Duration::from_micros(100);

/// Turns in which a graceful shutdown reads what peers have sent, at the most, and one more for
/// each [`BACKLOG`](budget::BACKLOG) of them: those that go on sending do not hold it up for ever.
/// That many read 8 MiB of one connection, more than Linux lets wait in a socket by default.
const LAST_READS: usize = 128;

/// How far the loop is on its way to its end, and what ends it.
#[derive(Debug)]
pub(super) struct Shutdown {
    /// Once it has begun: when the connections that are left are cut off, and the mode.
    begun: Option<(Instant, ShutdownMode)>,
    /// While a graceful one reads what peers have sent before it.
    reading: Option<LastReads>,
    /// Once the connections were told: those that have come since and were not.
    late: Option<Vec<ConnKey>>,
    /// From which index on there may be connections that have come in. The ones before it have come
    /// to their end.
    clients_from: u32,
    /// The timeout of an immediate shutdown.
    timeout: Duration,
    /// Sockets that end the server when they have something to read.
    stops: Slab<(Stream, ShutdownMode)>,
}

#[derive(Debug)]
struct LastReads {
    since: Instant,
    /// Half of the time that was left: the connections need some for what they do when told.
    until: Instant,
    /// The poller was asked since the shutdown began.
    has_polled: bool,
    turns_left: usize,
}

impl LastReads {
    fn new(now: Instant, deadline: Instant, connections: usize) -> Self {
        Self {
            since: now,
            until: now + deadline.saturating_duration_since(now) / 2,
            has_polled: false,
            turns_left: LAST_READS.saturating_add(connections / budget::BACKLOG),
        }
    }
}

impl Shutdown {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            begun: None,
            reading: None,
            late: None,
            clients_from: 0,
            timeout,
            stops: Slab::new(),
        }
    }

    /// Adds a socket that ends the server when it has something to read.
    pub(super) fn add_stop(
        &mut self,
        stop: Stream,
        mode: ShutdownMode,
        poller: &Poller,
    ) -> io::Result<()> {
        let place = self.stops.vacant_entry();
        let token = EventTarget::Stop(place.key() as u32).token();
        poller.register(&stop, token, Interest::READABLE)?;
        place.insert((stop, mode));
        Ok(())
    }

    /// Takes the socket that has something to read, and how it ends the server. It is not listened
    /// to again: it would go on asking.
    pub(super) fn take_stop(&mut self, slot: u32) -> Option<(Stream, ShutdownMode)> {
        self.stops.try_remove(slot as usize)
    }

    #[inline]
    pub(super) fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// Returns whether one has begun that nothing overtakes.
    pub(super) fn is_immediate(&self) -> bool {
        matches!(self.begun, Some((_, ShutdownMode::Immediate)))
    }

    /// Returns whether a graceful shutdown has begun whose time is not up.
    pub(super) fn is_graceful_at(&self, now: Instant) -> bool {
        matches!(self.begun, Some((deadline, ShutdownMode::Graceful(_))) if now < deadline)
    }

    /// Returns how long connections may go on after a shutdown was asked for.
    pub(super) fn timeout_of(&self, mode: ShutdownMode) -> Duration {
        match mode {
            ShutdownMode::Graceful(timeout) => timeout,
            ShutdownMode::Immediate => self.timeout,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.begun.map(|(deadline, _)| deadline)
    }

    /// Returns when there is something to do, whatever happens: at once while it reads.
    pub(super) fn next_step(&self) -> Option<Instant> {
        let deadline = self.deadline()?;
        Some(self.reading.as_ref().map_or(deadline, |reads| reads.since))
    }

    /// Returns whether what peers have sent is still read, and their connections are to be told.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// Makes the loop poll once more before the reading ends, since a connection has come behind
    /// the last poll. If it has ended, it begins again for that one.
    pub(super) fn read_late(&mut self, key: ConnKey, now: Instant) {
        if let Some(late) = &mut self.late {
            late.push(key);
        }
        self.clients_from = 0;
        match (&mut self.reading, self.begun) {
            (Some(reads), _) => reads.has_polled = false,
            (None, Some((deadline, _))) if now < deadline => {
                self.reading = Some(LastReads::new(now, deadline, 0));
            }
            // It is about to be cut off.
            (None, _) => {}
        }
    }

    /// Counts a turn that reads. Returns whether it was the last one: `all` that had come by its
    /// poll is read, and the shutdown had begun before that, or it has taken too long.
    pub(super) fn has_read(&mut self, all: bool, now: Instant) -> bool {
        let Some(reads) = &mut self.reading else { return false };
        let is_last = (all && reads.has_polled) || reads.turns_left == 0 || now >= reads.until;
        reads.has_polled = true;
        reads.turns_left = reads.turns_left.saturating_sub(1);
        is_last
    }

    /// Ends the reading. Returns the connections that are to be told, if it is not all of them.
    pub(super) fn stop_reading(&mut self) -> Option<Vec<ConnKey>> {
        self.reading = None;
        self.late.replace(Vec::new())
    }

    /// Returns where to look for connections that have come in.
    pub(super) fn clients_from(&self) -> u32 {
        self.clients_from
    }

    /// Notes the first of them: those before it are not looked at again in each turn.
    pub(super) fn skip_to(&mut self, first: u32) {
        self.clients_from = first;
    }

    /// Begins `now` in a mode, as was asked for at `asked_at`, and returns whether that is
    /// something new: an immediate shutdown overtakes a graceful one; other than that the first one
    /// stays.
    pub(super) fn begin(
        &mut self,
        mode: ShutdownMode,
        asked_at: Instant,
        now: Instant,
        connections: usize,
    ) -> bool {
        let is_graceful = matches!(mode, ShutdownMode::Graceful(_));
        if self.is_immediate() || is_graceful && self.has_begun() {
            return false;
        }
        let timeout = self.timeout_of(mode);
        let cut_off = u32::try_from(connections).unwrap_or(u32::MAX);
        let cut_off_time = CUT_OFF_TIME.saturating_mul(cut_off).min(timeout / 10);
        // A timeout that is too long to express is no timeout.
        let deadline = asked_at.checked_add(timeout - cut_off_time).unwrap_or(asked_at + NEVER);
        // One that overtakes another waits no longer than that would have.
        let deadline = self.begun.map_or(deadline, |(before, _)| before.min(deadline));
        self.begun = Some((deadline, mode));
        self.reading = is_graceful.then(|| LastReads::new(now, deadline, connections));
        true
    }
}

#[cfg(test)]
mod tests {
    use evio_sys::clock;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_immediate_shutdown_overtakes_a_graceful_one_and_waits_no_longer() {
        let now = clock::now();
        let mut shutdown = Shutdown::new(2 * MINUTE);
        assert!(!shutdown.has_begun());
        assert!(shutdown.begin(ShutdownMode::Graceful(MINUTE), now, now, 0));
        let graceful = shutdown.deadline();
        assert!(!shutdown.begin(ShutdownMode::Graceful(Duration::ZERO), now, now, 0));
        assert!(shutdown.begin(ShutdownMode::Immediate, now, now, 0));
        assert_eq!(shutdown.deadline(), graceful);
        assert!(!shutdown.begin(ShutdownMode::Immediate, now, now, 0));
        assert!(!shutdown.begin(ShutdownMode::Graceful(MINUTE), now, now, 0));
    }

    #[test]
    fn connections_before_the_first_client_are_looked_at_again_when_one_has_come() {
        let now = clock::now();
        let mut shutdown = Shutdown::new(MINUTE);
        assert!(shutdown.begin(ShutdownMode::Graceful(MINUTE), now, now, 0));
        shutdown.skip_to(5);
        assert_eq!(shutdown.clients_from(), 5);
        shutdown.read_late(ConnKey { index: 3, generation: 1 }, now);
        assert_eq!(shutdown.clients_from(), 0);
    }

    #[test]
    fn a_connection_that_comes_when_the_time_is_up_does_not_put_off_the_end() {
        let start = clock::now();
        let key = ConnKey { index: 0, generation: 1 };
        let mut shutdown = Shutdown::new(MINUTE);
        assert!(shutdown.begin(ShutdownMode::Graceful(MINUTE), start, start, 0));
        shutdown.stop_reading();
        for (time, reads) in [(MINUTE / 2, true), (MINUTE, false), (2 * MINUTE, false)] {
            shutdown.read_late(key, start + time);
            assert_eq!(shutdown.is_reading(), reads, "{time:?}");
            shutdown.stop_reading();
        }
    }

    #[test]
    fn many_connections_are_cut_off_in_time_and_an_endless_timeout_can_be_computed_with() {
        let now = clock::now();
        let mut shutdown = Shutdown::new(MINUTE);
        shutdown.begin(ShutdownMode::Immediate, now, now, 1_000_000);
        let left = shutdown.deadline().unwrap() - now;
        assert!(left >= MINUTE * 9 / 10 && left < MINUTE, "{left:?}");
        let mut shutdown = Shutdown::new(Duration::MAX);
        shutdown.begin(ShutdownMode::Immediate, now, now, 1);
        assert!(shutdown.deadline().unwrap() > now + NEVER / 2);
    }
}

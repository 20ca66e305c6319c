//! When the upstreams are checked, and what becomes of it.
//!
//! An upstream that is up is connected to once in an interval. One that has gone down, by its
//! checks or by the connections of clients, is looked at soon and then less and less often: most
//! are back in a moment, and until then their clients burden the others.

use std::fmt::Display;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evio::{Action, Conn, ConnId, Loop};

use super::header;
use super::kernel::is_shortage;
use super::pair::Purpose;
use super::shared::Shared;

/// How soon an upstream that has gone down is looked at: about as long as a restart takes. Each
/// check that fails doubles it, up to the interval.
const FIRST_LOOK: Duration = Duration::from_millis(100);

/// The checks of all upstreams: loop 0 makes them.
#[derive(Debug)]
pub struct Checks {
    shared: Arc<Shared>,
    interval: Duration,
    schedules: Vec<Schedule>,
    /// A connection for its timer, which a loop that has found an upstream down wakes.
    clock: Option<ConnId>,
    /// The other end of that connection, which nothing is written to.
    clock_end: Option<UnixStream>,
}

impl Checks {
    /// Makes them, unless the command line turns them off.
    #[must_use]
    pub fn new(shared: &Arc<Shared>) -> Option<Self> {
        let interval = shared.options.check_interval.0?;
        let shared = Arc::clone(shared);
        Some(Self { shared, interval, schedules: Vec::new(), clock: None, clock_end: None })
    }

    /// Begins to check.
    ///
    /// # Errors
    ///
    /// Fails when the process is out of descriptors.
    pub fn begin(&mut self, event_loop: &mut Loop<'_>) -> io::Result<()> {
        let (clock, end) = UnixStream::pair()?;
        self.clock = Some(event_loop.adopt(clock, Purpose::Checks.tag())?);
        self.clock_end = Some(end);
        Ok(())
    }

    /// Has the clock woken from now on when an upstream goes down.
    pub fn opened(&mut self, clock: &mut Conn<'_>) {
        self.shared.wake_when_down(clock.handle());
        self.look(clock);
    }

    /// Checks the upstreams whose time has come, if there is one to be chosen.
    pub fn look(&mut self, clock: &mut Conn<'_>) {
        let (shared, now) = (Arc::clone(&self.shared), clock.now());
        self.schedules.resize_with(shared.upstreams.all().count(), || Schedule::new(now));
        let has_choice = self.has_choice();
        for (index, upstream) in shared.upstreams.all().filter(|(_, one)| one.is_listed()) {
            // An upstream that was added meanwhile is for the next time.
            let Some(schedule) = self.schedules.get_mut(usize::from(index)) else { continue };
            schedule.notice(now, upstream.health().is_up(), self.interval);
            if !has_choice || !schedule.begin(now) {
                continue;
            }
            let address = upstream.address();
            if let Err(error) = clock.event_loop().connect(address, Purpose::Check(index).tag()) {
                // A want of descriptors here says nothing about the upstream.
                if !is_shortage(&error) {
                    shared.failed(index, &error);
                }
                schedule.end(now, false, upstream.health().is_up(), self.interval);
            }
        }
        self.set_timer(clock);
    }

    /// Takes note that an upstream was reached.
    pub fn succeeded(&mut self, conn: &mut Conn<'_>, index: u16) -> Action {
        self.shared.succeeded(index);
        if let Some(version) = self.shared.options.send_proxy {
            let mut header = Vec::new();
            header::write_local(version, &mut header);
            conn.write_owned(header);
        }
        self.ended(conn, index, true);
        Action::Close
    }

    /// Takes note that an upstream was not reached.
    pub fn failed(&mut self, conn: &mut Conn<'_>, index: u16, reason: &dyn Display) {
        self.shared.failed(index, reason);
        self.ended(conn, index, false);
    }

    fn ended(&mut self, conn: &mut Conn<'_>, index: u16, success: bool) {
        let is_up = self.shared.upstreams.get(index).health().is_up();
        self.schedules[usize::from(index)].end(conn.now(), success, is_up, self.interval);
        if let Some(mut clock) = self.clock.and_then(|clock| conn.sibling(clock)) {
            self.set_timer(&mut clock);
        }
    }

    fn set_timer(&self, clock: &mut Conn<'_>) {
        let wait = self.wait(clock.now());
        clock.set_timer(Some(wait));
    }

    /// Tells whether there are several upstreams: to check a single one would change nothing.
    fn has_choice(&self) -> bool {
        let mut listed = self.shared.upstreams.all().filter(|(_, upstream)| upstream.is_listed());
        listed.nth(1).is_some()
    }

    /// Returns how long it is to the next check, or until there may be another upstream.
    fn wait(&self, now: Instant) -> Duration {
        if !self.has_choice() {
            return self.interval;
        }
        let listed = self.shared.upstreams.all().filter(|(_, upstream)| upstream.is_listed());
        let due = listed.filter_map(|(index, _)| self.schedules.get(usize::from(index))?.due);
        let wait = due.min().map(|due| due.saturating_duration_since(now));
        wait.unwrap_or(self.interval).min(self.interval)
    }
}

/// When one upstream is checked.
#[derive(Clone, Copy, Debug)]
struct Schedule {
    /// When the next check begins; none while one is under way.
    due: Option<Instant>,
    /// While the upstream is down: how long after the last check that is.
    backoff: Option<Duration>,
}

impl Schedule {
    fn new(now: Instant) -> Self {
        Self { due: Some(now), backoff: None }
    }

    /// Sees to it that an upstream that is down is looked at soon.
    fn notice(&mut self, now: Instant, is_up: bool, interval: Duration) {
        if is_up {
            self.backoff = None;
        } else if self.backoff.is_none() {
            let backoff = FIRST_LOOK.min(interval);
            self.backoff = Some(backoff);
            self.due = self.due.map(|due| due.min(now + backoff));
        }
    }

    /// Begins a check if its time has come.
    fn begin(&mut self, now: Instant) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }

    /// Sets the time of the next check; `is_up` is what this one has led to.
    fn end(&mut self, now: Instant, success: bool, is_up: bool, interval: Duration) {
        self.backoff = match self.backoff {
            _ if is_up => None,
            Some(backoff) if !success => Some(backoff.saturating_mul(2).min(interval)),
            _ => Some(FIRST_LOOK.min(interval)),
        };
        self.due = now.checked_add(self.backoff.unwrap_or(interval));
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use clap::Parser;

    use super::*;
    use crate::proxy::options::Options;
    use crate::proxy::upstreams::{Balance, Upstreams};

    const SECOND: Duration = Duration::from_secs(1);

    /// Returns how long after one check, with this outcome, the next one begins.
    fn wait(schedule: &mut Schedule, success: bool, is_up: bool) -> Duration {
        let now = schedule.due.unwrap();
        assert!(!schedule.begin(now - Duration::from_millis(1)));
        assert!(schedule.begin(now) && !schedule.begin(now));
        schedule.end(now, success, is_up, SECOND);
        schedule.due.unwrap() - now
    }

    /// Checks of so many upstreams, all of which are due.
    fn all_due(count: u16, now: Instant) -> Checks {
        let words = ["tcp-proxy", "--upstream", "127.0.0.1:1", "--check-interval", "1s"];
        let upstreams = Arc::new(Upstreams::new(Balance::RoundRobin, 1));
        for port in 1..=count {
            let address = SocketAddr::from(([127, 0, 0, 1], port)).into();
            assert_eq!(upstreams.set(&format!("u{port}"), &[address]), 0);
        }
        let shared = Arc::new(Shared::new(Options::parse_from(words), upstreams, 1));
        let mut checks = Checks::new(&shared).unwrap();
        checks.schedules.resize_with(count.into(), || Schedule::new(now));
        checks
    }

    /// It is never checked, so it is due for ever.
    #[test]
    fn a_single_upstream_keeps_nobody_awake() {
        let now = Instant::now();
        assert_eq!(all_due(2, now).wait(now), Duration::ZERO);
        assert_eq!(all_due(1, now).wait(now), SECOND);
    }

    #[test]
    fn an_upstream_that_is_down_is_looked_at_less_and_less_often() {
        let mut schedule = Schedule::new(Instant::now());
        assert_eq!([true, false].map(|success| wait(&mut schedule, success, true)), [SECOND; 2]);
        let waits = [(); 6].map(|()| wait(&mut schedule, false, false).as_millis());
        assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
        // It answers, and is up when it has done so once more.
        assert_eq!(wait(&mut schedule, true, false), FIRST_LOOK);
        assert_eq!(wait(&mut schedule, false, false), 2 * FIRST_LOOK);
        assert_eq!(wait(&mut schedule, true, true), SECOND);
        assert_eq!(wait(&mut schedule, false, false), FIRST_LOOK);
    }

    #[test]
    fn an_upstream_that_clients_found_down_is_looked_at_soon() {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert_eq!(wait(&mut schedule, true, true), SECOND);
        for _ in 0..2 {
            schedule.notice(now, false, SECOND);
            assert_eq!(schedule.due, Some(now + FIRST_LOOK));
        }
        // Not sooner than a check that is under way.
        let mut checked = Schedule::new(now);
        assert!(checked.begin(now));
        checked.notice(now, false, SECOND);
        assert_eq!(checked.due, None);
        // Nor less often than the interval says.
        schedule.notice(now, true, SECOND);
        schedule.notice(now, false, FIRST_LOOK / 2);
        assert_eq!(schedule.due, Some(now + FIRST_LOOK / 2));
    }
}

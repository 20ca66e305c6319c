//! Limits that a connection is given while timeouts of others are under way.

mod util;

use std::cell::Cell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::time::Duration;

use evio::{Action, CloseReason, Conn, Limits, Timeout};
use evio_sim::{Net, Result, Simulation, for_each_seed};

use util::{ADDRESS, LATE, On, Probe, Shared, cut_nothing, draw_time, server};

const SEEDS: u64 = 200;

/// How long sends and receives may be put off by chance, and a graceful end takes.
const CHANCE: Duration = Duration::from_millis(100);

/// How long the network takes for what the buffers take, and the loop to look at the progress.
const PROGRESS: Duration = Duration::from_secs(10);

/// More than the buffers of both ends take.
const MUCH: usize = 1 << 20;

/// When the limits are changed.
const CHANGED: Duration = Duration::from_secs(15);

/// A kind of timeout, and what it takes to run into it.
#[derive(Clone, Copy)]
struct Case {
    timeout: Timeout,
    limits: fn(Option<Duration>) -> Limits,
    /// How much output the connection gets. Its peer reads none of it.
    len: usize,
    slack: Duration,
}

/// What a simulation has drawn, and what has happened in it.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    before: Option<Duration>,
    due: Duration,
    opened: Duration,
    changed: Duration,
    has_ended: bool,
}

impl Times {
    /// Draws a timeout that does not pass before the change, or none, and the one after it.
    fn draw(sim: &Simulation) -> Self {
        let has_before = sim.kernel().random_below(3) > 0;
        let before = has_before.then(|| 2 * CHANGED + draw_time(sim));
        Self { before, due: draw_time(sim), ..Self::default() }
    }

    /// Checks that a connection has ended when the new timeout was due: it counts from when it
    /// would have begun, or from the change if there was none before.
    fn check_end(&self, case: &Case, now: Duration, is_by_kernel: bool) {
        let &Self { before, due, opened, changed, .. } = self;
        // The kernel counts from the last progress, whatever was set then.
        let has_begun = is_by_kernel || before.is_some();
        let passes = if has_begun { opened } else { changed } + due;
        assert!(now >= passes, "{now:?} is early: {self:?}");
        let mut latest = passes.max(changed) + LATE + case.slack;
        if case.timeout == Timeout::Write && passes < changed {
            // As if the loop were late, it tries to send once, and what the socket takes counts as
            // progress.
            latest += due;
        }
        assert!(now <= latest, "{now:?} is late: {self:?}");
    }
}

/// Runs simulations of one connection that gets another timeout from the callback of another one,
/// and ends by it.
fn ends_by_new_limits(case: Case) {
    for_each_seed(SEEDS, |sim| {
        cut_nothing(sim);
        let drawn = Times::draw(sim);
        let times: Shared<Times> = Rc::new(Cell::new(drawn));
        let (kernel, noted, mut first) = (sim.kernel().clone(), Rc::clone(&times), None);
        let act = move |conn: &mut Conn<'_>, callback: On<'_>| match (callback, first) {
            (On::Opened, None) => {
                first = Some(conn.id());
                noted.set(Times { opened: kernel.now(), ..noted.get() });
                conn.write(&vec![1; case.len]);
                Action::None
            }
            (On::Data(_), Some(first)) => {
                noted.set(Times { changed: kernel.now(), ..noted.get() });
                let mut first = conn.sibling(first).expect("its time is not up yet");
                first.set_limits((case.limits)(Some(drawn.due)));
                Action::Close
            }
            _ => Action::None,
        };
        let (kernel, noted) = (sim.kernel().clone(), Rc::clone(&times));
        let end = move |_: &mut Conn<'_>, reason: CloseReason| {
            // The write timeout is also the socket's `TCP_USER_TIMEOUT`: either may come first.
            let is_by_kernel = case.timeout == Timeout::Write && has_timed_out(&reason);
            if is_by_kernel || matches!(reason, CloseReason::Timeout(of) if of == case.timeout) {
                noted.get().check_end(&case, kernel.now(), is_by_kernel);
                noted.set(Times { has_ended: true, ..noted.get() });
            } else {
                assert!(matches!(reason, CloseReason::Closed), "{reason:?}");
            }
        };
        sim.serve(server((case.limits)(drawn.before))?, Probe::new(act, end))?;
        sim.client(move |net| async move {
            net.sleep(Duration::from_millis(50)).await;
            let mut conn = net.connect(ADDRESS).await?;
            if case.len == 0 {
                // Otherwise the end would wait for this side's.
                conn.read_to_end().await?;
                drop(conn);
                net.sleep(CHANCE).await;
            } else {
                net.sleep(CHANGED + 2 * (drawn.due + case.slack)).await;
            }
            assert!(times.get().has_ended, "it has not ended: {:?}", times.get());
            Ok(())
        });
        sim.client(change_later);
        Ok(())
    });
}

fn has_timed_out(reason: &CloseReason) -> bool {
    matches!(reason, CloseReason::Error(error) if error.kind() == ErrorKind::TimedOut)
}

/// Asks the handler to change the limits of the other connection.
async fn change_later(net: Rc<Net>) -> Result {
    net.sleep(CHANGED).await;
    let mut conn = net.connect(ADDRESS).await?;
    conn.write_all(b"change").await?;
    conn.shutdown_write()?;
    conn.read_to_end().await?;
    Ok(())
}

#[test]
fn a_new_idle_timeout_holds_at_once() {
    let limits = |timeout| Limits::default().idle_timeout(timeout);
    ends_by_new_limits(Case { timeout: Timeout::Idle, limits, len: 0, slack: CHANCE });
}

#[test]
fn a_new_write_timeout_holds_at_once() {
    let limits = |timeout| Limits::default().write_timeout(timeout);
    ends_by_new_limits(Case { timeout: Timeout::Write, limits, len: MUCH, slack: PROGRESS });
}

#[test]
fn a_new_congestion_timeout_holds_at_once() {
    let limits = |timeout| Limits::default().congestion_timeout(timeout);
    ends_by_new_limits(Case { timeout: Timeout::Congestion, limits, len: MUCH, slack: CHANCE });
}

//! A loop that comes late to the deadlines of its connections.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use evio::Loop;

use super::{DEADLINE, Driver, Reports, after_turns, reports};

/// Turns in which a loop that was late has looked at all connections of a test.
const TURNS: usize = 64;

/// In which deadlines are counted.
const STEP: Duration = Duration::from_millis(16);

/// Makes the loop do something in a turn that begins at `time` or later.
fn later(
    event_loop: &mut Loop<'_>,
    time: Instant,
    act: impl FnOnce(&mut Loop<'_>) + Send + 'static,
) {
    after_turns(event_loop, 1, move |event_loop| match Instant::now() < time {
        true => later(event_loop, time, act),
        false => act(event_loop),
    });
}

/// A loop that is held up.
pub(crate) struct Late {
    entered: Reports<()>,
    leave: Sender<()>,
    over: Reports<()>,
}

impl Late {
    /// Makes the loop `prepare`, and holds it up a little later: until the test lets it go, then,
    /// when `arm` has begun a timeout, for twice as long as that. Some turns later `disarm` takes
    /// the timeout back, so that nobody is cut off for what happens then.
    ///
    /// What `prepare` begins counts from before the turn that takes long, and what `arm` does from
    /// its middle, unless it is something that a slow callback puts off.
    pub(crate) fn hold_up(
        driver: &Driver,
        timeout: Duration,
        prepare: impl FnOnce(&mut Loop<'_>) + Send + 'static,
        arm: impl FnOnce(&mut Loop<'_>) + Send + 'static,
        disarm: impl FnOnce(&mut Loop<'_>) + Send + 'static,
    ) -> Self {
        let (enters, entered) = reports();
        let (leave, may_leave) = mpsc::channel();
        let (ends, over) = reports();
        let hold = move |event_loop: &mut Loop<'_>| {
            // A test that has failed is gone, and must not take the loop with it.
            let _ = enters.send(());
            let _ = may_leave.recv_timeout(DEADLINE);
            arm(event_loop);
            // A callback that takes long.
            thread::sleep(2 * timeout);
            after_turns(event_loop, TURNS, move |event_loop| {
                disarm(event_loop);
                let _ = ends.send(());
            });
        };
        let task = move |event_loop: &mut Loop<'_>| {
            prepare(event_loop);
            later(event_loop, Instant::now() + 3 * STEP, hold);
        };
        driver.handle().post(task).expect("the loop takes the task");
        Self { entered, leave, over }
    }

    /// Does `act` while the loop is held up, and waits until that is over.
    #[track_caller]
    pub(crate) fn meanwhile<T>(self, act: impl FnOnce() -> T) -> T {
        self.entered.next();
        let done = act();
        self.leave.send(()).expect("the loop is held up");
        self.over.next();
        done
    }
}

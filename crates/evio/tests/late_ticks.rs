//! A loop that was held up makes up for sixteen ticks, and drops the rest.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, Events};

use util::{TCP, bind, reports, start};

const DELAY: Duration = Duration::from_millis(40);

/// More ticks than are made up for.
const MISSED: u32 = 21;

/// What holds up the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Tick,
    Data,
}

/// Holds up a loop, and returns when each of the ticks came that followed, from the end of that.
fn ticks_after_a_hold(by: By) -> Vec<Duration> {
    let (ticks, tick) = reports();
    let (ends, end) = reports();
    let hold = move || {
        // A callback that takes long.
        thread::sleep(MISSED * DELAY);
        ends.send(Instant::now()).unwrap();
    };
    let in_data = hold.clone();
    let server = start(bind(TCP), move || {
        let mut number = 0;
        Events::new()
            .tick(move |_| {
                let _ = ticks.send(Instant::now());
                number += 1;
                if by == By::Tick && number == 3 {
                    hold();
                }
                ControlFlow::Continue(DELAY)
            })
            .data(move |_, (), _| {
                in_data();
                Action::None
            })
    });
    let client = server.connect();
    if by == By::Data {
        tick.next();
        client.send(b"?");
    }
    let end = end.next();
    let mut after = Vec::new();
    while after.len() < MISSED as usize {
        after.extend(tick.next().checked_duration_since(end));
    }
    drop(client);
    server.stop();
    after
}

/// None comes before its time, so those that are not made up for take as long as they ever do.
#[test]
fn sixteen_ticks_are_made_up_for() {
    let check = |by| {
        let after = ticks_after_a_hold(by);
        let sixteenth = after[15];
        assert!(sixteenth < 10 * DELAY, "{by:?}: the 16th came after {sixteenth:?}");
        let nineteenth = after[18];
        assert!(nineteenth >= DELAY, "{by:?}: the 19th came after {nineteenth:?}");
    };
    thread::scope(|scope| {
        scope.spawn(|| check(By::Tick));
        scope.spawn(|| check(By::Data));
    });
}

//! The time of the turn: one for all its callbacks, and never ahead of the clock.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::time::Instant;

use evio::{Action, Events};

use util::{bind, hold, reports, start, unix_address};

#[test]
fn callbacks_of_a_turn_have_the_same_time_and_those_of_the_next_a_later_one() {
    let (hold, held) = hold();
    let (tells, told) = reports();
    let server = start(bind(&unix_address()), move || {
        Events::new().data(move |conn, _, input| {
            let now = conn.now();
            assert!(now <= Instant::now());
            if input == b"h" {
                hold.wait();
            }
            assert_eq!([conn.now(), conn.event_loop().now()], [now, now]);
            tells.send(now).unwrap();
            conn.write(input);
            Action::None
        })
    });
    let [control, left, right] = [0; 3].map(|_| {
        let client = server.connect();
        client.echo(b"opened");
        client
    });
    let opened = [0; 3].map(|_| told.next());
    control.send(b"h");
    held.wait();
    let in_between = Instant::now();
    left.send(b"x");
    right.send(b"y");
    held.release();
    // As of when the turn first asked, however long that took.
    let held_up = told.next();
    assert!(opened.iter().all(|&before| before < held_up) && held_up < in_between);
    let next = told.next();
    assert!(in_between < next);
    assert_eq!(told.next(), next);
    server.stop();
}

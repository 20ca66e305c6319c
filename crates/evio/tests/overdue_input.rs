//! Input that was there when the read timeout passed, and that nobody reads for a while: it puts
//! off that timeout and no other, and the loop sleeps.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::time::Duration;

use evio::{Action, Conn, Events, Limits, Loop, Stream, Timeout};

use util::{
    Call, Client, Driven, Late, Reason, TCP, ThreadClock, ThreadWakes, Transport, after_turns,
    bind, limits, pair, start_driven,
};

const TIMEOUT: Duration = Duration::from_millis(100);

/// For how long the loop is watched, and how often it may wake up meanwhile: once for the question,
/// and a few times for what the machine does.
const MOST_WAKES: u64 = 5;
const WATCHED: Duration = Duration::from_millis(400);

/// More than a loop takes events of in a turn.
const MANY: usize = 200;

/// More than a Unix socket takes at once.
static OUTPUT: [u8; 300_000] = [7; 300_000];

type Act = fn(&mut Conn<'_>);

fn stall(conn: &mut Conn<'_>, set: impl FnOnce(&mut Limits)) {
    conn.set_limits(limits(set));
    conn.write_static(&OUTPUT);
}

fn set_congestion_timeout(limits: &mut Limits) {
    (limits.high_watermark, limits.low_watermark) = (1_000, 0);
    limits.congestion_timeout = Some(TIMEOUT);
}

/// What begins a deadline, and the call that it ends in.
const DEADLINES: [(Act, Call); 3] = [
    (|conn| conn.set_timer(Some(TIMEOUT)), Call::Timer),
    (
        |conn| stall(conn, |limits| limits.write_timeout = Some(TIMEOUT)),
        Call::Closed(Reason::Timeout(Timeout::Write)),
    ),
    (
        |conn| stall(conn, set_congestion_timeout),
        Call::Closed(Reason::Timeout(Timeout::Congestion)),
    ),
];

/// Connections whose read timeouts pass while the loop is held up and a byte comes.
struct Overdue {
    driven: Driven,
    clients: Vec<Client>,
}

/// Between the turn that finds the input and the one that would read it, all connections are
/// paused, and `act` begins something else.
fn overdue(transport: Transport, act: Act) -> Overdue {
    let driven = start_driven(bind(TCP), || {
        Events::new().data(|conn, (), _| {
            conn.set_read_timeout(None);
            Action::None
        })
    });
    let (streams, clients): (Vec<Stream>, Vec<Client>) = (0..MANY).map(|_| pair(transport)).unzip();
    driven.driver.adopt_all(streams);
    driven.calls.rest();
    let arm = move |event_loop: &mut Loop<'_>| {
        event_loop.for_each_conn(|mut conn| conn.set_read_timeout(Some(TIMEOUT)));
        after_turns(event_loop, 2, move |event_loop| {
            event_loop.for_each_conn(|mut conn| {
                conn.pause_reading();
                act(&mut conn);
            });
        });
    };
    let late = Late::hold_up(&driven.driver, TIMEOUT, |_| (), arm, |_| ());
    late.meanwhile(|| clients.iter().for_each(|client| client.send(b"?")));
    Overdue { driven, clients }
}

impl Overdue {
    /// Returns the calls that were made, but for the `data` of connections that were read from.
    #[track_caller]
    fn calls(&self) -> Vec<Call> {
        let calls = self.driven.calls.rest();
        let (read, others): (Vec<_>, Vec<_>) =
            calls.into_iter().map(|(_, call)| call).partition(|&call| call == Call::Data);
        assert!(read.len() < MANY, "all of them were read from in one turn");
        others
    }
}

#[test]
fn input_that_is_overdue_puts_off_no_other_deadline() {
    for (act, expected) in DEADLINES {
        let overdue = overdue(Transport::Unix, act);
        overdue.driven.driver.pass(4 * TIMEOUT);
        let calls = overdue.calls();
        let count = calls.iter().filter(|&&call| call == expected).count();
        assert_eq!([count, calls.len()], [MANY; 2], "{expected:?}, and calls in all");
        drop(overdue.clients);
        overdue.driven.server.stop();
    }
}

#[test]
fn the_loop_sleeps_while_input_that_is_overdue_is_not_read() {
    for transport in [Transport::Unix, Transport::Tcp] {
        let overdue = overdue(transport, |_| ());
        let driver = &overdue.driven.driver;
        let busy = driver.ask(|_| ThreadClock::of_this_thread()).busy_during(WATCHED);
        let wakes = driver.ask(|_| ThreadWakes::of_this_thread()).during(WATCHED);
        assert!(busy < WATCHED / 4, "{transport:?}: the loop was busy for {busy:?}");
        assert!(wakes <= MOST_WAKES, "{transport:?}: the loop woke up {wakes} times");
        assert_eq!(overdue.calls(), [], "{transport:?}");
        drop(overdue.clients);
        overdue.driven.server.stop();
    }
}

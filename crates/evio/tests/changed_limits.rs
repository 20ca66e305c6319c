//! `Conn::set_limits`: from the same turn on, all is as if the limits had been so before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evio::{Action, ConnId, Events, Limits, Loop, Tag, Timeout};

use util::{
    Call, Client, Driven, Reason, TCP, ThreadWakes, Transport, after_turns, bind, limits, pair,
    reports, start_driven,
};

/// What waits to be sent, for the most part: more than a Unix socket takes.
static OUTPUT: [u8; 2 << 20] = [7; 2 << 20];

const MIB: usize = 1 << 20;

fn watermarks(low: usize, high: usize) -> Limits {
    limits(|limits| (limits.low_watermark, limits.high_watermark) = (low, high))
}

/// Where a callback is that changes the limits.
#[derive(Clone, Copy, Debug)]
enum Place {
    Task,
    Itself,
    Sibling,
}

const PLACES: [Place; 3] = [Place::Task, Place::Itself, Place::Sibling];

type Task = Box<dyn FnOnce(&mut Loop<'_>) + Send>;

/// A connection with output that waits, and another one.
struct Fixture {
    driven: Driven,
    id: ConnId,
    sibling: ConnId,
    client: Client,
    /// What the next `woken` does.
    task: Arc<Mutex<Option<Task>>>,
    drained: Arc<AtomicUsize>,
    /// Keeps the other one open.
    _other: Client,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let task = Arc::new(Mutex::new(None::<Task>));
        let drained = Arc::new(AtomicUsize::new(0));
        let (next, drains) = (Arc::clone(&task), Arc::clone(&drained));
        let driven = start_driven(bind(TCP).limits(limits), move || {
            Events::new()
                .woken(move |conn, ()| {
                    let task = next.lock().unwrap().take();
                    task.into_iter().for_each(|task| task(&mut conn.event_loop()));
                    Action::None
                })
                .drained(move |_, ()| {
                    drains.fetch_add(1, Ordering::SeqCst);
                    Action::None
                })
        });
        let [(stream, client), (other_stream, other)] = [(); 2].map(|()| pair(Transport::Unix));
        let id = driven.driver.adopt(stream);
        let sibling = driven.driver.adopt(other_stream);
        driven.driver.ask_of(id, |conn| conn.write_static(&OUTPUT));
        driven.driver.fence();
        driven.calls.rest();
        Self { driven, id, sibling, client, task, drained, _other: other }
    }

    /// Changes the limits, and returns what is to be seen in the next turn: whether the connection
    /// is congested if it is there, and how often it was drained.
    fn set(&self, place: Place, limits: Limits) -> (Option<bool>, usize) {
        let (looks, look) = reports();
        let (id, drained) = (self.id, Arc::clone(&self.drained));
        let task = move |event_loop: &mut Loop<'_>| {
            event_loop.conn(id).unwrap().set_limits(limits);
            after_turns(event_loop, 1, move |event_loop| {
                let congested = event_loop.conn(id).map(|conn| conn.is_congested());
                let _ = looks.send((congested, drained.load(Ordering::SeqCst)));
            });
        };
        let driver = &self.driven.driver;
        if matches!(place, Place::Task) {
            driver.ask(task);
        } else {
            *self.task.lock().unwrap() = Some(Box::new(task));
            let id = if matches!(place, Place::Itself) { self.id } else { self.sibling };
            driver.ask_of(id, |conn| conn.handle().wake().unwrap());
        }
        look.next()
    }

    /// Makes the loop look for input that the client sends, and returns whether it was read.
    fn reads_input(&self) -> bool {
        self.client.send(b"input");
        self.driven.driver.fence();
        self.driven.driver.fence();
        self.driven.calls.rest().contains(&(self.id, Call::Data))
    }

    fn stop(self) {
        drop(self.client);
        self.driven.server.stop();
    }
}

#[test]
fn output_that_is_more_than_a_new_limit_ends_the_connection() {
    let max_output = limits(|limits| limits.max_output = MIB);
    for place in PLACES {
        for half_closes in [false, true] {
            let fixture = Fixture::new(watermarks(4 * MIB, 8 * MIB));
            if half_closes {
                fixture.driven.driver.ask_of(fixture.id, |conn| conn.shutdown_write());
            }
            let (congested, _) = fixture.set(place, max_output);
            assert_eq!(congested, None, "{place:?}: the connection is still there");
            let ending = (fixture.id, Call::Closed(Reason::OutputLimit));
            assert_eq!(fixture.driven.calls.ending(), ending, "{place:?}");
            let received = fixture.client.receive_to_any_end();
            assert!(received.map_or(true, |len| len < OUTPUT.len()), "{place:?}");
            fixture.stop();
        }
    }
}

#[test]
fn output_that_is_more_than_a_new_limit_ends_a_connection_that_has_not_begun() {
    let driven = start_driven(bind(TCP), Events::<()>::new);
    let (stream, _client) = pair(Transport::Unix);
    driven.driver.ask(move |event_loop| {
        let id = event_loop.adopt(stream, Tag::default()).unwrap();
        let mut conn = event_loop.conn(id).unwrap();
        conn.write_static(&OUTPUT);
        conn.set_limits(limits(|limits| limits.max_output = MIB));
    });
    driven.driver.fence();
    let calls: Vec<Call> = driven.calls.rest().into_iter().map(|(_, call)| call).collect();
    assert_eq!(calls, [Call::ConnectFailed(Reason::OutputLimit)]);
    driven.server.stop();
}

/// Congested, and then below what has become the low watermark: that is told, and input goes on.
#[test]
fn raised_watermarks_end_a_congestion() {
    for place in PLACES {
        for (low, high) in [(8 * MIB, 16 * MIB), (4 * MIB, 4 * MIB)] {
            let fixture = Fixture::new(limits(|_| ()));
            assert!(!fixture.reads_input(), "it is congested");
            let seen = fixture.set(place, watermarks(low, high));
            assert_eq!(seen, (Some(false), 1), "{place:?}, {low} and {high}");
            assert!(fixture.reads_input());
            fixture.stop();
        }
    }
}

/// The time that a congestion may take is over then, too: there is nothing to wake the loop for.
#[test]
fn raised_watermarks_end_the_time_of_a_congestion() {
    const TIMEOUT: Duration = Duration::from_millis(100);
    let fixture = Fixture::new(limits(|_| ()));
    let mut raised = watermarks(8 * MIB, 16 * MIB);
    raised.congestion_timeout = Some(TIMEOUT);
    fixture.set(Place::Task, raised);
    let wakes = fixture.driven.driver.ask(|_| ThreadWakes::of_this_thread());
    fixture.driven.driver.pass(2 * TIMEOUT);
    let wakes = wakes.during(3 * TIMEOUT);
    assert!(wakes < 8, "the loop was woken {wakes} times");
    assert_eq!(fixture.driven.calls.rest(), [(fixture.id, Call::Drained)]);
    fixture.stop();
}

/// Not congested, and then above what has become the high watermark: from now on input waits until
/// the output is down to the low one, and the time for that runs.
#[test]
fn lowered_watermarks_begin_a_congestion() {
    for place in PLACES {
        let fixture = Fixture::new(watermarks(4 * MIB, 8 * MIB));
        assert!(fixture.reads_input(), "it is not congested");
        let (congested, _) = fixture.set(place, watermarks(MIB / 16, MIB / 4));
        assert_eq!(congested, Some(true), "{place:?}");
        assert!(!fixture.reads_input(), "{place:?}");
        fixture.client.receive(OUTPUT.len());
        for expected in [Call::Drained, Call::Data] {
            assert_eq!(fixture.driven.calls.next(), expected, "{place:?}");
        }
        fixture.stop();

        let fixture = Fixture::new(watermarks(4 * MIB, 8 * MIB));
        let mut lowered = watermarks(MIB / 16, MIB / 4);
        lowered.congestion_timeout = Some(Duration::from_millis(60));
        fixture.set(place, lowered);
        fixture.driven.driver.pass(Duration::from_millis(200));
        let ending = (fixture.id, Call::Closed(Reason::Timeout(Timeout::Congestion)));
        assert_eq!(fixture.driven.calls.rest().last(), Some(&ending), "{place:?}");
        fixture.stop();
    }
}

//! `tick`: right after the start, then when it asked to be called, and never early.

mod util;

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, Events};

use util::{Reason, TCP, bind, recorder, reports, start, start_each};

/// Delays are counted from deadline to deadline, so a tick may follow a late one in less than its
/// delay; but the sum of all delays has always passed.
#[test]
fn ticks_never_come_early() {
    const DELAYS: [Duration; 8] = [
        Duration::from_millis(1),
        Duration::from_micros(1_500),
        Duration::from_millis(20),
        Duration::from_nanos(2_999_999),
        Duration::from_millis(3),
        Duration::from_millis(40),
        Duration::from_millis(7),
        Duration::from_millis(2),
    ];
    let (times, seen) = reports();
    let begin = Instant::now();
    let server = start(bind(TCP), move || {
        let mut delays = DELAYS.into_iter();
        Events::new().tick(move |_| {
            times.send(Instant::now()).unwrap();
            delays.next().map_or(ControlFlow::Break(()), ControlFlow::Continue)
        })
    });
    server.wait();
    let times = seen.rest();
    assert_eq!(times.len(), DELAYS.len() + 1, "one tick at once and one after each delay");
    let mut due = Duration::ZERO;
    for (number, time) in times.iter().enumerate() {
        assert!(*time - begin >= due, "tick {number} came before {due:?}");
        due += DELAYS.get(number).copied().unwrap_or_default();
    }
}

/// A tick that takes longer than its delay must neither starve the connections nor pile up.
#[test]
fn a_late_tick_does_not_keep_the_loop_from_its_connections() {
    let server = start(bind(TCP), || {
        Events::new()
            .tick(|_| {
                // A slow callback.
                thread::sleep(Duration::from_millis(3));
                ControlFlow::Continue(Duration::from_millis(1))
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
    });
    let client = server.connect();
    for _ in 0..10 {
        client.echo(b"still there?");
    }
    drop(client);
    server.stop();
}

#[test]
fn break_from_tick_ends_the_server() {
    for ticks_before in [0, 1, 3] {
        let (recorder, calls) = recorder();
        let (ticks, ticked) = reports();
        let server = start(bind(TCP), move || {
            let mut left = ticks_before;
            recorder.wrap(Events::new().tick(move |_| {
                ticks.send(()).unwrap();
                if left == 0 {
                    return ControlFlow::Break(());
                }
                left -= 1;
                ControlFlow::Continue(Duration::from_millis(1))
            }))
        });
        server.wait();
        assert_eq!(ticked.rest().len(), ticks_before + 1, "no tick after the last one");
        assert!(calls.rest().is_empty());
    }
}

#[test]
fn break_from_a_later_tick_closes_the_connections() {
    let (recorder, calls) = recorder();
    let (end, ending) = std::sync::mpsc::channel::<()>();
    let server = start(bind(TCP), move || {
        recorder.wrap(
            Events::new()
                .opened(|conn, _| {
                    conn.write(b"hello");
                    Action::None
                })
                .tick(move |_| match ending.try_recv() {
                    Ok(()) => ControlFlow::Break(()),
                    Err(_) => ControlFlow::Continue(Duration::from_millis(1)),
                }),
        )
    });
    let client = server.connect();
    assert_eq!(client.receive(5), b"hello");
    end.send(()).unwrap();
    server.wait();
    assert_eq!(calls.reason(), Reason::Shutdown);
    assert!(client.receive_to_end().is_empty());
}

#[test]
fn a_zero_delay_leaves_time_for_everything_else() {
    let (ticks, ticked) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .tick(move |_| {
                ticks.send(()).unwrap();
                ControlFlow::Continue(Duration::ZERO)
            })
            .data(|conn, _, input| {
                conn.write(input);
                Action::None
            })
    });
    let client = server.connect();
    for _ in 0..20 {
        client.echo(b"round trip");
        ticked.next();
    }
    drop(client);
    server.stop();
}

#[test]
fn the_longest_delay_means_never_again() {
    for delay in [Duration::MAX, Duration::from_secs(u64::MAX / 2)] {
        let (ticks, ticked) = reports();
        let server = start(bind(TCP), move || {
            Events::new()
                .tick(move |_| {
                    ticks.send(()).unwrap();
                    ControlFlow::Continue(delay)
                })
                .data(|conn, _, input| {
                    conn.write(input);
                    Action::None
                })
        });
        let client = server.connect();
        for _ in 0..100 {
            client.echo(b"another turn");
        }
        drop(client);
        server.stop();
        assert_eq!(ticked.rest().len(), 1, "{delay:?}");
    }
}

#[test]
fn only_loop_0_ticks() {
    let (ticks, ticked) = reports();
    let server = start_each(bind(TCP), 3, move |loop_id| {
        let ticks = ticks.clone();
        Events::new().tick(move |_| {
            ticks.send((loop_id, thread::current().id())).unwrap();
            ControlFlow::Continue(Duration::from_millis(1))
        })
    });
    let first = ticked.next();
    for _ in 0..20 {
        assert_eq!(ticked.next(), first);
    }
    server.stop();
    assert_eq!(first.0, 0);
}

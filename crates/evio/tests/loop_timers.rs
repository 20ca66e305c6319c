//! Timers of a loop: from any callback and task, on every loop, until the end.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use evio::{Action, Events, Server, Tag, TooManyTimers};

use util::{TCP, bind, reports, start, start_each};

const DELAY: Duration = Duration::from_millis(5);

/// An interval that is set while another one goes on, and so on: each is late by a little, and none
/// is early.
#[test]
fn none_is_early() {
    let (times, time) = reports();
    let server = start(bind(TCP), move || {
        let times = times.clone();
        Events::new()
            .opened(|conn, ()| {
                conn.event_loop().set_timer(DELAY, 0).unwrap();
                conn.event_loop().set_interval(DELAY, 1).unwrap();
                Action::None
            })
            .loop_timer(move |event_loop, timer| {
                assert!(timer.due() <= event_loop.now());
                let _ = times.send((timer.tag(), timer.due(), Instant::now()));
                ControlFlow::Continue(())
            })
    });
    let before = Instant::now();
    let client = server.connect();
    let mut calls = Vec::new();
    while calls.len() < 5 {
        calls.push(time.next());
    }
    assert_eq!(calls[0].0, Tag::from(0));
    assert!(calls[1..].iter().all(|&(tag, ..)| tag == Tag::from(1)), "a timer is called once");
    for (number, (_, due, called)) in calls[1..].iter().enumerate() {
        assert!(called >= due && *due >= before + (number as u32 + 1) * DELAY, "{calls:?}");
    }
    drop(client);
    server.stop();
}

/// Each loop has its own, which tasks set as well as callbacks.
#[test]
fn every_loop_has_timers_and_a_task_sets_them() {
    let (calls, call) = reports();
    let server = start_each(bind(TCP), 2, move |loop_id| {
        let calls = calls.clone();
        Events::new()
            .serving(|event_loop, _| {
                for loop_id in 0..2 {
                    let handle = event_loop.handle().of_loop(loop_id).unwrap();
                    let set = move |event_loop: &mut evio::Loop<'_>| {
                        let cancelled = event_loop.set_timer(DELAY, 9).unwrap();
                        event_loop.set_timer(2 * DELAY, loop_id as u64).unwrap();
                        assert!(event_loop.cancel_timer(cancelled));
                        assert!(!event_loop.cancel_timer(cancelled));
                    };
                    handle.post(set).unwrap();
                }
                ControlFlow::Continue(())
            })
            .loop_timer(move |event_loop, timer| {
                let _ = calls.send((loop_id, event_loop.loop_id(), timer.tag()));
                ControlFlow::Continue(())
            })
    });
    let mut calls = [call.next(), call.next()];
    calls.sort_by_key(|call| call.0);
    assert_eq!(calls, [(0, 0, Tag::from(0)), (1, 1, Tag::from(1))]);
    server.stop();
}

/// A graceful shutdown waits for a connection, which a timer closes; a timer that is far away keeps
/// nothing from ending.
#[test]
fn timers_go_on_until_the_end_and_do_not_put_it_off() {
    let (opens, opened) = reports();
    let server = start(bind(TCP), move || {
        let opens = opens.clone();
        Events::new()
            .opened(move |conn, ()| {
                conn.event_loop().set_timer(Duration::from_secs(3_600), 0).unwrap();
                let _ = opens.send(());
                Action::None
            })
            .stopping(|conn, ()| {
                let id = conn.id();
                conn.event_loop().set_timer(DELAY, id).unwrap();
                Action::None
            })
            .loop_timer(|event_loop, timer| {
                let Some(id) = timer.tag().conn else { panic!("{timer:?}") };
                let mut conn = event_loop.conn(id).unwrap();
                conn.write(b"bye");
                conn.close();
                ControlFlow::Continue(())
            })
    });
    let client = server.connect();
    opened.next();
    server.handle().shutdown_gracefully(Duration::from_secs(3_600));
    assert_eq!(client.receive_to_end(), b"bye");
    drop(client);
    server.wait();
}

#[test]
fn a_server_says_how_many_a_loop_has() {
    let server = Server::bind([TCP]).unwrap().max_timers(1);
    let events = Events::new()
        .serving(|event_loop, _| {
            event_loop.set_timer(Duration::ZERO, 0).unwrap();
            let full = event_loop.set_interval(DELAY, 1).unwrap_err();
            assert_eq!(
                (full, full.to_string()),
                (TooManyTimers, "too many timers on this loop".into())
            );
            ControlFlow::Continue(())
        })
        .loop_timer(|event_loop, _| {
            event_loop.set_timer(DELAY, 2).unwrap();
            ControlFlow::Break(())
        });
    server.run(events).unwrap();
}

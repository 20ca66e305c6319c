mod pauses;

use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use evio_sys::net::{AcceptError, ListenOptions, Listener};

use super::*;
use crate::accept::listener::{BoundListener, Sharing};
use crate::api::config::Config;
use crate::api::connect_options::ConnectOptions;
use crate::api::message::Control;
use crate::turn::event_loop::EventLoop;
use crate::turn::tests::{Fixture, HOUR, SECOND};
use crate::types::action::{CloseReason, Timeout};
use crate::types::limits::Limits;

/// More than the buffers of a Unix socket hold.
const MUCH: usize = 4 << 20;

/// Returns a connection that has written more than its socket takes. Its write timeout is an hour.
fn stalled() -> (Fixture, ConnKey, UnixStream) {
    let limits = Limits::default().write_timeout(Some(HOUR));
    let (mut fixture, key, client) = Fixture::with_one(limits);
    fixture.write(key, &vec![0; MUCH]);
    fixture.runner.flush();
    assert!(fixture.output_len(key) > 0);
    // The kernel is asked what it holds.
    fixture.run_timers(SECOND);
    (fixture, key, client)
}

/// As [`stalled`], and the peer has taken since what the kernel had.
fn with_room() -> (Fixture, ConnKey, UnixStream) {
    let (fixture, key, mut client) = stalled();
    client.read_exact(&mut vec![0; MUCH - fixture.output_len(key)]).unwrap();
    (fixture, key, client)
}

#[test]
fn a_timer_is_called_once_when_it_is_due() {
    let (mut fixture, key, _client) = Fixture::with_one(Limits::default());
    fixture.runner.state.table.set_timer(key, Some(HOUR));
    assert!(fixture.run_timers(HOUR - SECOND).is_empty());
    assert_eq!(fixture.run_timers(HOUR + SECOND), ["timer"]);
    assert!(fixture.run_timers(2 * HOUR).is_empty());
}

#[test]
fn what_is_due_at_this_moment_is_due() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.runner.ticker = Ticker::new(Some(fixture.start + HOUR));
    assert_eq!(fixture.run_timers(HOUR), ["tick"]);
}

/// The loop has not looked at the time at their beginning.
#[test]
fn timers_that_were_set_in_this_turn_are_not_due_in_it() {
    let (mut fixture, key, _client) = Fixture::with_one(Limits::default());
    fixture.begin_turn(HOUR);
    fixture.runner.state.table.set_timer(key, Some(SECOND));
    fixture.runner.run_timers();
    assert!(fixture.calls().is_empty());
    assert_eq!(fixture.run_timers(HOUR), ["timer"]);
}

#[test]
fn a_turn_looks_at_some_connections_and_the_next_ones_at_the_others() {
    const MANY: usize = budget::DEADLINES + 44;
    let mut fixture = Fixture::new(Limits::default());
    let _clients: Vec<UnixStream> = (0..MANY).map(|_| fixture.open().1).collect();
    let table = &mut fixture.runner.state.table;
    for key in table.keys() {
        table.set_timer(key, Some(HOUR));
    }
    assert_eq!(fixture.run_timers(HOUR + SECOND).len(), budget::DEADLINES);
    // Nobody waits for anything else.
    fixture.begin_turn(HOUR + SECOND);
    assert_eq!(fixture.runner.next_deadline, None);
    fixture.runner.run_timers();
    assert_eq!(fixture.calls().len(), 44);
}

#[test]
fn memory_of_many_deadlines_goes_back() {
    let mut fixture = Fixture::new(Limits::default());
    for (turns, is_kept) in [(3, true), (9, false)] {
        // None of them is a connection any more.
        fixture.runner.fired.extend(0..turns * budget::DEADLINES as u32);
        for _ in 0..turns {
            assert!(!fixture.runner.fired.is_empty());
            fixture.run_timers(SECOND);
        }
        assert!(fixture.runner.fired.is_empty());
        assert_eq!(fixture.runner.fired.capacity() > 0, is_kept, "of {turns} turns");
    }
}

#[test]
fn ticks_go_on_until_one_ends_the_server() {
    let mut fixture = Fixture::new(Limits::default());
    let first = fixture.start + HOUR;
    fixture.runner.ticker = Ticker::new(Some(first));
    assert!(fixture.run_timers(HOUR - SECOND).is_empty());
    assert_eq!(fixture.run_timers(HOUR + SECOND), ["tick"]);
    assert_eq!(fixture.runner.ticker.deadline(), Some(first + HOUR));
    fixture.runner.handler.ticks = ControlFlow::Break(());
    assert!(!fixture.runner.state.group.is_ending());
    assert_eq!(fixture.run_timers(3 * HOUR), ["tick"]);
    assert!(fixture.runner.state.group.is_ending());
    assert!(fixture.run_timers(9 * HOUR).is_empty());
}

#[test]
fn a_timer_of_the_loop_that_its_own_callback_sets_is_not_due_in_the_same_turn() {
    let mut fixture = Fixture::new(Limits::default());
    fixture.runner.handler.on_loop_timer = |event_loop, timer| {
        assert!(timer.due() <= event_loop.now());
        let again = event_loop.set_timer(Duration::ZERO, 2);
        assert!(again.is_ok() && !event_loop.cancel_timer(timer.id()));
        ControlFlow::Continue(())
    };
    Loop::new(&mut fixture.runner.state).set_timer(HOUR, 1).unwrap();
    assert!(fixture.run_timers(HOUR - SECOND).is_empty(), "none is early");
    assert_eq!(fixture.run_timers(HOUR + SECOND), ["loop timer: 1"]);
    assert_eq!(fixture.run_timers(HOUR + 2 * SECOND), ["loop timer: 2"]);
}

#[test]
fn a_turn_calls_some_timers_of_the_loop_and_the_next_ones_the_others() {
    let mut fixture = Fixture::new(Limits::default());
    for number in 0..budget::LOOP_TIMERS as u64 + 44 {
        Loop::new(&mut fixture.runner.state).set_timer(HOUR, number).unwrap();
    }
    assert_eq!(fixture.run_timers(HOUR + SECOND).len(), budget::LOOP_TIMERS);
    assert_eq!(fixture.run_timers(HOUR + SECOND).len(), 44);
}

#[test]
fn an_interval_of_the_loop_goes_on_until_it_ends_the_server() {
    let mut fixture = Fixture::new(Limits::default());
    let mut event_loop = Loop::new(&mut fixture.runner.state);
    event_loop.set_interval(HOUR, 1).unwrap();
    event_loop.set_timer(9 * HOUR, 2).unwrap();
    event_loop.set_timer(9 * HOUR, 3).unwrap();
    for hour in [1, 2, 7] {
        assert_eq!(fixture.run_timers(hour * HOUR + SECOND).len(), 1, "after {hour} hours");
    }
    fixture.runner.handler.on_loop_timer = |_, _| ControlFlow::Break(());
    assert!(!fixture.runner.state.group.is_ending());
    assert_eq!(fixture.run_timers(9 * HOUR + SECOND).len(), 1, "and no other timer before the end");
    assert!(fixture.runner.state.group.is_ending());
}

#[test]
fn a_peer_that_is_silent_times_out_and_one_whose_input_waits_does_not() {
    let limits = Limits::default().idle_timeout(Some(HOUR));
    for (has_spoken, read_timeout) in
        [(true, None), (false, None), (true, Some(HOUR)), (false, Some(HOUR))]
    {
        let limits = if read_timeout.is_some() { Limits::default() } else { limits };
        let (mut fixture, key, mut client) = Fixture::with_one(limits);
        fixture.runner.state.table.set_read_timeout(key, read_timeout);
        if has_spoken {
            client.write_all(b"?").unwrap();
        }
        fixture.run_timers(HOUR - SECOND);
        assert!(fixture.is_active(key));
        fixture.run_timers(HOUR + SECOND);
        assert_eq!(fixture.is_active(key), has_spoken, "{read_timeout:?}");
    }
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    let (mut fixture, key, _client) = stalled();
    fixture.run_timers(HOUR + SECOND);
    assert!(!fixture.is_active(key));
    fixture.runner.flush();
    let expected = CloseReason::Timeout(Timeout::Write);
    assert_eq!(fixture.calls(), [format!("closed: {expected}")]);
}

#[test]
fn output_goes_on_at_its_deadline_if_there_is_room() {
    let (mut fixture, key, _client) = with_room();
    let before = fixture.output_len(key);
    fixture.run_timers(HOUR + SECOND);
    assert!(fixture.is_active(key));
    assert!(fixture.output_len(key) < before, "what has waited is sent");
}

#[test]
fn output_that_must_wait_for_the_next_turn_is_not_cut_off() {
    for is_new in [true, false] {
        let (mut fixture, key, _client) = with_room();
        fixture.begin_turn(HOUR + SECOND);
        if is_new {
            fixture.write(key, b"new");
        } else {
            // The turn has sent as much as it may.
            fixture.runner.state.outgoing.begin_flush(0);
        }
        let before = fixture.output_len(key);
        fixture.runner.run_timers();
        assert!(fixture.is_active(key));
        assert_eq!(fixture.output_len(key), before, "is new: {is_new}");
        assert!(fixture.runner.state.outgoing.is_waiting(), "`pre_write` comes before it");
        fixture.runner.flush();
        assert!(fixture.output_len(key) < before, "is new: {is_new}");
    }
}

#[test]
fn a_connection_that_has_come_about_in_time_is_opened() {
    let limits = Limits::default().connect_timeout(HOUR);
    let mut fixture = Fixture::new(limits);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let id = fixture.runner.state.connect(&address.into(), &ConnectOptions::default()).unwrap();
    let _client = listener.accept().unwrap();
    assert_eq!(fixture.run_timers(HOUR + SECOND), ["opened"]);
    assert!(fixture.is_active(id.key()));
}

/// What a slow peer takes is too little for the socket to take more, and progress all the same.
#[test]
fn a_peer_that_takes_little_is_not_cut_off() {
    if evio_sys::BACKEND == "kqueue" {
        return println!("left out on kqueue: what a Unix peer has taken is not told");
    }
    for late in [Duration::ZERO, SECOND] {
        let (mut fixture, key, mut client) =
            Fixture::with_one(Limits::default().write_timeout(Some(HOUR)));
        // The kernel holds each of these apart, and gives its memory back when it is read.
        for _ in 0..10 {
            fixture.write(key, b"x");
            fixture.runner.flush();
        }
        fixture.write(key, &vec![0; MUCH]);
        fixture.runner.flush();
        fixture.run_timers(SECOND);
        client.read_exact(&mut [0; 5]).unwrap();
        // The deadline lies in here, however it is rounded.
        for step in 0..8 {
            fixture.run_timers(HOUR + late + step * Duration::from_millis(16));
        }
        assert!(fixture.is_active(key), "late by {late:?}");
        fixture.run_timers(2 * HOUR + 2 * SECOND);
        assert!(!fixture.is_active(key), "it has stopped, late by {late:?}");
    }
}

/// A loop that is late has each socket tried once, but only if others have left it bytes to send.
#[test]
fn a_peer_that_takes_nothing_is_cut_off_by_a_busy_loop_too() {
    let (mut fixture, key, _client) = stalled();
    fixture.begin_turn(HOUR + SECOND);
    fixture.runner.state.outgoing.begin_flush(0);
    fixture.runner.run_timers();
    assert!(!fixture.is_active(key));
}

/// They were refused the last room while another listener had reserved it.
#[test]
fn listeners_that_wait_for_room_are_woken_after_a_backoff() {
    let event_loop = EventLoop::new(Config::default().max_connections(1)).unwrap();
    let mut fixture = Fixture::of(event_loop);
    let listener = Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default());
    let bound = BoundListener::new(0, Arc::new(listener.unwrap()), Sharing::AllLoops);
    let Runner { state, acceptor, .. } = &mut fixture.runner;
    let (placement, poller) = (&state.group.placement, &state.poller);
    acceptor.add(bound, placement, poller).unwrap();
    let error = || AcceptError::Exhausted(io::ErrorKind::OutOfMemory.into());
    acceptor.fail(0, placement, poller, fixture.start, error);
    fixture.run_timers(Duration::ZERO);
    assert!(fixture.runner.mailbox.take_urgent().is_none());
    fixture.run_timers(SECOND);
    let notice = fixture.runner.mailbox.take_urgent();
    assert!(matches!(notice, Some(Control::AcceptAgain)), "{notice:?}");
}

/// A loop that is late at each look, and a handler that writes right before it, as `tick` may.
#[test]
fn new_output_in_each_turn_does_not_put_off_a_timeout_for_ever() {
    let (mut fixture, key, _client) = stalled();
    fixture.runner.state.table.set_timer(key, Some(HOUR + SECOND));
    let mut turns = 0;
    while fixture.is_active(key) {
        turns += 1;
        assert!(turns < 10, "the connection is still there");
        fixture.begin_turn(HOUR + turns * SECOND);
        fixture.runner.flush();
        fixture.write(key, b"x");
        fixture.runner.run_timers();
    }
}

/// The turn before has used its budget to the last byte, and this one has sent nothing.
#[test]
fn a_late_loop_tries_once_whatever_is_left_of_the_budget() {
    let limits = Limits::default().write_timeout(Some(HOUR));
    let (mut fixture, key, mut client) = Fixture::with_one(limits);
    // Small messages first: a Unix socket has room for a piece when the peer has taken one.
    for _ in 0..10 {
        fixture.write(key, b"x");
        fixture.runner.flush();
    }
    fixture.write(key, &vec![0; MUCH]);
    fixture.runner.flush();
    fixture.runner.state.outgoing.begin_flush(0);
    // As much as poll(2) does not report.
    client.read_exact(&mut [0; 50_000]).unwrap();
    for step in 0..4 {
        fixture.run_timers(HOUR + SECOND + step * Duration::from_millis(16));
    }
    assert!(fixture.is_active(key));
}

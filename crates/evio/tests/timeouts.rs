//! Timeouts of connections: each ends what it is for, and none comes early.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use evio::{Action, CloseReason, Conn, Events, Limits, Timeout};

use util::{Client, Reason, Reports, Running, TCP, bind, bind_all, hold, reports, start};

const SHORT: Duration = Duration::from_millis(60);

/// A server with these limits that runs `opened` first, answers nothing, and reports how its
/// connections end.
fn server(
    limits: Limits,
    opened: impl Fn(&mut Conn<'_>) + Send + 'static,
) -> (Running, Reports<CloseReason>) {
    let (reasons, ended) = reports();
    let server = start(bind(TCP).limits(limits), move || {
        Events::new()
            .opened(move |conn, _| {
                opened(conn);
                Action::None
            })
            .closed(move |_, (), reason| {
                reasons.send(reason).unwrap();
                ControlFlow::Continue(())
            })
    });
    (server, ended)
}

fn timeout(ended: &Reports<CloseReason>) -> Timeout {
    match ended.next() {
        CloseReason::Timeout(timeout) => timeout,
        other => panic!("ended otherwise: {other}"),
    }
}

#[test]
fn a_silent_connection_is_closed_and_not_before_its_time() {
    let limits = Limits::default().idle_timeout(Some(SHORT));
    let (server, ended) = server(limits, |_| ());
    let start = Instant::now();
    let client = server.connect();
    assert!(client.receive_to_end().is_empty());
    assert!(start.elapsed() >= SHORT);
    drop(client);
    assert_eq!(timeout(&ended), Timeout::Idle);
    server.stop();
}

/// Who has been silent for so long may be gone, and does not keep its place for the time that an
/// ending may take otherwise.
#[test]
fn the_end_of_a_silent_peer_is_not_waited_for_long() {
    // Longer than this test would wait.
    let close_timeout = Duration::from_secs(3600);
    let limits = Limits::default().idle_timeout(Some(SHORT)).close_timeout(close_timeout);
    let (server, ended) = server(limits, |_| ());
    let client = server.connect();
    assert_eq!(timeout(&ended), Timeout::Idle);
    assert!(client.receive_to_end().is_empty());
    server.stop();
}

/// Each byte comes within the timeout, and all of them together take many times as long.
#[test]
fn a_connection_with_traffic_is_not_idle() {
    let (sender, told) = reports();
    let limits = Limits::default().idle_timeout(Some(Duration::from_secs(2)));
    let server = start(bind(TCP).limits(limits), move || {
        Events::new()
            .data(|conn, _, input| {
                conn.write(input);
                conn.set_timer(Some(Duration::from_millis(250)));
                Action::None
            })
            .timer(move |conn, _| {
                sender.send(()).unwrap();
                conn.write(b"!");
                Action::None
            })
    });
    let client = server.connect();
    for _ in 0..12 {
        client.echo(b"x");
        told.next();
        assert_eq!(client.receive(1), b"!");
    }
    server.stop();
}

/// The time that a callback takes is not time that its connection was idle.
#[test]
fn a_slow_callback_does_not_make_its_connection_idle() {
    let (answered, ended) = (reports(), reports());
    let (answers, ends) = (answered.0, ended.0);
    let limits = Limits::default().idle_timeout(Some(SHORT));
    let server = start(bind(TCP).limits(limits), move || {
        Events::new()
            .data(move |conn, _, input| {
                // The handler's own slowness.
                thread::sleep(2 * SHORT);
                conn.write(input);
                answers.send(Instant::now()).unwrap();
                Action::None
            })
            .closed(move |_, (), _| {
                ends.send(Instant::now()).unwrap();
                ControlFlow::Continue(())
            })
    });
    let client = server.connect();
    client.echo(b"x");
    assert!(client.receive_to_end().is_empty());
    drop(client);
    let idle = ended.1.next() - answered.1.next();
    assert!(idle >= SHORT, "idle for {idle:?} only");
    server.stop();
}

/// What a busy loop has not come to read is no silence, also when there is more than it takes in a
/// turn.
#[test]
fn input_that_waits_for_a_busy_loop_ends_its_idle_time() {
    const IDLE: Duration = Duration::from_secs(1);
    const CONNECTIONS: usize = 200;
    let (hold, held) = hold();
    let limits = Limits::default().idle_timeout(Some(IDLE));
    let server = start(bind(TCP).limits(limits), move || {
        Events::new().data(move |conn, _, input| {
            if input == b"hold" {
                hold.wait();
                // The handler's own slowness.
                thread::sleep(2 * IDLE);
            }
            conn.write(input);
            Action::None
        })
    });
    let clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let first = server.connect();
    // Time that all of them are silent, before the loop is busy.
    thread::sleep(SHORT);
    first.send(b"hold");
    held.wait();
    clients.iter().for_each(|client| client.send(b"x"));
    held.release();
    assert_eq!(first.receive(4), b"hold");
    for client in &clients {
        assert_eq!(client.receive(1), b"x");
    }
    server.stop();
}

/// Nor are an end and a failure that it has not come to.
#[test]
fn an_end_that_waits_for_a_busy_loop_is_no_idleness() {
    const IDLE: Duration = Duration::from_secs(1);
    const CONNECTIONS: usize = 200;
    let (hold, held) = hold();
    let (reasons, ended) = reports();
    let limits = Limits::default().idle_timeout(Some(IDLE));
    let server = start(bind(TCP).limits(limits), move || {
        Events::new()
            .data(move |_, _, _| {
                hold.wait();
                // The handler's own slowness.
                thread::sleep(2 * IDLE);
                Action::None
            })
            .closed(move |_, (), reason| {
                reasons.send(Reason::from(&reason)).unwrap();
                ControlFlow::Continue(())
            })
    });
    let clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let first = server.connect();
    // Time that all of them are silent, before the loop is busy.
    thread::sleep(SHORT);
    first.send(b"hold");
    held.wait();
    for (number, client) in clients.into_iter().enumerate() {
        if number % 2 == 0 { client.reset() } else { drop(client) }
    }
    held.release();
    let reasons: Vec<Reason> = (0..CONNECTIONS).map(|_| ended.next()).collect();
    let reset = Reason::Error(io::ErrorKind::ConnectionReset);
    for expected in [Reason::PeerClosed, reset] {
        let count = reasons.iter().filter(|&reason| *reason == expected).count();
        assert_eq!(count, CONNECTIONS / 2, "{expected:?} among {reasons:?}");
    }
    server.stop();
}

/// A timeout that there was none of before counts from when it is given; one of more than a year is
/// none.
#[test]
fn a_new_timeout_does_not_count_from_before_it_was_given() {
    let none = Limits::default();
    let timeouts = |timeout| {
        [
            (1, none.idle_timeout(Some(timeout))),
            // More than a peer that does not read takes.
            (16 << 20, none.write_timeout(Some(timeout))),
            (16 << 20, none.congestion_timeout(Some(timeout))),
        ]
    };
    for ((answer, given), (_, far)) in timeouts(SHORT).into_iter().zip(timeouts(Duration::MAX)) {
        new_timeout_counts_from_when_it_is_given(none, given, answer);
        new_timeout_counts_from_when_it_is_given(far, given, answer);
    }
}

fn new_timeout_counts_from_when_it_is_given(before: Limits, given: Limits, answer: usize) {
    let (loops, event_loop) = reports();
    let (gives, given_at) = reports();
    let (ends, end) = reports();
    let server = start(bind(TCP).limits(before), move || {
        Events::new()
            .data(move |conn, _, _| {
                conn.write_owned(vec![7; answer]);
                loops.send(conn.loop_handle()).unwrap();
                Action::None
            })
            .closed(move |_, (), _| {
                ends.send(Instant::now()).unwrap();
                ControlFlow::Continue(())
            })
    });
    let client = server.connect();
    client.send(b"x");
    let event_loop = event_loop.next();
    // What the connection waits for has begun before the timeout is given.
    thread::sleep(4 * SHORT);
    let give = move |event_loop: &mut evio::Loop<'_>| {
        gives.send(Instant::now()).unwrap();
        event_loop.for_each_conn(|mut conn| conn.set_limits(given));
    };
    event_loop.post(give).unwrap();
    let lived = end.next() - given_at.next();
    assert!(lived >= SHORT, "it lived for {lived:?} only");
    drop(client);
    server.stop();
}

#[test]
fn a_message_that_is_not_whole_in_time_ends_the_connection() {
    let (server, ended) = server(Limits::default(), |conn| conn.set_read_timeout(Some(SHORT)));
    let start = Instant::now();
    assert!(server.connect().receive_to_end().is_empty());
    assert!(start.elapsed() >= SHORT);
    assert_eq!(timeout(&ended), Timeout::Read);
    server.stop();
}

/// The timeout of the first connection is taken back, that of the second is moved to an earlier
/// time than the timing wheel knew of.
#[test]
fn timeouts_can_be_moved() {
    let (server, ended) = server(Limits::default(), |conn| {
        conn.set_read_timeout(Some(Duration::from_secs(3_600)));
        conn.set_read_timeout(Some(SHORT));
        if conn.id().to_string().starts_with("0-0-") {
            conn.set_read_timeout(None);
        }
    });
    let kept = server.connect();
    let closed = server.connect();
    assert!(closed.receive_to_end().is_empty());
    assert_eq!(timeout(&ended), Timeout::Read);
    server.stop();
    assert!(kept.receive_to_end().is_empty());
    assert!(matches!(ended.next(), CloseReason::Shutdown));
}

#[test]
fn a_peer_that_takes_nothing_ends_by_the_write_timeout() {
    let limits = Limits::default().write_timeout(Some(SHORT));
    let (server, ended) = server(limits, |conn| conn.write_owned(vec![7; 16 << 20]));
    let client = server.connect();
    assert_eq!(timeout(&ended), Timeout::Write);
    assert!(client.receive_to_any_end().is_err(), "output was lost, so the end is a reset");
    server.stop();
}

/// The peer takes a little all the time, so this is not a matter of the write timeout.
#[test]
fn a_peer_that_is_slow_for_too_long_ends_by_the_congestion_timeout() {
    let limits = Limits::default().congestion_timeout(Some(SHORT));
    let (server, ended) = server(limits, |conn| conn.write_owned(vec![7; 16 << 20]));
    let client = server.connect();
    assert_eq!(client.receive(100_000).len(), 100_000);
    assert_eq!(timeout(&ended), Timeout::Congestion);
    server.stop();
}

#[test]
fn a_peer_that_does_not_close_its_side_is_not_waited_for() {
    let limits = Limits::default().close_timeout(SHORT);
    let (server, ended) = server(limits, |conn| {
        conn.write(b"bye");
        conn.close();
    });
    let client = server.connect();
    assert_eq!(client.receive_to_end(), b"bye");
    // The client's side is still open.
    assert!(matches!(ended.next(), CloseReason::Closed), "all was delivered");
    drop(client);
    server.stop();
}

#[test]
fn an_address_can_have_limits_of_its_own() {
    let (reasons, ended) = reports();
    let strict = Limits::default().max_output(10);
    let server = start(bind_all([TCP, TCP, TCP]).limits_of(1, strict), move || {
        Events::new()
            .data(|conn, _, _| {
                conn.write(b"more than ten bytes");
                Action::Close
            })
            .closed(move |conn, (), reason| {
                reasons.send((conn.address_index().unwrap(), reason)).unwrap();
                ControlFlow::Continue(())
            })
    });
    for (index, is_cut_off) in [(0u16, false), (1, true), (2, false)] {
        let client = Client::connect(server.addrs()[usize::from(index)].addr());
        client.send(b"x");
        let _ = client.receive_to_any_end();
        drop(client);
        let (address_index, reason) = ended.next();
        assert_eq!(address_index, index);
        assert_eq!(matches!(reason, CloseReason::OutputLimit), is_cut_off, "{reason}");
    }
    server.stop();
}

#[test]
fn a_connection_can_have_limits_of_its_own() {
    let (server, ended) = server(Limits::default(), |conn| {
        conn.set_limits(Limits::default().max_output(10));
        conn.write(b"more than ten bytes");
    });
    let _client: Client = server.connect();
    assert!(matches!(ended.next(), CloseReason::OutputLimit));
    server.stop();
}

#[test]
fn thousands_of_idle_connections_end_and_none_of_them_early() {
    const CONNECTIONS: usize = 500;
    let limits = Limits::default().idle_timeout(Some(SHORT));
    let (server, ended) = server(limits, |_| ());
    let clients: Vec<_> = (0..CONNECTIONS).map(|_| (Instant::now(), server.connect())).collect();
    for (start, client) in clients {
        assert!(client.receive_to_end().is_empty());
        assert!(start.elapsed() >= SHORT);
    }
    for _ in 0..CONNECTIONS {
        assert_eq!(timeout(&ended), Timeout::Idle);
    }
    server.stop();
}

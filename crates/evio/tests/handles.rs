//! What other threads can do: post, broadcast, pause, and end gracefully; and panics.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use evio::{Action, CloseReason, ConnHandle, Events, LoopHandle, PanicPolicy, SendError};

use util::{TCP, bind, reports, start, start_each};

fn echo<'a>() -> Events<'a> {
    Events::new().data(|conn, _, input| {
        conn.write(input);
        Action::None
    })
}

#[test]
fn a_posted_task_reaches_the_connections_of_its_loop() {
    let (handles, opened) = reports::<(ConnHandle, LoopHandle)>();
    let server = start_each(bind(TCP), 2, move |_| {
        let handles = handles.clone();
        echo().opened(move |conn, _| {
            handles.send((conn.handle(), conn.loop_handle())).unwrap();
            Action::None
        })
    });
    let clients: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &clients {
        client.echo(b"x");
    }
    let (one, its_loop) = opened.next();
    let (counts, counted) = reports();
    let id = one.id();
    its_loop
        .post(move |event_loop| {
            let mut count = 0;
            event_loop.for_each_conn(|conn| count += usize::from(conn.takes_output()));
            counts.send((count, event_loop.conn(id).is_some())).unwrap();
        })
        .unwrap();
    let (count, found) = counted.next();
    assert!(found);
    let others = opened.rest();
    let same_loop = others.iter().filter(|(_, other)| other.loop_id() == id.loop_id());
    assert_eq!(count, same_loop.count() + 1);
    server.stop();
    assert_eq!(its_loop.post(|_| ()).map_err(SendError::from), Err(SendError::Stopped));
}

#[test]
fn a_broadcast_reaches_every_connection_once() {
    let server = start_each(bind(TCP), 3, |_| echo());
    let clients: Vec<_> = (0..9).map(|_| server.connect()).collect();
    for client in &clients {
        client.echo(b"x");
    }
    let news: Arc<[u8]> = vec![9; 100_000].into();
    server.handle().broadcast(Arc::clone(&news)).unwrap();
    for client in &clients {
        assert!(client.receive(news.len()) == *news);
        client.echo(b"y");
    }
    server.stop();
}

#[test]
fn another_thread_pauses_and_resumes_the_input() {
    let (handles, opened) = reports::<ConnHandle>();
    let (inputs, input) = reports();
    let server = start(bind(TCP), move || {
        Events::new()
            .opened(move |conn, _| {
                handles.send(conn.handle()).unwrap();
                Action::None
            })
            .data(move |_, _, bytes| {
                inputs.send(bytes.to_vec()).unwrap();
                Action::None
            })
            .woken(|conn, _| {
                conn.write(b"w");
                Action::None
            })
    });
    let client = server.connect();
    let handle = opened.next();
    handle.pause_reading().unwrap();
    // Messages are carried out in order, so the connection is paused when this comes back.
    handle.wake().unwrap();
    assert_eq!(client.receive(1), b"w");
    client.send(b"wait for it");
    for _ in 0..3 {
        handle.wake().unwrap();
        assert_eq!(client.receive(1), b"w");
    }
    assert!(input.rest().is_empty());
    handle.resume_reading().unwrap();
    assert_eq!(input.next(), b"wait for it");
    server.stop();
}

/// One connection ends when it is told to, the other when it is done.
#[test]
fn a_graceful_end_lets_connections_finish() {
    let (told, stopping) = reports();
    let (reasons, ended) = reports();
    let server = start_each(bind(TCP), 2, move |_| {
        let (told, reasons) = (told.clone(), reasons.clone());
        Events::with_context(|_| false)
            .data(|conn, busy, input| {
                *busy = input == b"work";
                conn.write(input);
                if input == b"done" { Action::Close } else { Action::None }
            })
            .stopping(move |_, busy| {
                told.send(()).unwrap();
                if *busy { Action::None } else { Action::Close }
            })
            .closed(move |_, _, reason| {
                reasons.send(reason).unwrap();
                ControlFlow::Continue(())
            })
    });
    let (idle, busy) = (server.connect(), server.connect());
    idle.echo(b"x");
    busy.echo(b"work");
    server.handle().shutdown_gracefully(Duration::from_secs(3_600));
    stopping.next();
    stopping.next();
    assert!(idle.receive_to_end().is_empty());
    drop(idle);
    assert!(matches!(ended.next(), CloseReason::Shutdown));
    busy.echo(b"more work");
    busy.send(b"done");
    assert_eq!(busy.receive_to_end(), b"done");
    drop(busy);
    server.wait();
    assert!(matches!(ended.next(), CloseReason::Closed));
    assert!(stopping.rest().is_empty(), "each connection is told once");
}

#[test]
fn a_graceful_end_is_over_at_its_time_or_when_it_is_overtaken() {
    for overtaken in [false, true] {
        let (reasons, ended) = reports();
        let server = start(bind(TCP), move || {
            echo().stopping(|_, _| Action::None).closed(move |_, (), reason| {
                reasons.send(reason).unwrap();
                ControlFlow::Continue(())
            })
        });
        let client = server.connect();
        client.echo(b"x");
        let patience = if overtaken { 3_600_000 } else { 50 };
        server.handle().shutdown_gracefully(Duration::from_millis(patience));
        if overtaken {
            server.handle().shutdown();
        }
        server.wait();
        assert!(matches!(ended.next(), CloseReason::Shutdown));
        assert!(client.receive_to_any_end().is_ok());
    }
}

#[test]
fn a_contained_panic_costs_its_connection_and_nothing_else() {
    let (reasons, ended) = reports();
    let server = start(bind(TCP).panic_policy(PanicPolicy::CloseConnection), move || {
        echo()
            .data(|conn, _, input| {
                assert_ne!(input, b"panic", "as it was told to");
                conn.write(input);
                Action::None
            })
            .closed(move |_, (), reason| {
                reasons.send(reason.to_string()).unwrap();
                assert_ne!(reason.to_string(), "closed by the peer", "as it was told to");
                ControlFlow::Continue(())
            })
    });
    let other = server.connect();
    other.echo(b"before");
    let victim = server.connect();
    victim.send(b"panic");
    assert!(victim.receive_to_any_end().is_err(), "the peer sees a reset");
    assert_eq!(ended.next(), "a callback panicked");
    other.echo(b"after");
    // A panic in `closed` itself.
    drop(other);
    assert_eq!(ended.next(), "closed by the peer");
    server.connect().echo(b"still there");
    server.stop();
}

#[test]
fn what_is_sent_before_a_server_runs_or_after_its_end_is_refused() {
    let server = bind("udp://127.0.0.1:0");
    let handle = server.handle();
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let send = || [handle.broadcast(*b"all"), handle.send_datagram(0, *b"one", address)];
    assert_eq!(send(), [Err(SendError::NotStarted); 2]);
    handle.shutdown();
    assert_eq!(send(), [Err(SendError::NotStarted); 2], "it is to end as soon as it runs");
    start(server, Events::new).wait();
    assert_eq!(send(), [Err(SendError::Stopped); 2]);
}

//! A loop that has nothing to do does nothing, whatever state its connections are in.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::time::Duration;

use evio::{Action, Events, Limits};

use util::{Client, Reports, Running, ThreadClock, bind, reports, start, transports};

/// How long a loop is watched. One that spins is running for most of it; one that waits, for less
/// than a hundredth.
const WATCHED: Duration = Duration::from_millis(100);

const UNSENDABLE: usize = 48 << 20;

/// Runs a server whose connections do what the first byte says, once the rest has been told.
fn commanded(address: &str) -> (Running, ThreadClock, Reports<()>) {
    let (threads, thread) = reports();
    let (dones, done) = reports();
    let server = start(bind(address), move || {
        threads.send(ThreadClock::of_this_thread()).unwrap();
        Events::new()
            .data(move |conn, _, input| {
                dones.send(()).unwrap();
                match input[0] {
                    b'o' => conn.write_owned(vec![0; UNSENDABLE]),
                    b'O' => {
                        // Not congested, so that input is still wanted while output is pending.
                        let limits = Limits::default()
                            .high_watermark(2 * UNSENDABLE)
                            .max_output(4 * UNSENDABLE);
                        conn.set_limits(limits);
                        conn.write_owned(vec![0; UNSENDABLE]);
                    }
                    b'p' => conn.pause_reading(),
                    b'c' => return Action::Close,
                    b'C' => {
                        conn.write_owned(vec![0; UNSENDABLE]);
                        return Action::Close;
                    }
                    b'd' => {
                        conn.write_owned(vec![0; UNSENDABLE]);
                        return Action::Detach;
                    }
                    _ => conn.write(input),
                }
                Action::None
            })
            .peer_closed(|conn, _| {
                conn.write(b"still here");
                Action::None
            })
    });
    (server, thread.next(), done)
}

#[track_caller]
fn check(name: &str, prepare: impl Fn(&Client, &Reports<()>)) {
    for address in transports() {
        let (server, clock, done) = commanded(&address);
        let client = server.connect();
        client.echo(b"!");
        done.next();
        prepare(&client, &done);
        let other = server.connect();
        other.echo(b"fence");
        done.next();
        let busy = clock.busy_during(WATCHED);
        assert!(busy < WATCHED / 2, "{name}, {address}: the loop was busy for {busy:?}");
        drop((client, other));
        server.stop();
    }
}

#[test]
fn open_connections() {
    check("idle", |_, _| {});
}

#[test]
fn output_that_is_not_taken() {
    check("congested", |client, done| {
        client.send(b"o");
        done.next();
    });
    check("below the watermark", |client, done| {
        client.send(b"O");
        done.next();
    });
}

/// The peer sends while it does not read: what was 100 % of a processor in the original.
#[test]
fn input_that_is_not_taken() {
    check("congested", |client, done| {
        client.send(b"o");
        done.next();
        client.send(&[b'?'; 10_000]);
    });
    check("paused", |client, done| {
        client.send(b"p");
        done.next();
        client.send(&[b'?'; 10_000]);
    });
}

#[test]
fn a_peer_that_has_ended_its_output() {
    check("half-closed", |client, _| {
        client.finish_sending();
        client.receive(10);
    });
    check("half-closed and congested", |client, done| {
        client.send(b"o");
        done.next();
        client.finish_sending();
    });
    check("half-closed and paused", |client, done| {
        client.send(b"p");
        done.next();
        client.finish_sending();
    });
}

#[test]
fn connections_that_are_ending() {
    check("draining", |client, done| {
        client.send(b"c");
        done.next();
        assert!(client.receive_to_end().is_empty());
    });
    check("flushing", |client, done| {
        client.send(b"C");
        done.next();
        client.send(&[b'?'; 10_000]);
    });
    check("flushing, half-closed", |client, done| {
        client.send(b"C");
        done.next();
        client.finish_sending();
    });
    check("detaching", |client, done| {
        client.send(b"d");
        done.next();
        client.send(&[b'?'; 10_000]);
    });
    check("detaching, half-closed", |client, done| {
        client.send(b"d");
        done.next();
        client.finish_sending();
    });
}

/// A peer that goes while its connection is paused, or being detached, is noticed or not, but never
/// again and again.
#[test]
fn a_peer_that_has_gone() {
    for command in [b"p", b"o", b"C", b"d"] {
        for address in transports() {
            let (server, clock, done) = commanded(&address);
            let client = server.connect();
            client.send(command);
            done.next();
            drop(client);
            let other = server.connect();
            other.echo(b"fence");
            let busy = clock.busy_during(WATCHED);
            assert!(busy < WATCHED / 2, "{address}: the loop was busy for {busy:?}");
            drop(other);
            server.stop();
        }
    }
}

/// Urgent data is not asked for: it neither wakes the loop for ever nor turns up as input.
#[test]
fn urgent_data() {
    use nix::sys::socket::{MsgFlags, send};
    use std::os::fd::{AsFd, AsRawFd};

    let (server, clock, _done) = commanded(util::TCP);
    let client = server.connect();
    client.send(b"before");
    assert_eq!(send(client.as_fd().as_raw_fd(), b"!", MsgFlags::MSG_OOB).unwrap(), 1);
    assert_eq!(client.receive(6), b"before");
    let busy = clock.busy_during(WATCHED);
    assert!(busy < WATCHED / 2, "the loop was busy for {busy:?}");
    client.echo(b"after");
    drop(client);
    server.stop();
}

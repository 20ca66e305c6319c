//! A loop that was held up until after a read timeout: it looks at each socket before it cuts
//! anybody off, and reads what was there in time, however much that is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{self, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use evio::{Action, Events, Loop, Stream, Timeout};
use nix::sys::socket::{setsockopt, sockopt};

use util::{Call, Client, Driven, Late, Reason, TCP, Transport, bind, pair, start_driven};

const TIMEOUT: Duration = Duration::from_millis(100);

/// More than a loop takes events of in a turn.
const MANY: usize = 200;

/// More than a loop reads in a turn, and less than a Unix socket holds.
const LARGE: usize = 100_000;

/// Starts a server that says "whole" to a message that ends with a full stop.
fn messages() -> Driven {
    start_driven(bind(TCP), || {
        Events::new().data(|conn, (), input| {
            if input.ends_with(b".") {
                conn.set_read_timeout(None);
                conn.write(b"whole");
            }
            Action::None
        })
    })
}

/// Makes connections whose sockets hold a large message on the server's side.
fn connect(driven: &Driven, transport: Transport, count: usize) -> (Vec<Client>, Vec<TcpStream>) {
    let (streams, clients): (Vec<Stream>, _) = (0..count).map(|_| pair(transport)).unzip();
    let mut copies = Vec::new();
    for stream in &streams {
        if !stream.is_unix() {
            setsockopt(stream, sockopt::RcvBuf, &(4 * LARGE)).unwrap();
            copies.push(TcpStream::from(stream.as_fd().try_clone_to_owned().unwrap()));
        }
    }
    driven.driver.adopt_all(streams);
    (clients, copies)
}

/// Waits until all of a message is in the queue of the server's socket. A Unix socket has it there
/// as soon as it has been sent.
fn wait_for(copies: Vec<TcpStream>, len: usize) {
    let mut buffer = vec![0; len];
    for copy in copies {
        while copy.peek(&mut buffer).is_ok_and(|count| count < len) {}
    }
}

fn set_timeout(event_loop: &mut Loop<'_>, timeout: Option<Duration>) {
    event_loop.for_each_conn(|mut conn| conn.set_read_timeout(timeout));
}

fn hold_up(driven: &Driven) -> Late {
    let arm = |event_loop: &mut Loop<'_>| set_timeout(event_loop, Some(TIMEOUT));
    let disarm = |event_loop: &mut Loop<'_>| set_timeout(event_loop, None);
    Late::hold_up(&driven.driver, TIMEOUT, |_| (), arm, disarm)
}

#[test]
fn messages_that_came_in_time_are_delivered() {
    let large = [&[b'?'; LARGE - 1][..], b"."].concat();
    let mut wrong = Vec::new();
    for transport in [Transport::Unix, Transport::Tcp] {
        for (message, count) in [(&b"short."[..], MANY), (&large, 1), (&large, MANY / 2)] {
            let driven = messages();
            let (clients, copies) = connect(&driven, transport, count);
            hold_up(&driven).meanwhile(|| {
                clients.iter().for_each(|client| client.send(message));
                wait_for(copies, message.len());
            });
            let is_answered =
                |client: &&Client| io::Read::read_exact(&mut &**client, &mut [0; 5]).is_ok();
            let answered = clients.iter().filter(is_answered).count();
            if answered < count {
                let len = message.len();
                wrong.push(format!("{transport:?}, {len} bytes: {answered} of {count}"));
            }
            driven.server.stop();
        }
    }
    assert!(wrong.is_empty(), "messages were cut off: {wrong:#?}");
}

/// An end and a failure that came in time are what the connection ends by.
#[test]
fn ends_that_came_in_time_are_no_timeouts() {
    let driven = messages();
    let (clients, _) = connect(&driven, Transport::Tcp, MANY);
    hold_up(&driven).meanwhile(|| {
        for (number, client) in clients.into_iter().enumerate() {
            if number % 2 == 0 { client.reset() } else { drop(client) }
        }
    });
    let reasons: Vec<Reason> = (0..MANY).map(|_| driven.calls.reason()).collect();
    let reset = Reason::Error(io::ErrorKind::ConnectionReset);
    let count = |expected| reasons.iter().filter(|&&reason| reason == expected).count();
    assert_eq!(
        [count(Reason::PeerClosed), count(reset)],
        [MANY / 2; 2],
        "by the peer and by a reset"
    );
    driven.server.stop();
}

/// What was there in time is delivered, and then the time is up: also for peers that go on sending
/// without ever coming to an end.
#[test]
fn a_message_that_is_not_whole_is_cut_off_after_what_there_is_of_it() {
    const COUNT: usize = 10;
    let driven = messages();
    let (clients, _) = connect(&driven, Transport::Unix, COUNT);
    let is_over = AtomicBool::new(false);
    let arm = |event_loop: &mut Loop<'_>| set_timeout(event_loop, Some(TIMEOUT));
    // Everybody is to be cut off, so the timeout stays.
    let late = Late::hold_up(&driven.driver, TIMEOUT, |_| (), arm, |_| ());
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // A slow peer.
                thread::sleep(Duration::from_millis(1));
                for mut client in &clients[COUNT / 2..] {
                    let _ = client.write(b"?");
                }
            }
        });
        late.meanwhile(|| clients.iter().for_each(|client| client.send(b"??")));
        for client in &clients {
            // The end may be a reset, of what was not read.
            let _ = client.receive_to_any_end();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    for client in clients {
        drop(client);
        // Which of them it is does not matter.
        let calls = driven.calls.until_ending();
        assert_eq!(calls.last(), Some(&Call::Closed(Reason::Timeout(Timeout::Read))));
    }
    driven.server.stop();
}

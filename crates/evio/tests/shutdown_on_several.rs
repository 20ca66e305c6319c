//! Several sockets that end a server: each of them does, in its own manner.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use evio::{Action, Events, Progress};

use util::{DEADLINE, TCP, bind, start_each};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Prompt,
    Graceful,
}

use Manner::{Graceful, Prompt};

/// Signals one of the sockets, and returns what the last words of the server are.
fn last_words(manners: &[Manner], signalled: usize, by_closing: bool) -> Vec<u8> {
    let (stops, mut ends): (Vec<_>, Vec<_>) =
        manners.iter().map(|_| UnixStream::pair().unwrap()).unzip();
    let mut server = bind(TCP);
    for (stop, manner) in stops.into_iter().zip(manners) {
        server = match manner {
            Prompt => server.shutdown_on(stop),
            Graceful => server.shutdown_gracefully_on(stop, Duration::from_secs(60)),
        };
    }
    let server = start_each(server, 2, |_| {
        Events::new()
            .data(|conn, (), input| {
                conn.write(input);
                Action::None
            })
            .stopping(|conn, ()| {
                conn.write(b"bye");
                Action::Close
            })
    });
    let client = server.connect();
    client.echo(b"hello");
    let mut signalled = ends.swap_remove(signalled);
    if by_closing {
        drop(signalled);
    } else {
        // A server that does not look at it may have closed its end.
        let _ = signalled.write_all(&[0]);
    }
    client.set_read_timeout(DEADLINE / 10).unwrap();
    let mut words = Vec::new();
    if std::io::Read::read_to_end(&mut &client, &mut words).is_err() {
        return b"it did not end".into();
    }
    drop(client);
    server.wait();
    words
}

#[test]
fn each_of_several_sockets_ends_the_server() {
    let mut wrong = Vec::new();
    for manners in [
        &[Prompt, Prompt][..],
        &[Prompt, Graceful],
        &[Graceful, Prompt],
        &[Graceful, Graceful, Prompt],
    ] {
        for (number, manner) in manners.iter().enumerate() {
            for by_closing in [false, true] {
                let words = last_words(manners, number, by_closing);
                let expected: &[u8] = if *manner == Graceful { b"bye" } else { b"" };
                if words != expected {
                    let words = words.escape_ascii();
                    wrong.push(format!("{number} of {manners:?}, {by_closing}: {words}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The loop that was told of the first socket has no connection, and has ended.
#[test]
fn a_socket_ends_the_server_at_once_when_another_one_has_begun_a_graceful_end() {
    let (graceful, graceful_end) = UnixStream::pair().unwrap();
    let (prompt, prompt_end) = UnixStream::pair().unwrap();
    let server = evio::Server::bind([TCP])
        .unwrap()
        .place_with(|_, _| 1)
        .shutdown_gracefully_on(graceful, Duration::from_secs(3_600))
        .shutdown_on(prompt);
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    let events = |_| {
        Events::new().opened(|conn, ()| {
            conn.write(b"x");
            Action::None
        })
    };
    let events = |loop_id| events(loop_id).stopping(|_, ()| Action::None);
    let mut loops = server.start_each(2, events).unwrap();
    let mut turn = |loop_id: usize| loops[loop_id].turn(Some(Duration::ZERO)).unwrap();
    let mut client = std::net::TcpStream::connect(address).unwrap();
    client.set_nonblocking(true).unwrap();
    while std::io::Read::read(&mut client, &mut [0]).is_err() {
        turn(0);
        turn(1);
    }
    drop(graceful_end);
    while turn(0) != Progress::Ended {
        turn(1);
    }
    drop(prompt_end);
    // The client goes, as one does that finds the end.
    let mut is_over = false;
    for _ in 0..100 {
        is_over |= turn(1) == Progress::Ended;
        is_over |= std::io::Read::read(&mut client, &mut [0]).is_ok_and(|len| len == 0);
    }
    assert!(is_over);
}

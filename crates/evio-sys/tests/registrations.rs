//! What a poller reports of a socket, and which registrations it refuses, on every system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use evio_sys::net::Stream;
use evio_sys::{Event, Events, Interest, Poller, Token};
use nix::errno::Errno;

use util::{DEADLINE, connect, listener};

const TOKEN: Token = Token(7);

fn poll(poller: &Poller, timeout: Duration) -> Vec<Event> {
    let mut events = Events::with_capacity(8);
    poller.poll(&mut events, Some(timeout)).unwrap();
    events.iter().collect()
}

fn is_silent(poller: &Poller) -> bool {
    poll(poller, Duration::ZERO).is_empty()
}

/// Waits for what the poller says of a hang-up: a socket may be reported for reading and for
/// writing.
fn hangup(poller: &Poller) -> Event {
    let events = poll(poller, DEADLINE);
    let is_hangup = |event: &Event| event.is_hangup_or_error();
    assert!(events.iter().all(is_hangup), "{events:?}");
    events[0]
}

#[test]
fn a_reset_is_reported_once_where_nothing_is_waited_for() {
    let (peer, stream) = connect(&listener());
    let poller = Poller::new().unwrap();
    poller.register(&stream, TOKEN, Interest::HANGUP).unwrap();
    assert!(is_silent(&poller));
    (&peer).write_all(b"left unread").unwrap();
    assert!(is_silent(&poller));
    Stream::from(peer).reset().unwrap();
    assert_eq!(hangup(&poller).token(), TOKEN);
    // The other filter of kqueue may have its own event.
    poll(&poller, Duration::ZERO);
    assert!(is_silent(&poller));
    assert!(stream.take_error().unwrap().is_some());
}

#[test]
fn a_reset_is_reported_after_the_end_of_the_input() {
    let (peer, stream) = connect(&listener());
    let peer = Stream::from(peer);
    let poller = Poller::new().unwrap();
    poller.register(&stream, TOKEN, Interest::READABLE).unwrap();
    peer.shutdown_write().unwrap();
    assert!(poll(&poller, DEADLINE)[0].is_readable());
    poller.reregister(&stream, TOKEN, Interest::HANGUP).unwrap();
    assert!(is_silent(&poller), "the end of the input is no hang-up");
    peer.reset().unwrap();
    drop(peer);
    hangup(&poller);
}

#[test]
fn the_end_of_both_directions_is_a_hangup() {
    let (left, right) = UnixStream::pair().unwrap();
    let poller = Poller::new().unwrap();
    poller.register(&right, TOKEN, Interest::HANGUP).unwrap();
    drop(left);
    hangup(&poller);
}

/// Waits until an event says so.
#[track_caller]
fn wait_for_event(poller: &Poller, says_so: impl Fn(&Event) -> bool) -> Event {
    let since = Instant::now();
    loop {
        let events = poll(poller, DEADLINE);
        match events.iter().find(|event| says_so(event)) {
            Some(event) => return *event,
            None => assert!(since.elapsed() < DEADLINE, "{events:?}"),
        }
    }
}

/// Makes a connection of each kind, this end first.
fn pairs() -> [(Stream, Stream); 2] {
    let (left, right) = UnixStream::pair().unwrap();
    let (client, stream) = connect(&listener());
    [(left.into(), right.into()), (stream, client.into())]
}

#[test]
fn our_own_shutdown_is_no_hangup_until_the_peer_has_ended_too() {
    for interest in [Interest::HANGUP, Interest::READABLE] {
        for (stream, peer) in pairs() {
            let poller = Poller::new().unwrap();
            poller.register(&stream, TOKEN, interest).unwrap();
            stream.shutdown_write().unwrap();
            assert!(is_silent(&poller), "{interest:?}");
            peer.shutdown_write().unwrap();
            wait_for_event(&poller, Event::is_hangup_or_error);
        }
    }
}

#[test]
fn an_event_tells_which_direction_has_ended() {
    for (stream, peer) in pairs() {
        let poller = Poller::new().unwrap();
        poller.register(&stream, TOKEN, Interest::READABLE).unwrap();
        peer.send(b"still unread").unwrap();
        let event = wait_for_event(&poller, Event::is_readable);
        assert!(!event.is_read_closed() && !event.is_write_closed(), "{event:?}");
        peer.shutdown_write().unwrap();
        let event = wait_for_event(&poller, Event::is_read_closed);
        assert!(event.is_readable() && !event.is_write_closed(), "{event:?}");
        assert!(!event.is_hangup_or_error(), "{event:?}");
        poller.reregister(&stream, TOKEN, Interest::WRITABLE).unwrap();
        let event = wait_for_event(&poller, Event::is_writable);
        assert!(!event.is_write_closed(), "{event:?}");
        peer.reset().unwrap();
        drop(peer);
        wait_for_event(&poller, Event::is_write_closed);
    }
}

#[test]
fn a_pipe_without_a_reader_takes_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    let poller = Poller::new().unwrap();
    poller.register(&writer, TOKEN, Interest::WRITABLE).unwrap();
    let event = wait_for_event(&poller, Event::is_writable);
    assert!(!event.is_write_closed(), "{event:?}");
    drop(reader);
    wait_for_event(&poller, Event::is_write_closed);
}

#[test]
fn one_shot_is_reported_once_and_again_when_it_is_asked_for() {
    for (stream, peer) in pairs() {
        let poller = Poller::new().unwrap();
        peer.send(b"x").unwrap();
        for (interest, is_so) in [
            (Interest::READABLE, Event::is_readable as fn(&Event) -> bool),
            (Interest::WRITABLE, Event::is_writable),
        ] {
            let interest = interest.one_shot();
            poller.register(&stream, TOKEN, interest).unwrap();
            for _ in 0..2 {
                let events = poll(&poller, DEADLINE);
                assert!(events.len() == 1 && is_so(&events[0]), "{events:?}");
                peer.send(b"more").unwrap();
                assert!(is_silent(&poller));
                let error = poller.register(&stream, TOKEN, interest).unwrap_err();
                assert_eq!(error.raw_os_error(), Some(Errno::EEXIST as i32), "it is still there");
                poller.deregister(&stream).unwrap_or_else(|error| panic!("{interest:?}: {error}"));
                poller.register(&stream, TOKEN, Interest::HANGUP).unwrap();
                poller.reregister(&stream, TOKEN, interest).unwrap();
            }
            poller.deregister(&stream).unwrap();
        }
    }
}

#[test]
fn who_waits_for_input_is_told_of_a_reset() {
    let (peer, stream) = connect(&listener());
    let poller = Poller::new().unwrap();
    poller.register(&stream, TOKEN, Interest::READABLE).unwrap();
    Stream::from(peer).reset().unwrap();
    let events = poll(&poller, DEADLINE);
    assert!(events.iter().any(Event::is_readable), "{events:?}");
    assert!(stream.recv(&mut [0; 8]).is_err());
}

#[test]
fn a_second_registration_is_refused() {
    let (_left, right) = UnixStream::pair().unwrap();
    let poller = Poller::new().unwrap();
    for interest in [Interest::READABLE, Interest::WRITABLE, Interest::HANGUP] {
        poller.register(&right, TOKEN, interest).unwrap();
        let error = poller.register(&right, TOKEN, Interest::READABLE).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(Errno::EEXIST as i32), "{interest:?}");
        poller.deregister(&right).unwrap();
    }
}

#[test]
fn what_is_not_registered_cannot_be_changed() {
    let (mut left, right) = UnixStream::pair().unwrap();
    left.write_all(b"x").unwrap();
    let poller = Poller::new().unwrap();
    let absent = Some(Errno::ENOENT as i32);
    for interest in [Interest::READABLE, Interest::WRITABLE, Interest::HANGUP] {
        let error = poller.reregister(&right, TOKEN, interest).unwrap_err();
        assert_eq!(error.raw_os_error(), absent, "{interest:?}");
        assert_eq!(poller.deregister(&right).unwrap_err().raw_os_error(), absent);
        assert!(is_silent(&poller));
    }
}

#[test]
fn every_change_of_the_interest_holds() {
    let (mut left, right) = UnixStream::pair().unwrap();
    left.write_all(b"x").unwrap();
    let poller = Poller::new().unwrap();
    let interests = [
        Interest::READABLE,
        Interest::WRITABLE,
        Interest::READABLE | Interest::WRITABLE,
        Interest::HANGUP,
    ];
    poller.register(&right, TOKEN, interests[0]).unwrap();
    for from in interests {
        for to in interests {
            poller.reregister(&right, TOKEN, from).unwrap();
            poller.reregister(&right, Token(8), to).unwrap();
            // Twice, since both are reported again until they are dealt with.
            for _ in 0..2 {
                let events = poll(&poller, Duration::ZERO);
                assert!(events.iter().all(|event| event.token() == Token(8)), "{events:?}");
                let (reads, writes) =
                    (events.iter().any(Event::is_readable), events.iter().any(Event::is_writable));
                let expected = (to.is_readable(), to.is_writable());
                assert_eq!((reads, writes), expected, "{from:?}, then {to:?}");
            }
        }
    }
}

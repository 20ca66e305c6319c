//! What a poller reports of a socket, and which registrations it refuses, on every system.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

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

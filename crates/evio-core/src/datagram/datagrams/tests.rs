use std::net::UdpSocket as StdSocket;
use std::time::Duration;

use evio_sys::net::UdpSocket;
use evio_sys::{Events, clock};

use super::*;

fn bound() -> BoundUdp {
    let socket = UdpSocket::try_from(StdSocket::bind("127.0.0.1:0").unwrap()).unwrap();
    BoundUdp::new(7, socket)
}

/// Waits until a socket has a datagram.
fn wait(poller: &Poller) {
    let mut events = Events::with_capacity(1);
    poller.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
    assert_eq!(events.len(), 1);
}

#[test]
fn a_socket_that_gives_nothing_is_left_alone_and_asked_again() {
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    datagrams.add(bound(), &poller).unwrap();
    let mut buffer = [0; 16];
    for _ in 0..MAX_FAILURES {
        assert!(datagrams.first_end().is_none());
        let reception = datagrams.receive(0, true, &mut buffer, &poller);
        assert!(matches!(reception, Reception::Done), "{reception:?}");
    }
    let end = datagrams.first_end().expect("it backs off");
    datagrams.resume_due(&poller, end - Duration::from_millis(1));
    assert_eq!(datagrams.first_end(), Some(end));
    datagrams.resume_due(&poller, end);
    assert_eq!(datagrams.first_end(), None);
    let reader = datagrams.get(0).unwrap().socket().local_addr().unwrap();
    StdSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", reader).unwrap();
    // It is polled again.
    wait(&poller);
    let reception = datagrams.receive(0, true, &mut buffer, &poller);
    assert!(matches!(reception, Reception::Datagram(Received { len: 1, .. })), "{reception:?}");
}

#[test]
fn the_first_to_back_off_is_the_first_to_come_back() {
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    let now = clock::now();
    for _ in 0..2 {
        datagrams.add(bound(), &poller).unwrap();
    }
    datagrams.back_off(0, &poller);
    datagrams.back_off(1, &poller);
    let later = now + Duration::from_secs(3600);
    datagrams.sockets[1].backoff_end = Some(later);
    datagrams.resume_due(&poller, now + Duration::from_secs(1));
    assert_eq!(datagrams.sockets[0].backoff_end, None);
    assert_eq!(datagrams.first_end(), Some(later));
}

#[test]
fn the_outbox_is_bounded_and_what_is_dropped_is_not_sent() {
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    datagrams.add(bound(), &poller).unwrap();
    let receiver = StdSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let peer = receiver.local_addr().unwrap();
    datagrams.send_later(0, b"dropped", peer, None);
    datagrams.drop_output();
    assert!(!datagrams.has_output());
    for _ in 0..300 {
        datagrams.send_later(0, &[0; 60_000], peer, None);
    }
    let held = datagrams.outbox.len();
    assert!(held > 16_000_000 && held <= 16 << 20, "{held} bytes");
    datagrams.drop_output();
    datagrams.send_now(0, b"now", peer, None);
    let mut byte = [0; 8];
    assert_eq!(receiver.recv(&mut byte).unwrap(), 3, "the first that was sent");
}

#[test]
fn sockets_are_found_and_stopped_by_their_address() {
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    datagrams.add(bound(), &poller).unwrap();
    assert_eq!(datagrams.find(|bound| bound.address_index() == 7), Some(0));
    datagrams.stop(Some(8), &poller);
    assert_eq!(datagrams.find(|_| true), Some(0));
    datagrams.stop(None, &poller);
    assert_eq!(datagrams.find(|_| true), None);
    let reception = datagrams.receive(0, true, &mut [0; 4], &poller);
    assert!(matches!(reception, Reception::Done), "{reception:?}");
}

#[test]
fn a_socket_that_is_of_no_use_any_more_is_given_up_with_what_it_was_to_send() {
    // EBADF.
    let error = io::Error::from_raw_os_error(9);
    assert!(is_defunct(&error));
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    for _ in 0..2 {
        datagrams.add(bound(), &poller).unwrap();
    }
    let other = datagrams.get(1).unwrap().socket().local_addr().unwrap();
    let receiver = StdSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let peer = receiver.local_addr().unwrap();
    datagrams.send_later(0, b"lost", peer, None);
    datagrams.send_later(1, b"sent", peer, None);
    let reception = datagrams.receive_failed(0, error, &poller);
    assert!(matches!(reception, Reception::Failed(7, _)), "{reception:?}");
    let mut buffer = [0; 8];
    let reception = datagrams.receive(0, true, &mut buffer, &poller);
    assert!(matches!(reception, Reception::Done), "{reception:?}");
    // One that comes to its place does not send for it.
    datagrams.add(bound(), &poller).unwrap();
    assert!(datagrams.get(0).is_some());
    datagrams.flush();
    let (len, sender) = receiver.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..len], sender), (&b"sent"[..], other));
}

#[test]
fn one_error_is_no_reason_to_stop_and_many_in_a_row_are() {
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    datagrams.add(bound(), &poller).unwrap();
    let reader = datagrams.get(0).unwrap().socket().local_addr().unwrap();
    let sender = StdSocket::bind("127.0.0.1:0").unwrap();
    let mut buffer = [0; 8];
    for is_empty in [false, true] {
        for _ in 1..MAX_FAILURES {
            let error = io::ErrorKind::ConnectionRefused.into();
            let reception = datagrams.receive_failed(0, error, &poller);
            assert!(matches!(reception, Reception::Again), "{reception:?}");
        }
        // A datagram, and that there is none after others, are both a success.
        if is_empty {
            datagrams.receive(0, false, &mut buffer, &poller);
        } else {
            sender.send_to(b"x", reader).unwrap();
            wait(&poller);
            let reception = datagrams.receive(0, false, &mut buffer, &poller);
            assert!(matches!(reception, Reception::Datagram(_)), "{reception:?}");
        }
    }
    assert_eq!(datagrams.first_end(), None);
    for number in 1..=MAX_FAILURES {
        let error = io::ErrorKind::ConnectionRefused.into();
        let reception = datagrams.receive_failed(0, error, &poller);
        assert_eq!(matches!(reception, Reception::Done), number == MAX_FAILURES, "{reception:?}");
    }
    assert!(datagrams.first_end().is_some());
}

#[test]
fn a_turn_with_too_much_to_send_takes_no_more_datagrams() {
    let poller = Poller::new().unwrap();
    let mut datagrams = Datagrams::default();
    datagrams.add(bound(), &poller).unwrap();
    let reader = datagrams.get(0).unwrap().socket().local_addr().unwrap();
    let sender = StdSocket::bind("127.0.0.1:0").unwrap();
    for number in 0..2 {
        sender.send_to(&[number], reader).unwrap();
    }
    wait(&poller);
    while !datagrams.outbox.is_full() {
        datagrams.send_later(0, &[0; 60_000], reader, None);
    }
    let mut buffer = [9; 8];
    let reception = datagrams.receive(0, true, &mut buffer, &poller);
    assert!(matches!(reception, Reception::Datagram(_)), "one is: {reception:?}");
    let reception = datagrams.receive(0, false, &mut buffer, &poller);
    assert!(matches!(reception, Reception::Done), "{reception:?}");
    datagrams.drop_output();
    wait(&poller);
    let reception = datagrams.receive(0, false, &mut buffer, &poller);
    assert!(matches!(reception, Reception::Datagram(_)), "{reception:?}");
    assert_eq!(buffer[0], 1, "it was left where it was");
}

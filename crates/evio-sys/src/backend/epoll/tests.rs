//! What only Linux has, and what its limits are.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::getsockopt;

use super::*;
use crate::net::{ListenOptions, Listener, Stream};

#[test]
fn a_backlog_beyond_the_default_limit_is_left_to_the_kernel() {
    for (asked, expected) in [(0, 0), (100, 100), (4096, 4096), (4097, -1), (u16::MAX, -1)] {
        assert_eq!(i32::from(backlog(asked)), expected, "{asked}");
    }
}

#[test]
fn a_paused_socket_reports_once_that_the_connection_is_broken() {
    let (left, right) = UnixStream::pair().unwrap();
    let selector = Selector::new().unwrap();
    let mut events = EventBuffer::with_capacity(4);
    selector.register(right.as_fd(), Token(1), Interest::HANGUP).unwrap();
    selector.wait(&mut events, Some(Duration::ZERO)).unwrap();
    assert_eq!(events.len(), 0);
    drop(left);
    selector.wait(&mut events, None).unwrap();
    assert_eq!(events.len(), 1);
    assert!(events.get(0).is_broken() && !events.get(0).is_readable());
    selector.wait(&mut events, Some(Duration::ZERO)).unwrap();
    assert_eq!(events.len(), 0);
    selector.reregister(right.as_fd(), Token(1), Interest::READABLE).unwrap();
    selector.wait(&mut events, None).unwrap();
    assert!(events.get(0).is_readable());
}

#[test]
fn what_is_not_registered_as_it_should_be_is_an_error() {
    let (_left, right) = UnixStream::pair().unwrap();
    let selector = Selector::new().unwrap();
    assert!(selector.deregister(right.as_fd()).is_err());
    assert!(selector.reregister(right.as_fd(), Token(1), Interest::READABLE).is_err());
    selector.register(right.as_fd(), Token(1), Interest::READABLE).unwrap();
    assert!(selector.register(right.as_fd(), Token(1), Interest::READABLE).is_err());
}

#[test]
fn keepalive_has_its_times_and_what_the_system_refuses_is_an_error() {
    let socket = open_socket(AddressFamily::Inet, SockType::Stream).unwrap();
    let (idle, interval) = (Duration::from_secs(41), Duration::from_millis(1));
    let keepalive = Keepalive { idle, interval, count: 7 };
    set_keepalive(socket.as_fd(), &keepalive).unwrap();
    assert!(getsockopt(&socket, sockopt::KeepAlive).unwrap());
    assert_eq!(getsockopt(&socket, sockopt::TcpKeepIdle).unwrap(), 41);
    assert_eq!(getsockopt(&socket, sockopt::TcpKeepInterval).unwrap(), 1, "rounded up");
    assert_eq!(getsockopt(&socket, sockopt::TcpKeepCount).unwrap(), 7);
    let refused = set_keepalive(socket.as_fd(), &Keepalive { count: 0, ..keepalive });
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::InvalidInput);
}

#[test]
fn timeouts_round_up_and_saturate() {
    let cases = [
        (Duration::ZERO, 0),
        (Duration::from_nanos(1), 1),
        (Duration::from_millis(1), 1),
        (Duration::from_micros(1_001), 2),
        (Duration::from_millis(i32::MAX as u64), i32::MAX),
        (Duration::MAX, i32::MAX),
    ];
    for (timeout, expected) in cases {
        assert_eq!(i32::from(milliseconds(Some(timeout))), expected, "{timeout:?}");
    }
    assert_eq!(milliseconds(None), EpollTimeout::NONE);
}

#[test]
fn a_user_timeout_is_inherited_from_the_listener_and_can_be_taken_back() {
    let address = ([127, 0, 0, 1], 0).into();
    let listener = Listener::tcp(address, &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let accept = || {
        let client = TcpStream::connect(address).unwrap();
        let selector = Selector::new().unwrap();
        selector.register(listener.as_fd(), Token(0), Interest::READABLE).unwrap();
        selector.wait(&mut EventBuffer::with_capacity(1), None).unwrap();
        (client, listener.accept().unwrap().0)
    };
    let timeout_of = |stream: &Stream| getsockopt(stream, sockopt::TcpUserTimeout).unwrap();
    listener.set_user_timeout(Some(Duration::from_millis(1_234))).unwrap();
    let (_client, stream) = accept();
    assert_eq!(timeout_of(&stream), 1_234);
    stream.set_user_timeout(Some(Duration::from_micros(1))).unwrap();
    assert_eq!(timeout_of(&stream), 1, "rounded up");
    stream.set_user_timeout(Some(Duration::MAX)).unwrap();
    assert_eq!(timeout_of(&stream), i32::MAX as u32);
    stream.set_user_timeout(None).unwrap();
    assert_eq!(timeout_of(&stream), 0);
    listener.set_user_timeout(None).unwrap();
    let (_client, stream) = accept();
    assert_eq!(timeout_of(&stream), 0);
}

#[test]
fn a_unix_socket_has_no_user_timeout() {
    let (_left, right) = UnixStream::pair().unwrap();
    Stream::from(right).set_user_timeout(Some(Duration::from_secs(1))).unwrap();
}

#[test]
fn an_exclusive_registration_can_be_ended_but_not_changed() {
    let (_left, right) = UnixStream::pair().unwrap();
    let selector = Selector::new().unwrap();
    for interest in [Interest::READABLE, Interest::READABLE.edge(), Interest::HANGUP] {
        selector.register(right.as_fd(), Token(1), interest.exclusive()).unwrap();
        assert!(selector.reregister(right.as_fd(), Token(1), interest).is_err());
        selector.deregister(right.as_fd()).unwrap();
        selector.register(right.as_fd(), Token(1), interest).unwrap();
        assert!(selector.reregister(right.as_fd(), Token(1), interest.exclusive()).is_err());
        selector.deregister(right.as_fd()).unwrap();
    }
}

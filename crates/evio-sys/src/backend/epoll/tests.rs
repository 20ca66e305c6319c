//! Calls and options that only Linux has, and their limits.

use std::net::{TcpListener, TcpStream, UdpSocket as StdUdpSocket};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::sys::socket::{SetSockOpt, SockProtocol, TimestampingFlag, getsockopt};

use super::*;
use crate::net::{ListenOptions, Listener, Stream, UdpSocket};

#[test]
fn a_connection_inherits_the_times_of_keep_alive() {
    let keepalive = Keepalive { idle: Duration::from_secs(41), count: 7, ..Keepalive::default() };
    let options = ListenOptions::default().keepalive(keepalive);
    let listener = Listener::tcp(([127, 0, 0, 1], 0).into(), &options).unwrap();
    let _client = TcpStream::connect(listener.local_addr().unwrap().as_inet().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    assert!(getsockopt(&stream, sockopt::KeepAlive).unwrap());
    assert_eq!(getsockopt(&stream, sockopt::TcpKeepIdle).unwrap(), 41);
    assert_eq!(getsockopt(&stream, sockopt::TcpKeepInterval).unwrap(), 75);
    assert_eq!(getsockopt(&stream, sockopt::TcpKeepCount).unwrap(), 7);
}

#[test]
fn a_paused_socket_reports_a_hangup_once() {
    let (left, right) = UnixStream::pair().unwrap();
    let selector = Selector::new().unwrap();
    let mut events = EventBuffer::with_capacity(4);
    selector.register(right.as_fd(), Token(1), Interest::HANGUP).unwrap();
    selector.wait(&mut events, Some(Duration::ZERO)).unwrap();
    assert_eq!(events.len(), 0);
    drop(left);
    selector.wait(&mut events, None).unwrap();
    assert_eq!(events.len(), 1);
    assert!(events.get(0).is_hangup_or_error() && !events.get(0).is_readable());
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
fn a_user_timeout_is_rounded_up_and_can_be_taken_back() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let stream = Stream::from(client);
    let timeout_of = |stream: &Stream| getsockopt(stream, sockopt::TcpUserTimeout).unwrap();
    stream.set_user_timeout(Some(Duration::from_micros(1))).unwrap();
    assert_eq!(timeout_of(&stream), 1, "rounded up");
    stream.set_user_timeout(Some(Duration::MAX)).unwrap();
    assert_eq!(timeout_of(&stream), i32::MAX as u32);
    stream.set_user_timeout(None).unwrap();
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

/// Returns what is reported of a socket, which something is awaited of if `waits`.
fn report(socket: &impl AsFd, waits: bool) -> Option<Event> {
    let selector = Selector::new().unwrap();
    let mut events = EventBuffer::with_capacity(1);
    selector.register(socket.as_fd(), Token(0), Interest::READABLE).unwrap();
    let timeout = Duration::from_secs(if waits { 10 } else { 0 });
    selector.wait(&mut events, Some(timeout)).unwrap();
    (events.len() > 0).then(|| events.get(0))
}

/// An address where nothing is received. The socket keeps others from it, and takes datagrams of
/// its one peer only.
fn deserted(host: &str) -> (StdUdpSocket, std::net::SocketAddr) {
    let socket = StdUdpSocket::bind(format!("{host}:0")).unwrap();
    socket.connect(format!("{host}:1")).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// With each of the options, a datagram to a deserted address leaves a message on the error queue.
#[test]
fn the_error_queue_of_a_udp_socket_that_was_taken_over_is_silent() {
    let (_held, nobody) = deserted("127.0.0.1");
    let (_held_v6, nobody_v6) = deserted("[::1]");
    let mapped = format!("[::ffff:127.0.0.1]:{}", nobody.port()).parse().unwrap();
    type Set = fn(&StdUdpSocket) -> nix::Result<()>;
    let recv_err: Set = |socket| setsockopt(socket, sockopt::Ipv4RecvErr, &true);
    let recv_err_v6: Set = |socket| setsockopt(socket, sockopt::Ipv6RecvErr, &true);
    let timestamps: Set = |socket| {
        let sent = TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE;
        let told = sent | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
        sockopt::Timestamping.set(socket, &told)
    };
    let cases = [
        ("127.0.0.1:0", nobody, recv_err),
        ("[::1]:0", nobody_v6, recv_err_v6),
        ("[::]:0", mapped, recv_err),
        ("127.0.0.1:0", nobody, timestamps),
    ];
    for (address, nobody, set) in cases {
        let socket = StdUdpSocket::bind(address).unwrap();
        set(&socket).unwrap();
        socket.send_to(b"x", nobody).unwrap();
        assert!(
            report(&socket, true).unwrap().is_hangup_or_error(),
            "{address}: the error is queued"
        );
        let mut socket = UdpSocket::try_from(socket).unwrap();
        assert_eq!(report(&socket, false), None, "{address}: the error is gone");

        socket.send_to(b"x", nobody).unwrap();
        assert_eq!(report(&socket, false), None, "{address}: there are no others");
        let own = socket.local_addr().unwrap();
        let own = (nobody.ip(), own.port()).into();
        socket.send_to(b"hello", own).unwrap();
        let event = report(&socket, true).unwrap();
        assert!(event.is_readable() && !event.is_hangup_or_error(), "{address}: {event:?}");
        assert_eq!(socket.recv_from(&mut [0; 8]).unwrap().len, 5);
        assert_eq!(report(&socket, false), None, "{address}");
    }
}

#[test]
fn the_error_queue_of_a_stream_that_was_taken_over_is_silent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let told = TimestampingFlag::SOF_TIMESTAMPING_TX_SOFTWARE;
    sockopt::Timestamping.set(&stream, &told).unwrap();
    std::io::Write::write_all(&mut &stream, b"x").unwrap();
    assert!(report(&stream, true).unwrap().is_hangup_or_error(), "a timestamp is queued");
    let stream = Stream::from(stream);
    stream.take_over().unwrap();
    stream.send(b"x").unwrap();
    assert_eq!(report(&stream, false), None);
}

#[test]
fn a_udp_socket_that_merges_datagrams_is_refused() {
    type Set = fn(&StdUdpSocket) -> nix::Result<()>;
    let options: [(&str, Set); 3] = [
        ("UDP_GRO", |socket| setsockopt(socket, sockopt::UdpGroSegment, &true)),
        ("UDP_SEGMENT", |socket| setsockopt(socket, sockopt::UdpGsoSegment, &100)),
        ("UDP_CORK", |socket| setsockopt(socket, options::UdpCork, &1)),
    ];
    for (name, set) in options {
        let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
        set(&socket).unwrap();
        let error = UdpSocket::try_from(socket).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with(name), "{error}");
    }
}

/// A socket of our own does not receive the groups that others joined; one that was taken over
/// does, or does not, as it was set.
#[test]
fn multicast_stays_as_it_was_set_on_a_socket_that_was_taken_over() {
    type All = fn(&dyn AsFd) -> i32;
    let v4: All = |socket| getsockopt(&socket.as_fd(), options::IpMulticastAll).unwrap();
    let v6: All = |socket| getsockopt(&socket.as_fd(), options::Ipv6MulticastAll).unwrap();
    for (address, all) in [("0.0.0.0:0", v4), ("[::]:0", v6)] {
        let theirs = StdUdpSocket::bind(address).unwrap();
        assert_eq!(all(&theirs), 1);
        assert_eq!(all(&UdpSocket::try_from(theirs).unwrap()), 1);
        let ours = UdpSocket::bind(address.parse().unwrap(), &ListenOptions::default()).unwrap();
        assert_eq!(all(&ours), 0);
    }
}

/// Not everybody may make one, nor does every system have the other.
#[test]
fn a_socket_of_another_protocol_is_refused() {
    let flags = SockFlag::empty();
    let socket = |kind, protocol| socket::socket(AddressFamily::Inet, kind, flags, protocol);
    if let Ok(ping) = socket(SockType::Datagram, Some(SockProtocol::Icmp)) {
        let error = UdpSocket::try_from(StdUdpSocket::from(ping)).unwrap_err();
        assert_eq!(error.to_string(), "not a UDP socket: its protocol is number 1");
    }
    if let Ok(sctp) = socket(SockType::Stream, Some(SockProtocol::Sctp)) {
        let error = Stream::from(TcpStream::from(sctp)).take_over().unwrap_err();
        assert_eq!(error.to_string(), "not a TCP socket: its protocol is number 132");
    }
    let udp = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    assert_eq!(protocol(udp.as_fd()), Some(libc::IPPROTO_UDP));
}

/// The socket may have been set to tell more than is asked for here.
#[test]
fn a_local_address_is_told_beside_what_else_a_socket_tells() {
    let socket = StdUdpSocket::bind("[::]:0").unwrap();
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
    let mut socket = UdpSocket::try_from(socket).unwrap();
    let port = socket.local_addr().unwrap().port();
    socket.send_to(b"x", ([127, 0, 0, 1], port).into()).unwrap();
    report(&socket, true).unwrap();
    let received = socket.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(received.local, Some([127, 0, 0, 1].into()));
}

//! Sockets that somebody else has made.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::net::{TcpListener, TcpStream, UdpSocket as StdUdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};

use evio_sys::net::{Listener, Stream, UdpSocket};
use nix::libc::linger;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, getsockopt, listen, setsockopt,
    socket, sockopt,
};

use util::{connect, listener};

/// A socket file that is removed when the test ends.
struct SocketFile(std::path::PathBuf);

impl SocketFile {
    fn new(name: &str) -> Self {
        let name = format!("evio-sys-taken-over-{}-{name}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Listens with a Unix socket that keeps messages apart, which not every system has.
fn packet_listener(file: &SocketFile) -> Option<OwnedFd> {
    let flags = SockFlag::empty();
    let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).ok()?;
    bind(socket.as_raw_fd(), &UnixAddr::new(&file.0).unwrap()).unwrap();
    listen(&socket, Backlog::new(1).unwrap()).unwrap();
    Some(socket)
}

/// Descriptors of every kind, by name.
fn descriptors() -> Vec<(&'static str, OwnedFd)> {
    let file = SocketFile::new("all");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut all = vec![
        ("tcp stream", TcpStream::connect(tcp.local_addr().unwrap()).unwrap().into()),
        ("tcp listener", tcp.into()),
        ("udp", StdUdpSocket::bind("127.0.0.1:0").unwrap().into()),
        ("unix listener", UnixListener::bind(&file.0).unwrap().into()),
        ("unix stream", UnixStream::pair().unwrap().0.into()),
        ("unix datagrams", UnixDatagram::pair().unwrap().0.into()),
        ("file", File::open("/dev/null").unwrap().into()),
    ];
    let file = SocketFile::new("packets");
    all.extend(packet_listener(&file).map(|socket| ("packet listener", socket)));
    all
}

/// macOS does not tell whether a socket listens, so there some are taken over that should not be.
fn tells_listeners_apart() -> bool {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    getsockopt(&listener, sockopt::AcceptConn).is_ok()
}

/// Checks that of all descriptors only those with these names are taken over.
#[track_caller]
fn check(wanted: &[&str], take_over: impl Fn(OwnedFd) -> io::Result<()>) {
    let transport = wanted[0].split(' ').next().unwrap();
    for (name, descriptor) in descriptors() {
        if !tells_listeners_apart() && name.starts_with(transport) {
            continue;
        }
        let result = take_over(descriptor);
        if wanted.contains(&name) {
            result.unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        } else {
            let error = result.expect_err(name);
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{name}: {error}");
        }
    }
}

#[test]
fn a_socket_of_another_kind_is_refused() {
    check(&["tcp listener"], |fd| Listener::try_from(TcpListener::from(fd)).map(drop));
    check(&["unix listener"], |fd| Listener::try_from(UnixListener::from(fd)).map(drop));
    check(&["udp"], |fd| UdpSocket::try_from(StdUdpSocket::from(fd)).map(drop));
    check(&["tcp stream"], |fd| Stream::from(TcpStream::from(fd)).take_over());
    check(&["unix stream"], |fd| Stream::from(UnixStream::from(fd)).take_over());
}

#[test]
fn a_refusal_says_what_the_socket_is() {
    let file = SocketFile::new("words");
    let Some(packets) = packet_listener(&file) else { return };
    let error = Listener::try_from(UnixListener::from(packets)).unwrap_err();
    assert_eq!(error.to_string(), "not a Unix stream socket: its type is SeqPacket");
    let socket = StdUdpSocket::bind("127.0.0.1:0").unwrap();
    let error = Listener::try_from(TcpListener::from(OwnedFd::from(socket))).unwrap_err();
    assert_eq!(error.to_string(), "not a TCP socket: its type is Datagram");
}

/// It would receive nothing.
#[test]
fn a_udp_socket_without_a_port_is_refused() {
    let flags = SockFlag::empty();
    let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None).unwrap();
    let error = UdpSocket::try_from(StdUdpSocket::from(socket)).unwrap_err();
    assert_eq!(error.to_string(), "the socket is not bound");
}

fn set_linger(socket: &impl AsFd, seconds: i32) {
    setsockopt(socket, sockopt::Linger, &linger { l_onoff: 1, l_linger: seconds }).unwrap();
}

fn linger_of(socket: &impl AsFd) -> Option<i32> {
    let linger = getsockopt(socket, sockopt::Linger).unwrap();
    (linger.l_onoff != 0).then_some(linger.l_linger)
}

/// A close with `SO_LINGER` waits for the peer, although the socket is non-blocking.
#[test]
fn a_close_never_waits() {
    for (seconds, expected) in [(3, None), (0, Some(0))] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        set_linger(&socket, seconds);
        let (_client, accepted) = connect(&Listener::try_from(socket).unwrap());
        assert_eq!(linger_of(&accepted), expected, "accepted, {seconds} s");

        let (client, _accepted) = connect(&listener());
        set_linger(&client, seconds);
        let stream = Stream::from(client);
        stream.take_over().unwrap();
        assert_eq!(linger_of(&stream), expected, "connected, {seconds} s");
    }
}

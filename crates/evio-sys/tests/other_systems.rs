//! What differs in other systems' calls, on Linux: each test runs once more by itself, with a
//! library preloaded whose calls do what theirs do.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "other_systems/elsewhere.rs"]
mod elsewhere;
mod util;

use std::env;
use std::fs;
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

use evio_sys::Interest;
use evio_sys::net::{
    AcceptError, ListenOptions, Listener, Stream, UdpSocket, UnixName, is_unavailable,
};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket,
};

use elsewhere::{backlogs, is_on};
use util::{address_of, listener, wait_for};

/// macOS accepts it, with an address of no length. That concerns the connection, not the listener.
#[test]
fn a_connection_that_was_reset_before_it_is_accepted_concerns_nobody_else() {
    if evio_sys::BACKEND == "epoll" {
        return println!("left out on epoll: each connection has an address");
    }
    if !is_on("macos", "a_connection_that_was_reset_before_it_is_accepted_concerns_nobody_else") {
        return;
    }
    let listener = listener();
    let client = TcpStream::connect(address_of(&listener)).unwrap();
    Stream::from(client).reset().unwrap();
    let _client = TcpStream::connect(address_of(&listener)).unwrap();
    wait_for(&listener, Interest::READABLE);
    let error = listener.accept().unwrap_err();
    assert!(matches!(error, AcceptError::Connection(_)), "{error:?}");
    assert!(listener.accept().is_ok());
}

/// Connects until no more may wait to be accepted. Returns those that wait, and the error.
fn fill(path: &Path) -> (Vec<OwnedFd>, Errno) {
    let address = UnixAddr::new(path).unwrap();
    let mut waiting = Vec::new();
    loop {
        let client =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
        fcntl(&client, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        match connect(client.as_raw_fd(), &address) {
            Ok(()) => waiting.push(client),
            Err(errno) => return (waiting, errno),
        }
        assert!(waiting.len() < 1_000, "the backlog has no end");
    }
}

/// A connection to it is refused on the BSDs, as if nobody listened; its place is not free.
#[test]
fn a_unix_socket_with_a_full_backlog_is_alive() {
    if !is_on("bsd", "a_unix_socket_with_a_full_backlog_is_alive") {
        return;
    }
    let path = env::temp_dir().join(format!("evio-sys-full-{}", process::id()));
    let listen = || Listener::unix(UnixName::Path(&path), &ListenOptions::default().backlog(1));
    let _listener = listen().unwrap();
    let (_waiting, refused) = fill(&path);
    assert_eq!(refused, Errno::ECONNREFUSED);
    assert_eq!(listen().unwrap_err().kind(), ErrorKind::AddrInUse);
}

/// There a datagram is refused whatever the type of the other socket is.
#[test]
fn a_live_unix_socket_is_alive_in_gvisor() {
    if !is_on("gvisor", "a_live_unix_socket_is_alive_in_gvisor") {
        return;
    }
    let path = env::temp_dir().join(format!("evio-sys-gvisor-{}", process::id()));
    let listen = || Listener::unix(UnixName::Path(&path), &ListenOptions::default());
    let listener = listen().unwrap();
    let address = UnixAddr::new(&path).unwrap();
    let client = socket(AddressFamily::Unix, SockType::Datagram, SockFlag::empty(), None).unwrap();
    assert_eq!(connect(client.as_raw_fd(), &address), Err(Errno::ECONNREFUSED));
    assert_eq!(listen().unwrap_err().kind(), ErrorKind::AddrInUse);
    drop(listener);
}

const SENDS: [fn(&Stream) -> io::Result<usize>; 3] = [
    |stream| stream.send(&[0; 10_000]),
    |stream| stream.send_vectored(&[IoSlice::new(&[0; 10_000])]),
    |stream| stream.send_before_fin(&[IoSlice::new(&[0; 10_000])]),
];

/// A send waits on a blocking socket there, whatever its flags say, and accept4(2) does not have a
/// connection inherit that its listener is non-blocking.
#[test]
fn no_send_waits_for_a_peer_that_does_not_read_on_netbsd() {
    if evio_sys::BACKEND == "epoll" {
        return println!("left out on epoll: Linux heeds MSG_DONTWAIT on a blocking socket");
    }
    if !is_on("netbsd", "no_send_waits_for_a_peer_that_does_not_read_on_netbsd") {
        return;
    }
    for send in SENDS {
        let path = env::temp_dir().join(format!("evio-sys-netbsd-{}", process::id()));
        let unix = Listener::unix(UnixName::Path(&path), &ListenOptions::default()).unwrap();
        let tcp = listener();
        for listener in [unix, tcp] {
            let (client, _) = Stream::connect(&listener.local_addr().unwrap()).unwrap();
            wait_for(&listener, Interest::READABLE);
            let (accepted, _) = listener.accept().unwrap();
            for stream in [&client, &accepted] {
                assert_waits_for_nothing(stream, send);
            }
        }
        let (left, _right) = UnixStream::pair().unwrap();
        let left = Stream::from(left);
        left.take_over().unwrap();
        assert_waits_for_nothing(&left, send);
    }
    // And this is how a blocking one would: until its time is up.
    let (left, _right) = UnixStream::pair().unwrap();
    let timeout = Duration::from_millis(50);
    left.set_write_timeout(Some(timeout)).unwrap();
    let since = Instant::now();
    while send(left.as_raw_fd(), &[0; 10_000], MsgFlags::MSG_DONTWAIT).is_ok() {}
    assert!(since.elapsed() >= timeout, "the library is not there");
}

#[track_caller]
fn assert_waits_for_nothing(stream: &Stream, send: fn(&Stream) -> io::Result<usize>) {
    let error = loop {
        if let Err(error) = send(stream) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
}

/// The number that a program asks for is the system's to cut.
#[test]
fn a_backlog_is_cut_by_the_system_alone() {
    if !is_on("bsd", "a_backlog_is_cut_by_the_system_alone") {
        return;
    }
    let options = |backlog| ListenOptions::default().backlog(backlog);
    let path = env::temp_dir().join(format!("evio-sys-backlog-{}", process::id()));
    let unix = Listener::unix(UnixName::Path(&path), &options(u16::MAX)).unwrap();
    let any = (Ipv4Addr::LOCALHOST, 0).into();
    let tcp = Listener::tcp(any, &options(5_000)).unwrap();
    Listener::tcp(any, &options(1)).unwrap();
    Listener::tcp(any, &ListenOptions::default()).unwrap();
    assert_eq!(backlogs(), [65_535, 5_000, 1, 4_096]);
    // Linux lets one more wait than it was told.
    let (waiting, _) = fill(&path);
    assert_eq!(waiting.len(), 129);
    for _ in &waiting {
        unix.accept().unwrap();
    }
    let connect = |_| TcpStream::connect(address_of(&tcp)).unwrap();
    let waiting: Vec<TcpStream> = (0..128).map(connect).collect();
    for client in &waiting {
        wait_for(&tcp, Interest::READABLE);
        assert_eq!(tcp.accept().unwrap().1, Some(client.local_addr().unwrap()));
    }
}

#[test]
fn a_socket_for_both_families_is_not_available_on_openbsd() {
    if evio_sys::BACKEND == "epoll" {
        return println!("left out on epoll: Linux has such sockets");
    }
    if !is_on("openbsd", "a_socket_for_both_families_is_not_available_on_openbsd") {
        return;
    }
    let v6 = SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0));
    let alone = ListenOptions::default().only_v6(true);
    match Listener::tcp(v6, &alone) {
        Err(error) if is_unavailable(&error) => return println!("left out: there is no IPv6"),
        result => result.map(drop).unwrap(),
    }
    UdpSocket::bind(v6, &alone).map(drop).unwrap();
    let both = ListenOptions::default();
    // A mapped address is one of IPv4, whatever the options say.
    let mapped = SocketAddr::from((Ipv4Addr::LOCALHOST.to_ipv6_mapped(), 0));
    let results = [
        Listener::tcp(v6, &both).map(drop),
        UdpSocket::bind(v6, &both).map(drop),
        Listener::tcp(mapped, &alone).map(drop),
    ];
    for result in results {
        let error = result.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error}");
        assert!(is_unavailable(&error) && error.to_string().contains("ipv6only"), "{error}");
    }
}

/// The signal ends a program in which nobody ignores it, as Rust's own `main` does.
#[test]
fn a_peer_that_has_gone_does_not_end_a_program_of_c() {
    if !is_on("c", "a_peer_that_has_gone_does_not_end_a_program_of_c") {
        return;
    }
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(ignored.trim(), 16).unwrap();
    assert_eq!(ignored & (1 << (Signal::SIGPIPE as libc::c_int - 1)), 0, "SIGPIPE is ignored");
    let gone = || {
        let (left, right) = UnixStream::pair().unwrap();
        drop(left);
        Stream::from(right)
    };
    for send in SENDS {
        assert_eq!(send(&gone()).unwrap_err().kind(), ErrorKind::BrokenPipe);
    }
    assert_eq!(gone().write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
}

//! What a stream tells of itself, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use evio_sys::Interest;
use evio_sys::net::{ListenOptions, Listener, Stream, UnixName};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::signal::{SigSet, Signal};

use util::{DEADLINE, connect, listener, wait_for, wait_until};

/// One end of std, which waits, and one of ours.
trait Peer: Read + Write + Send {}
impl Peer for TcpStream {}
impl Peer for UnixStream {}

fn pairs() -> Vec<(Box<dyn Peer>, Stream)> {
    let (tcp, accepted) = connect(&listener());
    let (unix, other) = UnixStream::pair().unwrap();
    unix.set_read_timeout(Some(DEADLINE)).unwrap();
    other.set_nonblocking(true).unwrap();
    vec![(Box::new(tcp), accepted), (Box::new(unix), Stream::from(other))]
}

#[test]
fn input_is_counted_and_stays() {
    for (mut peer, stream) in pairs() {
        assert!(!stream.has_input().unwrap());
        assert_eq!(stream.input_len().unwrap(), 0);
        let mut sent = 0;
        for piece in [&b"x"[..], b"hello", &[7; 5000]] {
            peer.write_all(piece).unwrap();
            sent += piece.len();
            wait_until(|| stream.input_len().unwrap() >= sent);
            assert!(stream.has_input().unwrap());
            assert_eq!(stream.input_len().unwrap(), sent);
        }
        assert_eq!(stream.recv(&mut [0; 6]).unwrap(), 6);
        assert_eq!(stream.input_len().unwrap(), sent - 6);
        assert_eq!(stream.recv(&mut [0; 8000]).unwrap(), sent - 6);
        assert!(!stream.has_input().unwrap());
        drop(peer);
        wait_for(&stream, Interest::READABLE);
        assert!(stream.has_input().unwrap(), "the end is to be read");
        assert_eq!(stream.input_len().unwrap(), 0, "but it is no byte");
    }
}

/// Sends until there is no room, which for TCP can come back as long as the peer's side fills.
fn fill(stream: &Stream) -> usize {
    let mut sent = 0;
    wait_until(|| match stream.send(&[0; 4096]) {
        Ok(count) => {
            sent += count;
            false
        }
        Err(error) if error.kind() == ErrorKind::WouldBlock => !stream.has_room().unwrap(),
        Err(error) => panic!("{error}"),
    });
    sent
}

#[test]
fn output_is_counted_until_the_peer_has_taken_it() {
    for (mut peer, stream) in pairs() {
        if stream.output_len().is_err_and(|error| error.kind() == ErrorKind::Unsupported) {
            return println!("left out: the system does not tell how much output it holds");
        }
        assert_eq!(stream.output_len().unwrap(), 0);
        let sent = fill(&stream);
        let full = stream.output_len().unwrap();
        assert!(full > 0);
        // A quarter, for which a poller does not report room yet.
        peer.read_exact(&mut vec![0; sent / 4]).unwrap();
        wait_until(|| stream.output_len().unwrap() < full);
        peer.read_exact(&mut vec![0; sent - sent / 4]).unwrap();
        wait_until(|| stream.output_len().unwrap() == 0);
    }
}

#[test]
fn room_is_what_the_poller_reports() {
    for (mut peer, stream) in pairs() {
        assert!(stream.has_room().unwrap());
        let sent = fill(&stream);
        peer.read_exact(&mut vec![0; sent]).unwrap();
        assert!(wait_for(&stream, Interest::WRITABLE).is_writable());
        assert!(stream.has_room().unwrap());
    }
}

/// What fits is not yet what is reported: here a sixteenth of the buffer is free.
#[test]
fn little_room_is_none() {
    if util::left_out_on_kqueue("SO_SNDLOWAT decides what room is") {
        return;
    }
    let (mut peer, stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    let stream = Stream::from(stream);
    let sent = fill(&stream);
    peer.read_exact(&mut vec![0; sent / 16]).unwrap();
    assert!(!stream.has_room().unwrap());
    assert!(stream.send(&[0; 512]).unwrap() > 0);
}

#[test]
fn a_send_that_fails_has_room() {
    for (peer, stream) in pairs() {
        fill(&stream);
        drop(peer);
        wait_for(&stream, Interest::WRITABLE);
        assert!(stream.has_room().unwrap());
        stream.send(b"x").unwrap_err();
    }
}

#[test]
fn both_directions_end_although_another_descriptor_is_open() {
    for (mut peer, stream) in pairs() {
        let inherited = stream.as_fd().try_clone_to_owned().unwrap();
        stream.send(b"last").unwrap();
        stream.shutdown_both().unwrap();
        drop(stream);
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert_eq!(got, b"last");
        drop(inherited);
    }
}

#[test]
fn ending_what_is_gone_is_no_error() {
    for (peer, stream) in pairs() {
        drop(peer);
        for _ in 0..3 {
            stream.shutdown_both().unwrap();
        }
    }
}

#[test]
fn a_stream_is_made_a_socket_of_std_again() {
    for (mut peer, stream) in pairs() {
        let (is_unix, own) = (stream.is_unix(), stream.local_addr().unwrap().to_string());
        let stream = match TcpStream::try_from(stream) {
            Ok(stream) => {
                assert!(!is_unix);
                assert_eq!(stream.local_addr().unwrap().to_string(), own);
                UnixStream::try_from(Stream::from(stream)).expect_err("a TCP socket")
            }
            Err(stream) => {
                assert!(is_unix);
                Stream::from(UnixStream::try_from(stream).unwrap())
            }
        };
        stream.send(b"still here").unwrap();
        let mut got = [0; 10];
        peer.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"still here");
    }
}

/// A call of std waits if the socket does.
#[test]
fn reading_and_writing_wait_unless_the_socket_is_non_blocking() {
    for (mut peer, mut stream) in pairs() {
        stream.set_nonblocking(true).unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"ping").unwrap();
        let echo = std::thread::spawn(move || {
            let mut got = [0; 4];
            peer.read_exact(&mut got).unwrap();
            peer.write_all(&got).unwrap();
        });
        let mut got = [0; 4];
        stream.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"ping");
        echo.join().unwrap();
    }
}

/// The signal is blocked on this thread, so that one which is ignored would stay pending.
#[test]
fn a_send_to_a_peer_that_has_gone_raises_no_signal() {
    if !std::fs::exists("/proc/thread-self/status").unwrap() {
        return println!("left out: the system does not show the signals that are pending");
    }
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGPIPE);
    signals.thread_block().unwrap();
    let is_pending = || {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigPnd:")).unwrap();
        let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
        mask & (1 << (Signal::SIGPIPE as u32 - 1)) != 0
    };
    let sends: [fn(&Stream) -> std::io::Result<usize>; 3] = [
        |stream| stream.send(b"x"),
        |stream| stream.send_vectored(&[IoSlice::new(b"x")]),
        |stream| stream.send_before_fin(&[IoSlice::new(b"x")]),
    ];
    for send in sends {
        let (left, right) = UnixStream::pair().unwrap();
        drop(left);
        assert_eq!(send(&Stream::from(right)).unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(!is_pending());
    }
    // And this is how one would look.
    let (left, right) = UnixStream::pair().unwrap();
    drop(left);
    nix::unistd::write(&right, b"x").unwrap_err();
    assert!(is_pending());
}

#[test]
fn a_connection_that_is_accepted_waits_for_nothing_and_is_closed_on_exec() {
    let path = std::env::temp_dir().join(format!("evio-sys-accepted-{}", std::process::id()));
    let unix = Listener::unix(UnixName::Path(&path), &ListenOptions::default()).unwrap();
    let unix_client = UnixStream::connect(&path).unwrap();
    let (_client, accepted) = connect(&listener());
    for stream in [accepted, unix.accept().unwrap().0] {
        assert_eq!(stream.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        while stream.send(&[0; 65_536]).is_ok() {}
        let flags = FdFlag::from_bits_retain(fcntl(&stream, FcntlArg::F_GETFD).unwrap());
        assert!(flags.contains(FdFlag::FD_CLOEXEC));
        if evio_sys::BACKEND == "kqueue" {
            // NetBSD's send waits on a blocking socket whatever its flags say.
            let flags = OFlag::from_bits_retain(fcntl(&stream, FcntlArg::F_GETFL).unwrap());
            assert!(flags.contains(OFlag::O_NONBLOCK));
        }
    }
    drop(unix_client);
}

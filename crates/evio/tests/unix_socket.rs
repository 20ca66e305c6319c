//! Socket files: replaced only when stale, removed only when ours.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;

use evio::{Action, Error, Events, ListenOptions, Server};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use util::{Client, bind, reports, start, unix_address};

/// A path in the temporary directory that is cleared when the test ends.
struct TempPath(PathBuf);

impl TempPath {
    fn new() -> Self {
        Self(PathBuf::from(unix_address().trim_start_matches("unix://")))
    }

    fn address(&self) -> String {
        format!("unix://{}", self.0.display())
    }
}

impl AsRef<Path> for TempPath {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn is_socket(path: &TempPath) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// Serves one round trip at `path` and ends the server.
#[track_caller]
fn check_served(path: &TempPath, server: Server) {
    let server = start(server, || {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        })
    });
    let stream = UnixStream::connect(path).expect("the server listens at the path");
    stream.set_read_timeout(Some(util::DEADLINE)).expect("the timeout is not zero");
    Client::Unix(stream).echo(b"hello");
    server.stop();
}

/// Checks that nothing is bound at `path`, with an error that says so.
#[track_caller]
fn check_refused(path: &TempPath) {
    let error = Server::bind([path.address()]).expect_err("the path is taken");
    let Error::Bind { address, source } = error else { panic!("{error:?}") };
    assert_eq!(address.to_string(), path.address());
    assert_eq!(source.kind(), io::ErrorKind::AddrInUse, "{source}");
}

#[test]
fn a_socket_file_is_made_and_removed() {
    let path = TempPath::new();
    let server = bind(&path.address());
    assert!(is_socket(&path));
    check_served(&path, server);
    assert!(!path.0.exists());
    drop(bind(&path.address()));
    assert!(!path.0.exists(), "a server that never ran leaves nothing either");
}

#[test]
fn a_stale_socket_file_is_replaced() {
    let path = TempPath::new();
    // Std leaves the file behind, like a process that was killed.
    drop(UnixListener::bind(&path).unwrap());
    assert!(is_socket(&path));
    check_served(&path, bind(&path.address()));
    assert!(!path.0.exists());
}

#[test]
fn a_live_socket_is_left_alone() {
    let path = TempPath::new();
    let listener = UnixListener::bind(&path).unwrap();
    check_refused(&path);
    assert!(is_socket(&path));
    // A probe may have connected, and gone, before us.
    let mut client = UnixStream::connect(&path).unwrap();
    io::Write::write_all(&mut client, b"x").unwrap();
    let answered = listener.incoming().take(2).any(|stream| {
        let mut byte = [0];
        matches!(io::Read::read(&mut stream.unwrap(), &mut byte), Ok(1))
    });
    assert!(answered, "the owner of the socket is still reached");

    let ours = TempPath::new();
    let server = bind(&ours.address());
    check_refused(&ours);
    check_served(&ours, server);
}

#[test]
fn what_is_not_a_socket_is_left_alone() {
    let file = TempPath::new();
    fs::write(&file, "precious").unwrap();
    check_refused(&file);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");

    let directory = TempPath::new();
    fs::create_dir(&directory).unwrap();
    fs::write(directory.0.join("file"), "precious").unwrap();
    check_refused(&directory);
    assert_eq!(fs::read_to_string(directory.0.join("file")).unwrap(), "precious");
}

/// Even a link to a stale socket, which might be replaced itself.
#[test]
fn a_symlink_is_left_alone() {
    let stale = TempPath::new();
    drop(UnixListener::bind(&stale).unwrap());
    let live = TempPath::new();
    let server = bind(&live.address());
    let file = TempPath::new();
    fs::write(&file, "precious").unwrap();
    let directory = TempPath::new();
    fs::create_dir(&directory).unwrap();
    let missing = TempPath::new();
    for target in [&stale, &live, &file, &directory, &missing] {
        let link = TempPath::new();
        symlink(target, &link).unwrap();
        check_refused(&link);
        assert_eq!(fs::read_link(&link).unwrap(), target.0);
    }
    assert!(is_socket(&stale));
    check_served(&live, server);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
    assert!(directory.0.is_dir());
    assert!(!missing.0.exists(), "nothing is made at the end of a dangling link");
}

/// What a datagram socket is bound to is not ours to replace, be its owner alive or not: nobody
/// can tell by connecting.
#[test]
fn a_datagram_socket_is_left_alone() {
    let path = TempPath::new();
    let theirs = UnixDatagram::bind(&path).unwrap();
    check_refused(&path);
    let client = UnixDatagram::unbound().unwrap();
    client.send_to(b"still here", &path).unwrap();
    assert_eq!(theirs.recv(&mut [0; 16]).unwrap(), 10);
}

/// It is busy, not dead: a full backlog is no reason to take its place. The BSDs refuse a
/// connection then, as if nobody were there.
#[test]
fn a_live_socket_with_a_full_backlog_is_left_alone() {
    let path = TempPath::new();
    let options = ListenOptions::default().backlog(1);
    let server = Server::bind_with(&options, [path.address()]).unwrap();
    let try_connect = || {
        let flags = SockFlag::empty();
        let client = socket(AddressFamily::Unix, SockType::Stream, flags, None).unwrap();
        fcntl(&client, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
        let address = UnixAddr::new(&path.0).unwrap();
        (connect(client.as_raw_fd(), &address), client)
    };
    let mut waiting = Vec::new();
    let refused = loop {
        match try_connect() {
            (Ok(()), client) => waiting.push(client),
            (Err(error), _) => break error,
        }
        assert!(waiting.len() < 1_000, "the backlog has no end");
    };
    assert!([Errno::EAGAIN, Errno::ECONNREFUSED].contains(&refused), "{refused}");
    check_refused(&path);
    drop(waiting);
    check_served(&path, server);
}

#[test]
fn a_live_socket_is_not_bothered_by_who_asks_for_its_place() {
    let path = TempPath::new();
    let (opens, opened) = reports();
    let server = start(bind(&path.address()), move || {
        let opens = opens.clone();
        Events::new()
            .opened(move |_, ()| {
                opens.send(()).expect("the test waits");
                Action::None
            })
            .data(|conn, (), input| {
                conn.write(input);
                Action::None
            })
    });
    check_refused(&path);
    // Who has asked came before this one.
    server.connect().echo(b"hello");
    server.stop();
    assert_eq!(opened.rest().len(), 1, "who asked was a client");
}

/// Somebody has put something else in the place of our file while we were running.
#[test]
fn what_has_taken_the_place_of_our_file_is_not_removed() {
    let path = TempPath::new();
    let server = start(bind(&path.address()), Events::new);
    fs::remove_file(&path).unwrap();
    let theirs = UnixListener::bind(&path).unwrap();
    server.stop();
    assert!(is_socket(&path), "their socket was removed");
    drop(theirs);

    let path = TempPath::new();
    let server = bind(&path.address());
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    drop(server);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

/// Neither takes the socket of the other, which is bound and does not listen yet, for a stale one.
#[test]
fn of_two_servers_that_begin_at_once_one_is_refused() {
    const ROUNDS: usize = 1_000;
    let directory = TempPath::new();
    fs::create_dir(&directory).unwrap();
    let path = TempPath(directory.0.join("socket"));
    let begin = Barrier::new(2);
    for round in 0..ROUNDS {
        drop(UnixListener::bind(&path).unwrap());
        let bind = || {
            begin.wait();
            Server::bind([path.address()]).ok()
        };
        let servers = thread::scope(|scope| {
            let other = scope.spawn(bind);
            [bind(), other.join().unwrap()]
        });
        assert_eq!(servers.iter().flatten().count(), 1, "round {round}");
        UnixStream::connect(&path).unwrap();
    }
}

#[test]
fn a_path_is_taken_as_it_is_written() {
    let odd = TempPath(std::env::temp_dir().join(format!("evio #1 %20 {}", std::process::id())));
    check_served(&odd, bind(&odd.address()));
    assert!(!odd.0.exists());
}

#[test]
fn a_path_that_cannot_be_is_an_error() {
    let too_long = format!("unix:///tmp/{}", "x".repeat(200));
    let no_such_directory = "unix:///nonexistent/directory/socket".to_owned();
    for (address, kind) in
        [(too_long, io::ErrorKind::InvalidInput), (no_such_directory, io::ErrorKind::NotFound)]
    {
        let error = Server::bind([&*address]).unwrap_err();
        let Error::Bind { source, .. } = error else { panic!("{error:?}") };
        assert_eq!(source.kind(), kind, "{address}");
    }
}

/// A pipe for a directory: whoever opened it would wait for a writer.
#[test]
fn a_path_below_a_pipe_is_an_error() {
    let pipe = TempPath::new();
    mkfifo(&pipe.0, Mode::S_IRWXU).unwrap();
    let error = Server::bind([format!("{}/socket", pipe.address())]).unwrap_err();
    let Error::Bind { source, .. } = error else { panic!("{error:?}") };
    assert_eq!(source.kind(), io::ErrorKind::NotADirectory);
}

/// Only Linux has names outside the file system.
#[test]
fn an_abstract_name_needs_no_file() {
    if util::left_out_on_kqueue("a Unix socket has a file") {
        return;
    }
    let address = format!("unix://@evio-test-{}", std::process::id());
    if std::env::consts::OS != "linux" {
        Server::bind([&*address]).unwrap_err();
        return;
    }
    let server = bind(&address);
    assert_eq!(server.local_addrs()[0].to_string(), address);
    let error = Server::bind([&*address]).unwrap_err();
    assert!(matches!(error, Error::Bind { .. }), "{error:?}");
    let server = start(server, || {
        Events::new().data(|conn, _, input| {
            conn.write(input);
            Action::None
        })
    });
    server.connect().echo(b"hello");
    server.stop();
    drop(bind(&address));
}

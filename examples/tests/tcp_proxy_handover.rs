//! One `tcp-proxy` after another: listeners that are handed over, and the files of Unix sockets.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use proxy_util::{
    ECHO_SERVER, TCP_PROXY, greeted, greeter, line_with, proxy_of, read_to_end, stats,
};
use util::{DEADLINE, Server, socket_path};

/// Lets the clients of a test end, whatever becomes of it.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Clients connect one after the other while one proxy after the other takes over: each gets its
/// echo, and none is refused or reset.
#[test]
fn a_second_proxy_takes_over_and_no_client_notices() {
    const TAKEOVERS: usize = 6;
    let echo = Server::start(ECHO_SERVER, &["--port", "0"], 1);
    let upstream = format!("127.0.0.1:{}", echo.port());
    let (handover, stats) = (socket_path("handover"), socket_path("handed-stats"));
    let start = || {
        let flags = ["--handover", &handover, "--stats", &stats, "--loops", "2"];
        proxy_of(std::slice::from_ref(&upstream), &flags)
    };
    let mut proxy = start();
    let port = proxy.port();
    let (is_over, served) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        while !is_over.load(Ordering::Relaxed) {
            let mut client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            client.set_read_timeout(Some(DEADLINE)).unwrap();
            client.write_all(b"hello").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(read_to_end(&client).unwrap(), b"hello");
            served.fetch_add(1, Ordering::Relaxed);
        }
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(client)).collect();
        let _end = SetOnDrop(&is_over);
        for _ in 0..TAKEOVERS {
            let before = served.load(Ordering::Relaxed);
            // One that lasts longer than its proxy listens.
            let mut long = proxy.connect();
            long.write_all(b"x").unwrap();
            long.read_exact(&mut [0]).unwrap();
            let mut old = std::mem::replace(&mut proxy, start());
            assert_eq!(proxy.port(), port);
            line_with(&old, "connections to drain");
            long.write_all(b"still here").unwrap();
            long.read_exact(&mut [0; 10]).unwrap();
            drop(long);
            let status = old.wait();
            assert!(status.success(), "{status}");
            let deadline = Instant::now() + DEADLINE;
            while served.load(Ordering::Relaxed) < before + 50 {
                assert!(clients.iter().all(|client| !client.is_finished()), "a client has failed");
                assert!(Instant::now() < deadline, "the clients are not served");
                thread::yield_now();
            }
        }
    });
    println!("{} clients, {TAKEOVERS} takeovers", served.load(Ordering::Relaxed));
    for file in [&handover, &stats] {
        fs::remove_file(file).unwrap();
    }
}

/// A proxy that takes the listeners and dies before it accepts changes nothing.
#[test]
fn a_takeover_that_fails_leaves_the_old_proxy_as_it_was() {
    let handover = socket_path("failing");
    let proxy = proxy_of(&[greeter('a')], &["--handover", &handover]);
    for _ in 0..3 {
        let mut taker = std::os::unix::net::UnixStream::connect(&handover).unwrap();
        taker.set_read_timeout(Some(DEADLINE)).unwrap();
        taker.read_exact(&mut [0]).unwrap();
        drop(taker);
        assert_eq!(greeted(&proxy).1, 'a');
    }
    fs::remove_file(&handover).unwrap();
}

/// Runs a proxy that does not get as far as listening, and returns its log.
fn failing(arguments: &[&str]) -> String {
    let output = Command::new(TCP_PROXY).args(arguments).stdin(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

fn taker(handover: &str) -> UnixStream {
    let taker = UnixStream::connect(handover).unwrap();
    taker.set_read_timeout(Some(DEADLINE)).unwrap();
    taker
}

/// The second one waits until the first has given up; when the first is ready instead, the old
/// proxy drains, and nobody else gets its listeners.
#[test]
fn one_process_takes_over_at_a_time() {
    let handover = socket_path("one-taker");
    let mut proxy = proxy_of(&[greeter('a')], &["--handover", &handover]);
    let (mut first, mut second) = (taker(&handover), taker(&handover));
    assert!(first.read(&mut [0; 9]).unwrap() > 0);
    second.set_nonblocking(true).unwrap();
    assert_eq!(second.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(first);
    second.set_nonblocking(false).unwrap();
    assert_eq!(second.read(&mut [0; 9]).unwrap(), 2);
    second.write_all(b"ready").unwrap();
    second.read_exact(&mut [0; 5]).unwrap();
    line_with(&proxy, "another process has taken over");
    assert!(proxy.wait().success());
    fs::remove_file(&handover).unwrap();
}

/// The signal comes when a process has the listeners and is not ready yet. The files go with the
/// old proxy if that is the last one.
#[test]
fn a_takeover_that_has_begun_goes_on_when_the_old_proxy_is_to_end() {
    for is_completed in [true, false] {
        let (handover, stats) = (socket_path("late-taker"), socket_path("late-stats"));
        let flags = ["--handover", &handover, "--stats", &stats];
        let mut proxy = proxy_of(&[greeter('a')], &flags);
        let mut taker = taker(&handover);
        assert_eq!(taker.read(&mut [0; 9]).unwrap(), 3);
        proxy.signal(Signal::SIGTERM);
        line_with(&proxy, "connections to drain: 0");
        if is_completed {
            // A process that is slow to begin.
            thread::sleep(Duration::from_millis(500));
            taker.write_all(b"ready").unwrap();
            let mut said = [0; 5];
            taker.read_exact(&mut said).unwrap();
            assert_eq!(&said, b"ended");
        }
        drop(taker);
        assert!(proxy.wait().success());
        for file in [&handover, &stats] {
            assert_eq!(fs::remove_file(file).is_ok(), is_completed, "{file}");
        }
    }
}

/// It asks for other addresses, which it gets, and the old proxy goes.
#[test]
fn what_was_not_taken_over_is_bound() {
    let (handover, old_stats, new_stats) =
        (socket_path("moving"), socket_path("old-stats"), socket_path("new-stats"));
    let (upstream, listen) = (greeter('a'), socket_path("new-listen"));
    let flags = ["--handover", &handover, "--stats", &old_stats];
    let mut old = proxy_of(std::slice::from_ref(&upstream), &flags);
    let listening = format!("unix://{listen}?mode=600");
    let flags = ["--listen", &listening, "--upstream", &upstream];
    let flags = [&flags[..], &["--handover", &handover, "--stats", &new_stats]].concat();
    let new = Server::start(TCP_PROXY, &flags, 1);
    assert!(old.wait().success());
    assert!(stats(&new_stats).contains("clients open 0"));
    let mut name = [0];
    taker(&listen).read_exact(&mut name).unwrap();
    assert_eq!(name, *b"a");
    assert_eq!(fs::metadata(&listen).unwrap().permissions().mode() & 0o777, 0o600);
    drop(new);
    for file in [handover, old_stats, new_stats, listen] {
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn socket_files_are_removed_at_the_end_and_other_files_are_left_alone() {
    let (handover, stats) = (socket_path("cleared"), socket_path("cleared-stats"));
    let flags = ["--handover", &handover, "--stats", &stats];
    let mut proxy = proxy_of(&["127.0.0.1:9".into()], &flags);
    assert!(fs::exists(&handover).unwrap() && fs::exists(&stats).unwrap());
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.wait().success());
    assert!(!fs::exists(&handover).unwrap() && !fs::exists(&stats).unwrap());
    for flag in ["--handover", "--stats"] {
        fs::write(&stats, "precious").unwrap();
        let log = failing(&["--listen", "127.0.0.1:0", flag, &stats]);
        assert!(log.contains(&format!("cannot listen on {stats}")), "{log}");
        assert_eq!(fs::read(&stats).unwrap(), b"precious");
    }
    fs::remove_file(&stats).unwrap();
}

/// There are as many clients as there may be.
#[test]
fn clients_keep_neither_stats_nor_a_handover_out() {
    let (handover, path) = (socket_path("full"), socket_path("full-stats"));
    let flags = ["--handover", &handover, "--stats", &path, "--max-connections", "2"];
    let upstream = [greeter('a')];
    let mut old = proxy_of(&upstream, &flags);
    let clients = [greeted(&old), greeted(&old)];
    assert!(stats(&path).contains("clients open 2"));
    let new = proxy_of(&upstream, &flags);
    assert_eq!(greeted(&new).1, 'a');
    drop(clients);
    assert!(old.wait().success());
    drop(new);
    fs::remove_file(&handover).unwrap();
    fs::remove_file(&path).unwrap();
}

#[test]
fn a_proxy_of_udp_is_refused() {
    assert!(failing(&["--listen", "udp://127.0.0.1:0"]).contains("TCP"));
}

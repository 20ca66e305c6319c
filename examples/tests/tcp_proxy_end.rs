//! The end of `tcp-proxy`, and of pairs that are not whole: nobody takes a part for the whole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use proxy_util::{
    DOWNLOAD, ECHO_SERVER, TCP_PROXY, accept, address_of, deserted, download, greeted, greeter,
    line_with, listener, message, proxy_of, read_to_end,
};
use util::{DEADLINE, Server, socket_path};

#[test]
fn a_download_is_whole_in_spite_of_sigterm() {
    let listener = listener();
    let mut proxy = proxy_of(&[address_of(&listener)], &["--loops", "2"], 1);
    let (client, sender) = download(&proxy, &listener);
    proxy.signal(Signal::SIGTERM);
    line_with(&proxy, "draining");
    let rest = read_to_end(&client).unwrap();
    assert!(rest == message(DOWNLOAD)[1000..], "the download differs: {} bytes", rest.len());
    sender.join().unwrap().unwrap();
    drop(client);
    assert!(proxy.wait().success());
}

/// Clients that were accepted right before the signal still get their upstream, though the first
/// one that is tried refuses them.
#[test]
fn a_client_that_was_accepted_before_sigterm_is_served() {
    let (_socket, dead) = deserted();
    let upstreams = [dead, greeter('b')];
    for _ in 0..10 {
        let mut proxy = proxy_of(&upstreams, &["--check-interval", "off", "--loops", "2"], 1);
        // Stopped, the proxy finds the clients and the signal together.
        proxy.signal(Signal::SIGSTOP);
        let clients: Vec<TcpStream> = (0..20).map(|_| proxy.connect()).collect();
        proxy.signal(Signal::SIGTERM);
        proxy.signal(Signal::SIGCONT);
        let mut served = 0;
        for mut client in clients {
            // Those that were not accepted yet are reset; nobody finds an empty answer.
            match client.read(&mut [0]) {
                Ok(count) => {
                    assert_eq!(count, 1, "a client was accepted and not served");
                    served += 1;
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
        println!("{served} of 20 were accepted before the signal");
        assert!(proxy.wait().success());
    }
}

#[test]
fn what_is_left_when_the_time_is_up_is_reset_on_both_sides() {
    let listener = listener();
    let flags = ["--drain-timeout", "300ms", "--loops", "2"];
    let mut proxy = proxy_of(&[address_of(&listener)], &flags, 1);
    let (client, sender) = download(&proxy, &listener);
    let (idle, upstream) = (proxy.connect(), accept(&listener));
    proxy.signal(Signal::SIGTERM);
    assert!(proxy.wait().success());
    let kind = |stream: &TcpStream| read_to_end(stream).unwrap_err().kind();
    assert_eq!(kind(&client), ErrorKind::ConnectionReset);
    assert_eq!(kind(&idle), ErrorKind::ConnectionReset);
    assert_eq!(kind(&upstream), ErrorKind::ConnectionReset);
    assert!(sender.join().unwrap().is_err());
}

#[test]
fn a_second_signal_ends_the_proxy_at_once() {
    let listener = listener();
    let mut proxy = proxy_of(&[address_of(&listener)], &["--drain-timeout", "1h"], 1);
    let (client, sender) = download(&proxy, &listener);
    proxy.signal(Signal::SIGTERM);
    line_with(&proxy, "draining");
    proxy.signal(Signal::SIGTERM);
    let status = proxy.wait();
    assert_eq!((status.code(), status.signal()), (Some(128 + 15), None));
    drop(client);
    let _ = sender.join().unwrap();
}

#[test]
fn a_pair_that_passes_nothing_on_is_reset_on_both_sides() {
    let listener = listener();
    let proxy = proxy_of(&[address_of(&listener)], &["--idle-timeout", "300ms"], 1);
    let (client, upstream) = (proxy.connect(), accept(&listener));
    let busy = proxy.connect();
    let mut other = accept(&listener);
    (&upstream).write_all(b"half an answ").unwrap();
    (&client).read_exact(&mut [0; 12]).unwrap();
    let begun = Instant::now();
    // One direction is enough to keep a pair.
    while begun.elapsed() < Duration::from_millis(1500) {
        other.write_all(b"x").unwrap();
        (&busy).read_exact(&mut [0]).unwrap();
        // A peer that is slow, and not silent.
        thread::sleep(Duration::from_millis(20));
    }
    for stream in [client, upstream] {
        assert_eq!(read_to_end(&stream).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

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
        proxy_of(std::slice::from_ref(&upstream), &flags, 3)
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
            line_with(&old, "draining");
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
    std::fs::remove_file(&handover).unwrap();
    std::fs::remove_file(&stats).unwrap();
}

/// A proxy that takes the listeners and dies before it accepts changes nothing.
#[test]
fn a_takeover_that_fails_leaves_the_old_proxy_as_it_was() {
    let handover = socket_path("failing");
    let proxy = proxy_of(&[greeter('a')], &["--handover", &handover], 2);
    for _ in 0..3 {
        let mut taker = std::os::unix::net::UnixStream::connect(&handover).unwrap();
        taker.set_read_timeout(Some(DEADLINE)).unwrap();
        taker.read_exact(&mut [0]).unwrap();
        drop(taker);
        assert_eq!(greeted(&proxy).1, 'a');
    }
    std::fs::remove_file(&handover).unwrap();
}

/// `tcp-proxy ... 2>&1 | head -1`, with an upstream that refuses and a line in the log for each
/// client.
#[test]
fn a_log_that_nobody_reads_ends_nothing() {
    let (_socket, dead) = deserted();
    let mut command = Command::new(TCP_PROXY);
    command.args(["--listen", "127.0.0.1:0", "--check-interval", "off"]);
    command.args(["--upstream", &dead, "--upstream", &greeter('b')]);
    let mut proxy = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    let mut stderr = io::BufReader::new(proxy.stderr.take().unwrap());
    io::BufRead::read_line(&mut stderr, &mut first).unwrap();
    drop(stderr);
    let address = first.trim().strip_prefix("listening on tcp://").unwrap();
    for number in 0..300 {
        let mut client = TcpStream::connect(address).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut name = [0];
        client.read_exact(&mut name).unwrap_or_else(|error| panic!("client {number}: {error}"));
        assert_eq!(&name, b"b");
    }
    assert!(proxy.try_wait().unwrap().is_none(), "the proxy has ended");
    proxy.kill().unwrap();
    proxy.wait().unwrap();
}

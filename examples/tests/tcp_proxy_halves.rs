//! Pairs of `tcp-proxy` that end by halves: nobody takes a part for the whole, nor loses a whole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod proxy_util;
mod util;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::{Backlog, listen};

use proxy_util::{
    DOWNLOAD, TCP_PROXY, accept, address_of, download, greeter, line_with, listener, message,
    number, proxy_of, read_to_end, reset, small_client, stats, unread_answers, wait_for_stats,
};
use util::{Server, socket_path};

/// Has `act` happen while the proxy is stopped: it finds everything in one turn of its loop.
fn in_one_turn(proxy: &Server, act: impl FnOnce()) {
    proxy.stop();
    // Peers that are slow: the proxy has stopped before they act.
    thread::sleep(Duration::from_millis(50));
    act();
    proxy.signal(Signal::SIGCONT);
}

/// Whatever the other side has done at the same moment, half an answer does not look whole.
#[test]
fn half_an_answer_is_reset_though_the_client_was_about_to_say_more() {
    for ends in [true, false] {
        let listener = listener();
        let proxy = proxy_of(&[address_of(&listener)], &[]);
        let (mut client, mut upstream) = (proxy.connect(), accept(&listener));
        upstream.write_all(b"half an answ").unwrap();
        client.read_exact(&mut [0; 12]).unwrap();
        in_one_turn(&proxy, || {
            reset(upstream);
            client.write_all(b"more").unwrap();
            if ends {
                client.shutdown(Shutdown::Write).unwrap();
            }
        });
        assert_eq!(read_to_end(&client).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}

#[test]
fn half_a_question_is_reset_though_the_server_was_about_to_say_more() {
    let listener = listener();
    let proxy = proxy_of(&[address_of(&listener)], &[]);
    let (mut client, mut upstream) = (proxy.connect(), accept(&listener));
    client.write_all(b"half a quest").unwrap();
    upstream.read_exact(&mut [0; 12]).unwrap();
    in_one_turn(&proxy, || {
        reset(client);
        upstream.write_all(b"go on").unwrap();
    });
    assert_eq!(read_to_end(&upstream).unwrap_err().kind(), ErrorKind::ConnectionReset);
}

/// The first upstream resets at the moment at which the client begins to speak.
#[test]
fn the_next_upstream_gets_what_the_client_said_meanwhile() {
    for is_reset_first in [true, false] {
        let (first, second) = (listener(), listener());
        let path = socket_path(if is_reset_first { "reset-first" } else { "speaks-first" });
        let upstreams = [address_of(&first), address_of(&second)];
        let proxy = proxy_of(&upstreams, &["--check-interval", "off", "--stats", &path]);
        let (mut client, upstream) = (proxy.connect(), accept(&first));
        wait_for_stats(&path, |stats| number(stats, &upstreams[0], "connected") == 1);
        in_one_turn(&proxy, || {
            let mut speak = || {
                client.write_all(b"hello").unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            };
            if is_reset_first {
                reset(upstream);
                speak();
            } else {
                speak();
                reset(upstream);
            }
        });
        assert_eq!(read_to_end(&accept(&second)).unwrap(), b"hello", "{is_reset_first}");
    }
}

/// A server may reset a client that has been silent for long: that is its answer.
#[test]
fn a_late_reset_is_no_reason_to_ask_another_upstream() {
    let (first, path) = (listener(), socket_path("late-reset"));
    let address = address_of(&first);
    let flags = ["--check-interval", "off", "--stats", &path];
    let proxy = proxy_of(&[address.clone(), greeter('b')], &flags);
    let (client, upstream) = (proxy.connect(), accept(&first));
    // A server that waits.
    thread::sleep(Duration::from_millis(1200));
    reset(upstream);
    assert_eq!(read_to_end(&client).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let line = line_with(&proxy, "lost the connection to");
    let name = client.local_addr().unwrap().to_string();
    assert!(line.contains(&name) && line.contains(&address), "{line}");
    assert_eq!(number(&stats(&path), &address, "failed"), 0);
}

/// It has read the end of its input, which another upstream's answer cannot follow.
#[test]
fn a_client_that_was_sent_an_end_gets_no_other_upstream() {
    let (first, path) = (listener(), socket_path("sent-end"));
    let upstreams = [address_of(&first), greeter('b')];
    let proxy = proxy_of(&upstreams, &["--check-interval", "off", "--stats", &path]);
    let (mut client, upstream) = (proxy.connect(), accept(&first));
    upstream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    reset(upstream);
    let stats = wait_for_stats(&path, |stats| number(stats, &upstreams[0], "open") == 0);
    assert_eq!(number(&stats, "clients", "retries"), 0, "{stats}");
}

/// An upstream must not go on working for a client that has gone.
#[test]
fn a_client_that_resets_after_its_question_ends_the_answer() {
    let listener = listener();
    let proxy = proxy_of(&[address_of(&listener)], &[]);
    let (client, sender) = download(&proxy, &listener);
    client.shutdown(Shutdown::Write).unwrap();
    reset(client);
    assert!(sender.join().unwrap().is_err(), "the upstream has sent everything to nobody");
}

#[test]
fn a_client_that_has_ended_its_question_may_pause_for_longer_than_five_seconds() {
    let (listener, path) = (listener(), socket_path("pause"));
    let address = address_of(&listener);
    let proxy = proxy_of(std::slice::from_ref(&address), &["--stats", &path]);
    let clients = unread_answers(&proxy, &listener, &path);
    // Clients that pause.
    thread::sleep(Duration::from_secs(7));
    for client in clients {
        assert!(client.take_error().unwrap().is_none(), "a client was reset");
    }
}

/// The tail of a download waits for its client for longer than a pair may be idle.
#[test]
fn a_client_that_reads_slowly_is_not_idle() {
    let listener = listener();
    let proxy = proxy_of(&[address_of(&listener)], &["--idle-timeout", "3s"]);
    let (client, sender) = download(&proxy, &listener);
    // A client that pauses: bytes wait for it.
    thread::sleep(Duration::from_secs(5));
    assert!(read_to_end(&client).unwrap() == message(DOWNLOAD)[1000..], "the download differs");
    sender.join().unwrap().unwrap();
}

/// An answer that the kernel has taken whole is on its way for as long as the client reads.
#[test]
fn a_client_that_reads_steadily_from_the_kernel_is_not_idle() {
    for is_ended in [false, true] {
        let listener = listener();
        let proxy = proxy_of(&[address_of(&listener)], &["--idle-timeout", "1s"]);
        let mut client = small_client(&proxy);
        let mut upstream = accept(&listener);
        let answer = message(300_000);
        upstream.write_all(&answer).unwrap();
        if is_ended {
            upstream.shutdown(Shutdown::Write).unwrap();
        }
        let mut received = vec![0; answer.len()];
        for part in received.chunks_mut(4000) {
            client.read_exact(part).unwrap();
            // A client that is slow.
            thread::sleep(Duration::from_millis(40));
        }
        assert!(received == answer, "the answer differs");
        // It has taken everything, and is silent.
        let end = read_to_end(&client).map_err(|error| error.kind());
        let expected = if is_ended { Ok(Vec::new()) } else { Err(ErrorKind::ConnectionReset) };
        assert_eq!(end, expected);
        // So is the upstream, which must not take half a question for a whole one.
        let kind = read_to_end(&upstream).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ConnectionReset);
    }
}

/// A proxy that listens on a Unix socket.
fn proxy_on(path: &str, upstream: &str, flags: &[&str]) -> Server {
    let listen = format!("unix://{path}");
    let first = ["--listen", &listen, "--upstream", upstream, "--check-interval", "off"];
    Server::start(TCP_PROXY, &[&first, flags].concat(), 1)
}

/// Sends a word as a client that waits for no answer, and is gone by the time it is read.
fn send_and_go(path: &str) {
    UnixStream::connect(path).unwrap().write_all(b"metric").unwrap();
}

/// A Unix socket hangs up at once when its peer has closed, and still has what that has sent.
#[test]
fn a_unix_client_that_has_closed_when_it_is_accepted_is_heard() {
    const CLIENTS: usize = 50;
    let (listener, path) = (listener(), socket_path("gone-client"));
    let proxy = proxy_on(&path, &address_of(&listener), &[]);
    in_one_turn(&proxy, || (0..CLIENTS).for_each(|_| send_and_go(&path)));
    for _ in 0..CLIENTS {
        assert_eq!(read_to_end(&accept(&listener)).unwrap(), b"metric");
    }
    fs::remove_file(&path).unwrap();
}

/// An upstream whose queue is full until the connection in it is accepted: the kernel drops what
/// would connect to it.
fn full() -> (TcpListener, TcpStream) {
    let full = listener();
    listen(&full, Backlog::new(0).unwrap()).unwrap();
    let waiting = TcpStream::connect(full.local_addr().unwrap()).unwrap();
    (full, waiting)
}

/// The kernel has dropped the SYN for the first time when the client closes, and repeats it later.
#[test]
fn a_unix_client_that_does_not_wait_for_its_upstream_is_heard() {
    for refuses in [false, true] {
        let ((full, waiting), path) = (full(), socket_path("impatient"));
        let (next, stats) = (listener(), socket_path("impatient-stats"));
        let upstreams = ["--upstream", &address_of(&next), "--connect-timeout", "1500ms"];
        let flags = [&["--stats", &stats][..], if refuses { &upstreams } else { &[] }].concat();
        let proxy = proxy_on(&path, &address_of(&full), &flags);
        let mut client = UnixStream::connect(&path).unwrap();
        client.write_all(b"metric").unwrap();
        wait_for_stats(&stats, |stats| number(stats, &address_of(&full), "open") == 1);
        drop(client);
        let upstream = if refuses {
            next
        } else {
            drop(accept(&full));
            full
        };
        assert_eq!(read_to_end(&accept(&upstream)).unwrap(), b"metric");
        wait_for_stats(&stats, |stats| number(stats, "clients", "open") == 0);
        drop((proxy, waiting));
        fs::remove_file(&path).unwrap();
        fs::remove_file(&stats).unwrap();
    }
}

//! A listener that several pollers share.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::fs;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use evio_sys::net::{ListenOptions, Listener, UnixName};
use evio_sys::{Events, Interest, Poller, Token, Waker};

use util::{DEADLINE, address_of, listener};

const LISTENER: Token = Token(1);
const WAKER: Token = Token(2);
const POLLERS: usize = 2;

/// Waits for a poll to begin to wait: its thread has counted up and sleeps since. Nothing else can
/// put it to sleep.
fn wait_until_asleep(thread_stat: &str, begun: &AtomicUsize, polls: usize) {
    let since = Instant::now();
    loop {
        let stat = fs::read_to_string(thread_stat).unwrap();
        let state = stat.rsplit(')').next().unwrap().trim_start().chars().next();
        if begun.load(Ordering::SeqCst) >= polls && state == Some('S') {
            return;
        }
        assert!(since.elapsed() < DEADLINE, "a thread does not come to wait: {stat}");
        thread::yield_now();
    }
}

/// Polls until woken, and sends whether the listener was reported.
fn poll_until_woken(poller: &Poller, begun: &AtomicUsize, reports: &Sender<bool>) {
    let mut events = Events::with_capacity(4);
    let mut reported = false;
    loop {
        begun.fetch_add(1, Ordering::SeqCst);
        poller.poll(&mut events, Some(DEADLINE)).unwrap();
        assert!(!events.is_empty(), "nobody woke the poller");
        reported |= events.iter().any(|event| event.token() == LISTENER);
        if events.iter().any(|event| event.token() == WAKER) {
            return reports.send(reported).unwrap();
        }
    }
}

/// Returns how many of the pollers report one connection that comes while all of them wait.
fn pollers_that_report(listener: &Arc<Listener>, interest: Interest) -> usize {
    let pollers: [Poller; POLLERS] = std::array::from_fn(|_| Poller::new().unwrap());
    let wakers = pollers.each_ref().map(|poller| Waker::new(poller, WAKER).unwrap());
    let (stat_sender, stats) = mpsc::channel();
    let (report_sender, reports) = mpsc::channel();
    let started = Barrier::new(POLLERS + 1);
    let begun = [const { AtomicUsize::new(0) }; POLLERS];
    thread::scope(|scope| {
        for (poller, begun) in pollers.iter().zip(&begun) {
            poller.register(listener, LISTENER, interest).unwrap();
            let (stat_sender, report_sender) = (stat_sender.clone(), report_sender.clone());
            let started = &started;
            scope.spawn(move || {
                let own = fs::read_link("/proc/thread-self").unwrap();
                stat_sender.send(format!("/proc/{}/stat", own.display())).unwrap();
                started.wait();
                poll_until_woken(poller, begun, &report_sender);
            });
        }
        let stats: Vec<String> = (0..POLLERS).map(|_| stats.recv().unwrap()).collect();
        started.wait();
        for stat in &stats {
            let begun = &begun;
            // Which thread has which counter does not matter: all have to be asleep.
            begun.iter().for_each(|begun| wait_until_asleep(stat, begun, 1));
        }
        let _client = TcpStream::connect(address_of(listener)).unwrap();
        wakers.iter().for_each(|waker| waker.wake().unwrap());
        let reported = (0..POLLERS).filter(|_| reports.recv_timeout(DEADLINE).unwrap()).count();
        assert!(listener.accept().is_ok());
        pollers.iter().for_each(|poller| poller.deregister(listener).unwrap());
        reported
    })
}

#[test]
fn one_connection_ends_the_wait_of_one_poller() {
    if util::left_out_on_kqueue("all pollers are told") {
        return;
    }
    let listener = Arc::new(listener());
    for _ in 0..20 {
        let exclusive = Interest::READABLE.exclusive();
        assert_eq!(pollers_that_report(&listener, exclusive), 1);
        assert_eq!(pollers_that_report(&listener, Interest::READABLE), POLLERS);
    }
}

#[test]
fn a_shared_socket_file_is_removed_with_the_last_owner() {
    let directory = std::env::temp_dir().join(format!("evio-sys-shared-{}", std::process::id()));
    fs::create_dir(&directory).unwrap();
    let path = directory.join("socket");
    let options = ListenOptions::default();
    let listener = Arc::new(Listener::unix(UnixName::Path(&path), &options).unwrap());
    let (first, second) = (Poller::new().unwrap(), Poller::new().unwrap());
    first.register(&listener, LISTENER, Interest::READABLE.exclusive()).unwrap();
    second.register(&listener, LISTENER, Interest::READABLE.exclusive()).unwrap();
    let other = Arc::clone(&listener);
    thread::spawn(move || drop(other)).join().unwrap();
    assert!(path.exists(), "the file of a listener that somebody still has");
    first.deregister(&listener).unwrap();
    drop(listener);
    assert!(!path.exists(), "the file outlived its listener");
    fs::remove_dir(&directory).unwrap();
}

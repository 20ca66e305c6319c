//! Endings that come from outside: of a group before all of its loops run, and of a socket that
//! somebody else has a copy of.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use evio_core::{Action, Config, Conn, EventLoop, Handler, LoopHandle};
use evio_sys::net::{ListenOptions, Listener};

/// Everything that a test waits for must come within this time. It is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(20);

struct Silent;

impl Handler for Silent {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

/// Runs a loop on a thread of its own; the result comes out of the channel.
fn run(event_loop: EventLoop) -> mpsc::Receiver<std::io::Result<()>> {
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        // Nobody is listening when the test has failed already.
        let _ = sender.send(event_loop.run(Silent));
    });
    ended
}

/// The other loops wait for the first one to begin, and it never does.
#[test]
fn loops_that_wait_for_the_first_one_end_without_it() {
    let shut_down = |first: EventLoop| {
        first.handle().shutdown();
        Some(first)
    };
    let ends: [fn(EventLoop) -> Option<EventLoop>; 2] = [shut_down, |_dropped| None];
    for end in ends {
        let mut group = EventLoop::group(3, Config::default()).unwrap();
        let others: Vec<_> = group.drain(1..).map(run).collect();
        let _first = end(group.remove(0));
        for ended in others {
            ended.recv_timeout(DEADLINE).expect("the loop ends").unwrap();
        }
    }
}

/// Returns the processor time that the loop's thread has used.
fn processor_time(event_loop: &LoopHandle) -> Duration {
    let (sender, receiver) = mpsc::channel();
    let task = move || fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    event_loop.post(move |_| sender.send(task()).unwrap()).unwrap();
    let statistics = receiver.recv_timeout(DEADLINE).expect("the loop carries out the task");
    let nanoseconds = statistics.split(' ').next().unwrap();
    Duration::from_nanos(nanoseconds.parse().unwrap())
}

/// Nothing but an error can be had from such a listener, again and again. Only Linux reports it
/// this way, and has this way to measure what a thread does.
#[test]
fn a_listener_that_was_shut_down_from_outside_does_not_keep_the_loop_busy() {
    /// How long the loop is watched for.
    const WINDOW: Duration = Duration::from_secs(1);
    /// One that spins uses all of the window, or its share of a processor that others use too.
    const ENOUGH: Duration = Duration::from_millis(100);

    if std::env::consts::OS != "linux" {
        return;
    }
    let any_port = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::tcp(any_port, &ListenOptions::default()).unwrap();
    let copy = TcpStream::from(listener.as_fd().try_clone_to_owned().unwrap());
    let mut event_loop = EventLoop::new(Config::default()).unwrap();
    event_loop.listen(0, listener).unwrap();
    let handle = event_loop.handle();
    let ended = run(event_loop);
    let before = processor_time(&handle);
    copy.shutdown(Shutdown::Both).unwrap();
    // The window that is measured.
    thread::sleep(WINDOW);
    let used = processor_time(&handle) - before;
    assert!(used < ENOUGH, "{used:?} of {WINDOW:?}");
    handle.shutdown();
    ended.recv_timeout(DEADLINE).expect("the loop ends").unwrap();
}

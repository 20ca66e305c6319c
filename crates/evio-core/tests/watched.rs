//! Descriptors of the program's own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use evio_core::{
    Action, Config, Conn, EventLoop, Handler, Interest, Loop, Progress, RunningLoop, Tag, WatchId,
    Watched,
};

/// Everything that a test waits for must come within this time. It is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(20);

const READABLE: Interest = Interest::READABLE;

/// Makes the callback by a closure.
struct Ready<F>(F);

impl<F: FnMut(&mut Watched<'_>) -> ControlFlow<()>> Handler for Ready<F> {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn ready(&mut self, watched: &mut Watched<'_>) -> ControlFlow<()> {
        (self.0)(watched)
    }
}

/// A handler that leaves the callback as it is.
struct Bare;

impl Handler for Bare {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }
}

fn start(
    ready: impl FnMut(&mut Watched<'_>) -> ControlFlow<()>,
) -> RunningLoop<impl Handler<Context = ()>> {
    EventLoop::new(Config::default()).unwrap().start(Ready(ready)).unwrap()
}

/// Carries out a task on the loop, between turns.
fn on_loop<H: Handler, R: Send + 'static>(
    running: &mut RunningLoop<H>,
    task: impl FnOnce(&mut Loop<'_>) -> R + Send + 'static,
) -> R {
    let (sender, receiver) = mpsc::channel();
    running.handle().post(move |event_loop| drop(sender.send(task(event_loop)))).unwrap();
    loop {
        if let Ok(result) = receiver.try_recv() {
            return result;
        }
        assert_ne!(running.turn(Some(DEADLINE)).unwrap(), Progress::Ended);
    }
}

fn watch<H: Handler>(
    running: &mut RunningLoop<H>,
    descriptor: impl Into<OwnedFd>,
    interest: Interest,
    tag: u64,
) -> WatchId {
    let fd = descriptor.into();
    on_loop(running, move |event_loop| event_loop.watch(fd, interest, tag)).unwrap()
}

fn turn<H: Handler>(running: &mut RunningLoop<H>) -> Progress {
    running.turn(Some(Duration::ZERO)).unwrap()
}

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    there.set_read_timeout(Some(DEADLINE)).unwrap();
    (here, there)
}

#[test]
fn what_is_left_to_read_is_reported_again_until_the_end_is() {
    let calls = RefCell::new(Vec::new());
    let mut running = start(|watched| {
        let mut byte = [0];
        let len = watched.read(&mut byte).unwrap();
        assert!(watched.is_readable());
        assert!(len == 0 || !watched.is_writable() && !watched.is_read_closed());
        calls.borrow_mut().push((watched.id(), watched.tag(), byte[..len].to_vec()));
        if len == 0 {
            assert!(watched.is_read_closed());
            watched.unwatch().unwrap();
        }
        ControlFlow::Continue(())
    });
    let (here, mut there) = pair();
    there.write_all(b"ab").unwrap();
    let id = watch(&mut running, here, READABLE, 7);
    while calls.borrow().len() < 2 {
        assert_eq!(turn(&mut running), Progress::Worked);
    }
    assert_eq!(turn(&mut running), Progress::Idle);
    let call = |bytes: &[u8]| (id, Tag::from(7), bytes.to_vec());
    assert_eq!(*calls.borrow(), [call(b"a"), call(b"b")]);

    drop(there);
    assert_eq!(turn(&mut running), Progress::Worked);
    assert_eq!(calls.borrow()[2..], [call(b"")]);
    assert_eq!(turn(&mut running), Progress::Idle);
}

/// epoll reports the end of a pipe without saying that it is readable.
#[test]
fn the_end_of_a_pipe_is_read() {
    let ends = RefCell::new(0);
    let mut running = start(|watched| {
        assert!(watched.is_readable() && watched.is_read_closed());
        assert_eq!(watched.read(&mut [0]).unwrap(), 0);
        watched.unwatch().unwrap();
        *ends.borrow_mut() += 1;
        ControlFlow::Continue(())
    });
    let mut child = std::process::Command::new("cat");
    let child = child.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = child.spawn().unwrap();
    watch(&mut running, child.stdout.take().unwrap(), READABLE, 0);
    assert_eq!(turn(&mut running), Progress::Idle);
    drop(child.stdin.take());
    while *ends.borrow() == 0 {
        running.turn(Some(DEADLINE)).unwrap();
    }
    assert_eq!(turn(&mut running), Progress::Idle);
    child.wait().unwrap();
}

#[test]
fn what_is_waited_for_can_be_changed() {
    let calls = RefCell::new(Vec::new());
    let mut running = start(|watched| {
        calls.borrow_mut().push((watched.is_readable(), watched.is_writable()));
        // Room for output stays.
        watched.rewatch(READABLE).unwrap();
        ControlFlow::Continue(())
    });
    let (here, mut there) = pair();
    let id = watch(&mut running, here, READABLE, 0);
    assert_eq!(turn(&mut running), Progress::Idle);
    on_loop(&mut running, move |event_loop| event_loop.rewatch(id, Interest::WRITABLE)).unwrap();
    while calls.borrow().is_empty() {
        running.turn(Some(DEADLINE)).unwrap();
    }
    assert_eq!(turn(&mut running), Progress::Idle);
    assert_eq!(*calls.borrow(), [(false, true)]);

    on_loop(&mut running, move |event_loop| event_loop.rewatch(id, Interest::HANGUP)).unwrap();
    there.write_all(b"x").unwrap();
    assert_eq!(turn(&mut running), Progress::Idle);
}

#[test]
fn a_descriptor_is_given_back_once_and_its_name_is_no_other_s() {
    let mut running = start(|_| panic!("nothing is ready"));
    let (here, mut there) = pair();
    let id = watch(&mut running, here, READABLE, 0);
    let is_watched = move |event_loop: &mut Loop<'_>| event_loop.watched(id).is_some();
    assert!(on_loop(&mut running, is_watched));
    let back = on_loop(&mut running, move |event_loop| event_loop.unwatch(id)).unwrap();
    UnixStream::from(back.try_clone().unwrap()).write_all(b"!").unwrap();
    there.read_exact(&mut [0]).unwrap();

    let other = watch(&mut running, back, READABLE, 0);
    assert_ne!(other, id);
    assert!(!on_loop(&mut running, is_watched));
    assert!(on_loop(&mut running, move |event_loop| event_loop.unwatch(id)).is_none());
    let refused = on_loop(&mut running, move |event_loop| event_loop.rewatch(id, READABLE));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NotFound);
    let back = on_loop(&mut running, move |event_loop| event_loop.unwatch(other));
    assert!(back.is_some());
    there.write_all(b"it is not watched any more").unwrap();
    assert_eq!(turn(&mut running), Progress::Idle);
}

/// Two are reported together, and the callback for the one ends the watch of the other, and begins
/// another of the same descriptor.
#[test]
fn an_event_of_what_is_not_watched_any_more_is_told_to_nobody() {
    let ids = Rc::new(RefCell::new(Vec::new()));
    let calls = RefCell::new(Vec::new());
    let mut running = start(|watched| {
        let id = watched.id();
        calls.borrow_mut().push(id);
        let others = ids.borrow().iter().copied().filter(|&other| other != id).collect::<Vec<_>>();
        for other in others {
            let fd = watched.event_loop().unwatch(other).unwrap();
            let new = watched.event_loop().watch(fd, READABLE, 0).unwrap();
            ids.borrow_mut().retain(|&old| old != other);
            ids.borrow_mut().push(new);
        }
        ControlFlow::Continue(())
    });
    let pairs = [pair(), pair()].map(|(here, there)| {
        ids.borrow_mut().push(watch(&mut running, here, READABLE, 0));
        there
    });
    let before = ids.borrow().clone();
    pairs.iter().for_each(|mut there| there.write_all(b"x").unwrap());
    turn(&mut running);
    let [first] = calls.borrow()[..] else { panic!("one is told: {calls:?}") };
    assert!(before.contains(&first));
}

#[test]
fn there_are_as_many_as_the_limit_and_none_of_what_cannot_be_polled() {
    let config = Config::default().max_watches(1);
    let mut running = EventLoop::new(config).unwrap().start(Bare).unwrap();
    let (here, mut there) = pair();
    let first = watch(&mut running, here, READABLE, 0);
    let (other, mut other_end) = pair();
    let refused = move |event_loop: &mut Loop<'_>| event_loop.watch(other, READABLE, 0);
    let error = on_loop(&mut running, refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert_eq!(other_end.read(&mut [0]).unwrap(), 0, "it is closed");

    on_loop(&mut running, move |event_loop| event_loop.unwatch(first)).unwrap();
    assert_eq!(there.read(&mut [0]).unwrap(), 0);
    if evio_core::BACKEND == "epoll" {
        let file = File::open("/proc/self/exe").unwrap();
        let refused = move |event_loop: &mut Loop<'_>| event_loop.watch(file, READABLE, 0);
        on_loop(&mut running, refused).unwrap_err();
    }
    watch(&mut running, pair().0, READABLE, 0);
}

#[test]
fn a_handler_without_the_callback_closes_what_is_ready() {
    let mut running = EventLoop::new(Config::default()).unwrap().start(Bare).unwrap();
    let (here, mut there) = pair();
    watch(&mut running, here, READABLE, 0);
    there.write_all(b"x").unwrap();
    assert_eq!(turn(&mut running), Progress::Worked);
    assert_eq!(turn(&mut running), Progress::Idle);
    // What nobody has read makes it a reset.
    assert!(matches!(there.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn what_is_left_is_closed_at_the_end_which_break_begins() {
    let mut running = start(|watched| {
        assert_eq!(watched.read(&mut [0]).unwrap(), 1);
        ControlFlow::Break(())
    });
    let (here, mut there) = pair();
    watch(&mut running, here, READABLE, 0);
    let (late, mut late_end) = pair();
    there.write_all(b"x").unwrap();
    let handle = running.handle();
    turn(&mut running);
    handle
        .post(move |event_loop| {
            event_loop.watch(late, READABLE, 0).unwrap_err();
        })
        .unwrap();
    while running.turn(Some(DEADLINE)).unwrap() != Progress::Ended {}
    drop(running);
    assert_eq!(there.read(&mut [0]).unwrap(), 0);
    assert_eq!(late_end.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_turn_tells_of_as_many_as_a_turn_has_events() {
    let calls = RefCell::new(Vec::new());
    let mut running = start(|watched| {
        assert_eq!(
            watched
                .as_fd()
                .try_clone_to_owned()
                .map(File::from)
                .unwrap()
                .read(&mut [0; 8])
                .unwrap(),
            1
        );
        calls.borrow_mut().push(watched.id());
        ControlFlow::Continue(())
    });
    let mut peers = Vec::new();
    for _ in 0..200 {
        let (here, there) = pair();
        watch(&mut running, here, READABLE, 0);
        peers.push(there);
    }
    peers.iter().for_each(|mut there| there.write_all(b"x").unwrap());
    let mut told = 0;
    while turn(&mut running) != Progress::Idle {
        let now = calls.borrow().len();
        assert!(now > told && now - told <= 64, "{told} {now}");
        told = now;
    }
    let mut ids = calls.borrow().clone();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((told, ids.len()), (200, 200));
}

//! A loop inside another one.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use evio_core::{
    Action, CloseReason, Config, Conn, EventLoop, Handler, Interest, Loop, Progress, RunningLoop,
    SendError, Serving, Tag, Watched,
};
use evio_sys::net::{ListenOptions, Listener};
use evio_sys::{Events, Poller, Token};

/// Everything that a test waits for must come within this time. It is reached by failures only.
const DEADLINE: Duration = Duration::from_secs(20);

/// So long that it does not matter how long a test takes.
const HOUR: Duration = Duration::from_secs(3_600);

/// Answers with what it gets, panics at `!`, and notes how connections end.
struct Echo<'a> {
    ends: &'a RefCell<Vec<String>>,
    tick: Duration,
}

impl Handler for Echo<'_> {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), input: &[u8]) -> Action {
        assert_ne!(input, b"!");
        conn.write(input);
        Action::None
    }

    fn closed(&mut self, _: &mut Conn<'_>, (): (), reason: CloseReason) -> ControlFlow<()> {
        self.ends.borrow_mut().push(reason.to_string());
        ControlFlow::Continue(())
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        ControlFlow::Continue(self.tick)
    }
}

fn echo(ends: &RefCell<Vec<String>>) -> Echo<'_> {
    Echo { ends, tick: Duration::MAX }
}

/// Returns a loop that listens.
fn listening() -> (EventLoop, SocketAddr) {
    let any_port = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::tcp(any_port, &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let mut event_loop = EventLoop::new(Config::default()).unwrap();
    event_loop.listen(0, listener).unwrap();
    (event_loop, address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client
}

/// Sends to the loop and makes turns until the answer is there.
fn exchange<H: Handler>(running: &mut RunningLoop<H>, mut client: &TcpStream) {
    client.write_all(b"x").unwrap();
    client.set_nonblocking(true).unwrap();
    while client.read(&mut [0]).is_err() {
        assert_ne!(running.turn(Some(DEADLINE)).unwrap(), Progress::Ended);
    }
    client.set_nonblocking(false).unwrap();
}

/// The host sleeps on the descriptor, and never calls a turn that would wait.
struct Host {
    poller: Poller,
    events: Events,
}

impl Host {
    fn new<H: Handler>(running: &RunningLoop<H>, interest: Interest) -> Self {
        let poller = Poller::new().unwrap();
        assert_eq!(running.as_raw_fd(), running.as_fd().as_raw_fd());
        poller.register(&running.as_fd(), Token(0), interest).unwrap();
        Self { poller, events: Events::with_capacity(1) }
    }

    fn is_readable(&mut self, timeout: Duration) -> bool {
        self.poller.poll(&mut self.events, Some(timeout)).unwrap();
        !self.events.is_empty()
    }
}

#[test]
fn messages_of_other_threads_make_the_descriptor_readable() {
    let ends = RefCell::default();
    let (event_loop, _) = listening();
    let mut running = event_loop.start(echo(&ends)).unwrap();
    let mut host = Host::new(&running, Interest::READABLE);
    assert!(!host.is_readable(Duration::ZERO));
    assert_eq!(running.timeout(), None);
    for round in 0..100 {
        let (sender, receiver) = mpsc::channel();
        let handle = running.handle();
        thread::spawn(move || handle.post(move |_| sender.send(round).unwrap()).unwrap());
        assert!(host.is_readable(DEADLINE), "round {round}");
        // One turn may find the wake, and not yet the message that was there before it.
        while receiver.try_recv() != Ok(round) {
            running.turn(Some(Duration::ZERO)).unwrap();
        }
        while running.timeout() == Some(Duration::ZERO) || host.is_readable(Duration::ZERO) {
            running.turn(Some(Duration::ZERO)).unwrap();
        }
    }
}

#[test]
fn the_host_is_told_how_long_it_may_sleep() {
    let ends = RefCell::default();
    let (event_loop, _) = listening();
    let mut running = event_loop.start(Echo { ends: &ends, tick: HOUR }).unwrap();
    let timeout = running.timeout().unwrap();
    assert!(timeout > HOUR / 2 && timeout <= HOUR, "{timeout:?}");
    // A turn waits no longer than it is told to, nor than the loop can.
    assert_eq!(running.turn(Some(Duration::from_millis(1))).unwrap(), Progress::Idle);

    // More than a turn carries out: the loop is to be called again at once.
    let handle = running.handle();
    for _ in 0..10_000 {
        handle.post(|_| ()).unwrap();
    }
    assert_eq!(running.turn(Some(HOUR)).unwrap(), Progress::Worked);
    assert_eq!(running.timeout(), Some(Duration::ZERO));
    while running.timeout() == Some(Duration::ZERO) {
        running.turn(Some(HOUR)).unwrap();
    }
    handle.shutdown();
    while running.turn(Some(HOUR)).unwrap() != Progress::Ended {}
    assert_eq!(running.timeout(), Some(Duration::ZERO));
    assert_eq!(running.turn(None).unwrap(), Progress::Ended);
    assert!(matches!(handle.post(|_| ()).map_err(SendError::from), Err(SendError::Stopped)));
}

/// What comes back more than once may be reported once only: a host that polls for changes makes
/// turns until nothing is ready.
#[test]
fn a_host_that_is_told_of_changes_misses_nothing() {
    let ends = RefCell::default();
    let (event_loop, address) = listening();
    let mut running = event_loop.start(echo(&ends)).unwrap();
    let mut host = Host::new(&running, Interest::READABLE.edge());
    let clients = [(); 100].map(|()| connect(address));
    for _ in 0..10 {
        clients.iter().for_each(|mut client| client.write_all(b"x").unwrap());
        let mut answered = 0;
        while answered < clients.len() {
            assert!(host.is_readable(DEADLINE), "{answered} of {} are answered", clients.len());
            while running.turn(Some(Duration::ZERO)).unwrap() != Progress::Idle {}
            assert_eq!(running.timeout(), None);
            for mut client in &clients[answered..] {
                client.set_nonblocking(true).unwrap();
                if client.read(&mut [0]).is_err() {
                    break;
                }
                answered += 1;
            }
        }
    }
}

#[test]
fn a_loop_that_is_dropped_tells_its_handler_and_ends_the_others() {
    let ends = RefCell::default();
    let mut loops = EventLoop::group(2, Config::default()).unwrap();
    let other = loops.pop().unwrap();
    let other = thread::spawn(move || other.run(echo(&RefCell::default())));
    let mut event_loop = loops.pop().unwrap();
    let any_port = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::tcp(any_port, &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    event_loop.listen_here(0, listener).unwrap();

    let mut running = event_loop.start(echo(&ends)).unwrap();
    let mut client = connect(address);
    exchange(&mut running, &client);
    assert!(ends.borrow().is_empty());
    drop(running);
    assert_eq!(*ends.borrow(), [CloseReason::Shutdown.to_string()]);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    other.join().unwrap().unwrap();
}

#[test]
fn a_callback_that_panics_is_the_last_one() {
    let ends = RefCell::default();
    let (event_loop, address) = listening();
    let mut running = event_loop.start(echo(&ends)).unwrap();
    let mut client = connect(address);
    exchange(&mut running, &client);
    client.write_all(b"!").unwrap();
    let turns = || while running.turn(Some(DEADLINE)).unwrap() != Progress::Ended {};
    catch_unwind(AssertUnwindSafe(turns)).unwrap_err();
    assert_eq!(running.turn(None).unwrap(), Progress::Ended);
    drop(running);
    assert!(ends.borrow().is_empty());
}

/// A loop that has a loop among its descriptors.
struct Outer<'a> {
    inner: RunningLoop<Echo<'a>>,
}

impl Handler for Outer<'_> {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, _: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        Action::None
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        let copy = self.inner.as_fd().try_clone_to_owned().unwrap();
        event_loop.watch(copy, Interest::READABLE, Tag::default()).unwrap();
        ControlFlow::Continue(())
    }

    fn ready(&mut self, _: &mut Watched<'_>) -> ControlFlow<()> {
        match self.inner.turn(Some(Duration::ZERO)).unwrap() {
            Progress::Ended => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        // Only so that the test does not last for ever: the inner loop has no timers.
        assert_eq!(self.inner.timeout(), None);
        ControlFlow::Continue(HOUR)
    }
}

#[test]
fn a_loop_lives_in_a_loop() {
    let ends = RefCell::default();
    let (event_loop, address) = listening();
    let inner = event_loop.start(echo(&ends)).unwrap();
    let handle = inner.handle();
    let client = thread::spawn(move || {
        let mut client = connect(address);
        for _ in 0..100 {
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        handle.shutdown();
        assert_eq!(client.read(&mut [0]).unwrap(), 0);
    });
    EventLoop::new(Config::default()).unwrap().run(Outer { inner }).unwrap();
    client.join().unwrap();
    assert_eq!(*ends.borrow(), [CloseReason::Shutdown.to_string()]);
}

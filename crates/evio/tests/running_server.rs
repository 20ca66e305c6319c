//! A server whose turns the test makes, and its descriptors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

use evio::{
    Action, Conn, Error, Events, Handler, Interest, Loop, LoopHandle, MessageSender, Progress,
    RunningServer, SendError, Server, Serving,
};

use util::{DEADLINE, TCP};

/// Makes turns until nothing is ready.
fn settle<H: Handler>(server: &mut RunningServer<H>) {
    while server.turn(Some(Duration::ZERO)).unwrap() != Progress::Idle {}
}

fn pair() -> (UnixStream, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    there.set_read_timeout(Some(DEADLINE)).unwrap();
    (here, there)
}

#[test]
fn a_server_that_is_dropped_has_ended_for_its_handles_and_its_connections() {
    let ends = RefCell::new(Vec::new());
    let server = Server::bind([TCP]).unwrap();
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    let handle = server.handle();
    assert!(matches!(handle.broadcast(*b"x"), Err(SendError::NotStarted)));
    let events = Events::new().closed(|_, (), reason| {
        ends.borrow_mut().push(reason.to_string());
        ControlFlow::Continue(())
    });
    let mut server = server.start(events).unwrap();
    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(server.turn(Some(DEADLINE)).unwrap(), Progress::Worked);
    handle.broadcast(*b"x").unwrap();
    settle(&mut server);
    client.read_exact(&mut [0]).unwrap();
    drop(server);
    assert_eq!(client.read(&mut [0]).unwrap(), 0);
    assert_eq!(*ends.borrow(), ["server shutdown"]);
    assert!(matches!(handle.broadcast(*b"x"), Err(SendError::Stopped)));
}

#[test]
fn closures_watch_and_without_one_what_is_ready_is_closed() {
    for has_closure in [true, false] {
        let (here, mut there) = pair();
        let (more, mut more_end) = pair();
        let (mut descriptors, mut refused) = (vec![more, here], Vec::new());
        let mut events = Events::new().data(|_, _, _| Action::None).serving(|event_loop, _| {
            let fd = descriptors.pop().unwrap();
            event_loop.watch(fd, Interest::READABLE, 0).unwrap();
            let fd = descriptors.pop().unwrap();
            refused.push(event_loop.watch(fd, Interest::READABLE, 0).unwrap_err().kind());
            ControlFlow::Continue(())
        });
        if has_closure {
            events = events.ready(|watched| {
                let mut bytes = [0; 8];
                let len = watched.read(&mut bytes).unwrap();
                watched.write_all(&bytes[..len]).unwrap();
                ControlFlow::Continue(())
            });
        }
        let server = Server::bind([TCP]).unwrap().max_watches(1);
        let mut server = server.start(events).unwrap();
        assert_eq!(more_end.read(&mut [0]).unwrap(), 0, "one is the limit");
        there.write_all(b"hello").unwrap();
        settle(&mut server);
        let mut answer = [0; 5];
        match has_closure {
            true => there.read_exact(&mut answer).unwrap(),
            false => assert!(there.read_exact(&mut answer).is_err()),
        }
        drop(server);
        assert_eq!(refused, [std::io::ErrorKind::QuotaExceeded]);
    }
}

#[test]
fn a_loop_that_cannot_be_made_is_an_error() {
    let server = Server::bind([TCP]).unwrap().limits_of(7, evio::Limits::default());
    let error = server.start(Events::new()).map(drop).unwrap_err();
    assert!(matches!(error, Error::NoSuchAddress { index: 7, .. }));
}

/// Answers with the number of its loop, and passes a message on to the next loop when it begins.
struct Numbered {
    loop_id: usize,
    next: Option<MessageSender<usize>>,
    /// What the message has come to.
    sum: usize,
}

impl Numbered {
    fn new(event_loop: LoopHandle) -> Self {
        let loop_id = event_loop.loop_id();
        let next = event_loop.of_loop(loop_id + 1);
        let next = next.map(|next| next.message_sender().unwrap());
        Self { loop_id, next, sum: 0 }
    }
}

impl Handler<usize> for Numbered {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn data(&mut self, conn: &mut Conn<'_>, (): &mut (), _: &[u8]) -> Action {
        conn.write(format!("{} {}\n", self.loop_id, self.sum).as_bytes());
        Action::Close
    }

    fn serving(&mut self, event_loop: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.message(event_loop, 1)
    }

    fn message(&mut self, _: &mut Loop<'_>, sum: usize) -> ControlFlow<()> {
        self.sum = sum;
        if let Some(next) = &self.next {
            next.send(sum + 1).unwrap();
        }
        ControlFlow::Continue(())
    }
}

const LOOPS: usize = 3;

fn start_each() -> (Vec<RunningServer<Numbered, usize>>, std::net::SocketAddr, evio::ServerHandle) {
    let server = Server::bind([TCP]).unwrap();
    let address = server.local_addrs()[0].addr().as_inet().unwrap();
    let handle = server.handle();
    (server.start_each_with(LOOPS, Numbered::new).unwrap(), address, handle)
}

fn ask(address: std::net::SocketAddr) -> std::io::Result<String> {
    let mut client = TcpStream::connect(address)?;
    client.set_read_timeout(Some(DEADLINE))?;
    client.write_all(b"?")?;
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Asks once for each loop, and returns the answers in their order.
fn answers(address: std::net::SocketAddr) -> Vec<String> {
    let mut answers: Vec<_> = (0..LOOPS).map(|_| ask(address).unwrap()).collect();
    answers.sort();
    answers
}

/// Makes turns of all loops until they have ended.
fn take_turns(loops: &mut [RunningServer<Numbered, usize>]) {
    let mut is_over = false;
    while !is_over {
        is_over = true;
        for event_loop in &mut *loops {
            let progress = event_loop.turn(Some(Duration::from_millis(1))).unwrap();
            is_over &= progress == Progress::Ended;
        }
    }
}

#[test]
fn loops_on_one_thread_hand_connections_and_messages_to_each_other() {
    let (mut loops, address, handle) = start_each();
    let clients = thread::spawn(move || {
        let answers = answers(address);
        handle.shutdown();
        answers
    });
    take_turns(&mut loops);
    assert_eq!(clients.join().unwrap(), ["0 1\n", "1 2\n", "2 3\n"]);
}

#[test]
fn loops_go_on_in_threads_of_their_own() {
    let (loops, address, handle) = start_each();
    let run = |mut event_loop: RunningServer<Numbered, usize>| {
        thread::spawn(move || while event_loop.turn(None).unwrap() != Progress::Ended {})
    };
    let threads: Vec<_> = loops.into_iter().map(run).collect();
    assert_eq!(answers(address), ["0 1\n", "1 2\n", "2 3\n"]);
    handle.shutdown();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(handle.broadcast(*b"x"), Err(SendError::Stopped));
}

#[test]
fn a_loop_that_is_dropped_ends_the_others() {
    let (mut loops, _, handle) = start_each();
    drop(loops.swap_remove(1));
    assert!(handle.event_loop(0).is_some(), "two loops are left");
    take_turns(&mut loops);
    drop(loops);
    assert!(handle.event_loop(0).is_none());
}

#[test]
fn a_server_that_is_ended_while_its_loops_begin_has_ended() {
    let server = Server::bind([TCP]).unwrap();
    let handle = server.handle();
    let made = server.start_each(2, |loop_id| {
        if loop_id == 1 {
            handle.shutdown();
        }
        Events::new()
    });
    for mut event_loop in made.unwrap() {
        assert_eq!(event_loop.turn(Some(DEADLINE)).unwrap(), Progress::Ended);
    }
}

//! What a loop refuses to take in while it is held up.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use evio_core::{
    Action, Config, Conn, ConnHandle, EventLoop, Handler, LoopHandle, SendError, Unsent,
};
use evio_sys::net::{ListenOptions, Listener};

fn cause<T>(result: Result<(), Unsent<T>>) -> Result<(), SendError> {
    result.map_err(SendError::from)
}

const DEADLINE: Duration = Duration::from_secs(20);
const CAPACITY: usize = 4;

/// Gives its handle away when it opens, and is held up by input.
struct Held {
    handles: Sender<ConnHandle>,
    entered: Sender<()>,
    leave: Receiver<()>,
}

impl Handler for Held {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {}

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.handles.send(conn.handle()).unwrap();
        Action::None
    }

    fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
        self.entered.send(()).unwrap();
        self.leave.recv_timeout(DEADLINE).unwrap();
        Action::None
    }

    fn woken(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        conn.write(b"woken");
        Action::None
    }
}

/// Fills the mailbox up to its capacity and not beyond; when the loop goes on, what was taken is
/// carried out in order, what was refused is not, and there is room again. Endings are always
/// taken.
#[test]
fn a_full_mailbox_refuses_all_but_endings() {
    let listener =
        Listener::tcp("127.0.0.1:0".parse().unwrap(), &ListenOptions::default()).unwrap();
    let address = listener.local_addr().unwrap().as_inet().unwrap();
    let config = Config::default().mailbox_capacity(CAPACITY);
    let mut event_loop = EventLoop::new(config).unwrap();
    event_loop.listen(0, listener).unwrap();
    let (handles, handle) = mpsc::channel();
    let (entered, is_held) = mpsc::channel();
    let (release, leave) = mpsc::channel();
    let shutdown = event_loop.handle();
    let running = thread::spawn(move || event_loop.run(Held { handles, entered, leave }));

    let mut client = TcpStream::connect(address).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let handle = handle.recv_timeout(DEADLINE).unwrap();
    for round in 0..3 {
        client.write_all(b"hold").unwrap();
        is_held.recv_timeout(DEADLINE).unwrap();
        for number in 0..CAPACITY - 1 {
            handle.send([b'0' + number as u8]).unwrap();
        }
        handle.wake().unwrap();
        assert_eq!(cause(handle.send("refused")), Err(SendError::Full), "round {round}");
        assert_eq!(handle.wake(), Err(SendError::Full), "round {round}");
        assert_eq!(cause(shutdown.post(|_| ())), Err(SendError::Full), "round {round}");
        release.send(()).unwrap();
        let mut reply = [0; 8];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"012woken", "round {round}");
    }

    client.write_all(b"hold").unwrap();
    is_held.recv_timeout(DEADLINE).unwrap();
    while handle.send("x").is_ok() {}
    handle.close().unwrap();
    release.send(()).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, [b'x'; CAPACITY]);
    drop(client);
    shutdown.shutdown();
    running.join().unwrap().unwrap();
}

/// Posts when it is dropped.
struct PostsOnDrop(LoopHandle, Sender<Result<(), SendError>>);

impl Drop for PostsOnDrop {
    fn drop(&mut self) {
        self.1.send(cause(self.0.post(|_| ()))).unwrap();
    }
}

/// Each task counts, also where several share a message. One that is refused, or left when the loop
/// ends, can leave another one as it is dropped.
#[test]
fn tasks_count_singly_and_are_dropped_without_a_lock() {
    let config = Config::default().mailbox_capacity(CAPACITY);
    let event_loop = EventLoop::new(config).unwrap();
    let handle = event_loop.handle();
    let (results, result) = mpsc::channel();
    let (refused, is_refused) = mpsc::channel();
    thread::spawn(move || {
        for number in 0..=CAPACITY {
            let posts = PostsOnDrop(handle.clone(), results.clone());
            let expected = if number < CAPACITY { Ok(()) } else { Err(SendError::Full) };
            assert_eq!(cause(handle.post(move |_| drop(posts))), expected, "task {number}");
        }
        refused.send(()).unwrap();
    });
    is_refused.recv_timeout(DEADLINE).unwrap();
    assert_eq!(result.recv_timeout(DEADLINE).unwrap(), Err(SendError::Full));
    let ending = thread::spawn(move || drop(event_loop));
    for _ in 0..CAPACITY {
        assert_eq!(result.recv_timeout(DEADLINE).unwrap(), Err(SendError::Stopped));
    }
    ending.join().unwrap();
}

//! Thousands of connections that end in every way there is: each is told its end exactly once, and
//! no descriptor is left.
//!
//! Descriptors belong to the process, so this test has one to itself.

mod util;

use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use evio::{
    Action, CloseReason, Conn, ConnHandle, ConnId, Detached, Handler, LoadBalance, Loop, SocketAddr,
};

use util::{
    Call, Calls, Client, DEADLINE, Random, TCP, bind_all, recorder, seed, start_each, unix_address,
};

const LOOPS: usize = 3;
const THREADS: u64 = 3;
/// Made by each thread.
const CONNECTIONS: usize = 2_000;
/// Together with one to each loop.
const ALL: usize = THREADS as usize * CONNECTIONS + LOOPS;

/// More than is sent at once.
const LARGE: usize = 1 << 20;

/// Counts the connections that have begun, and those that are over: detached ones when their socket
/// is closed.
#[derive(Clone, Default)]
struct Live(Arc<(Mutex<Counts>, Condvar)>);

#[derive(Debug, Default)]
struct Counts {
    begun: usize,
    over: usize,
}

impl Live {
    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.0.0.lock().expect("no holder panics"));
        self.0.1.notify_all();
    }

    /// Waits until all connections have begun, and all but `left` of them are over. Clients that
    /// have gone may be waiting to be accepted still.
    #[track_caller]
    fn wait_until(&self, all: usize, left: usize) {
        let is_early = |counts: &mut Counts| counts.begun != all || counts.over != all - left;
        let counts = self.0.0.lock().expect("no holder panics");
        let (counts, result) =
            self.0.1.wait_timeout_while(counts, DEADLINE, is_early).expect("no holder panics");
        assert!(!result.timed_out(), "{counts:?}, of {all} of which {left} are left");
    }
}

/// Does what the first byte of the input says.
struct Servant {
    live: Live,
    detached: Sender<Detached>,
    /// Connections that another thread answers and closes.
    handles: Sender<ConnHandle>,
}

impl Handler for Servant {
    type Context = ();

    fn context(&mut self, _: &Conn<'_>) {
        self.live.change(|counts| counts.begun += 1);
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        match input[0] {
            b'c' => return Action::Close,
            b'a' => conn.abort(),
            b'd' => return Action::Detach,
            b'l' => conn.write_owned(vec![0; LARGE]),
            b'L' => {
                conn.write_owned(vec![0; LARGE]);
                return Action::Close;
            }
            b'h' => self.handles.send(conn.handle()).expect("the thread for handles is there"),
            b'w' => {
                conn.handle().wake().expect("the server is running");
                conn.handle().abort().expect("the server is running");
            }
            _ => conn.write(input),
        }
        Action::None
    }

    fn closed(&mut self, _: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
        self.live.change(|counts| counts.over += 1);
        ControlFlow::Continue(())
    }

    fn detached(
        &mut self,
        _: &mut Loop<'_>,
        _: ConnId,
        _: (),
        socket: Detached,
    ) -> ControlFlow<()> {
        self.detached.send(socket).expect("the thread for detached sockets is there");
        ControlFlow::Continue(())
    }
}

/// Makes one connection and ends it in one of many ways. Nothing is checked here but that it ends.
fn come_and_go(address: &SocketAddr, way: usize) {
    let client = Client::connect(address);
    let is_tcp = matches!(client, Client::Tcp(_));
    let end =
        |client: Client, reset: bool| if reset && is_tcp { client.reset() } else { drop(client) };
    let ask = |request: &[u8]| {
        // A server that has ended the connection already may refuse it.
        let _ = (&mut &client).write_all(request);
    };
    match way {
        // Nothing is said at all.
        0 | 1 => end(client, way == 1),
        // The request may still be on its way when the client goes.
        2..=9 => {
            ask([b"?", b"l", b"c", b"a", b"d", b"L", b"h", b"w"][way - 2]);
            end(client, false);
        }
        10..=17 => {
            ask([b"?", b"l", b"c", b"a", b"d", b"L", b"h", b"w"][way - 10]);
            end(client, true);
        }
        // The whole conversation is had.
        18..=23 => {
            ask([b"?", b"l", b"c", b"d", b"L", b"a"][way - 18]);
            let _ = client.try_finish_sending();
            let _ = client.receive_to_any_end();
            end(client, false);
        }
        // Some of the answer is read.
        24..=27 => {
            ask([b"?", b"l", b"L", b"d"][way - 24]);
            let _ = (&mut &client).read(&mut [0; 1_000]);
            end(client, way % 2 == 0);
        }
        // The server ends it, and the client waits for that.
        _ => {
            ask([b"c", b"a", b"L", b"h", b"w"][way - 28]);
            let _ = client.receive_to_any_end();
            end(client, false);
        }
    }
}

const WAYS: usize = 33;

/// Counts the descriptors of this process. FreeBSD may list the first three only.
fn descriptors() -> usize {
    fs::read_dir("/dev/fd").expect("the system lists them").count()
}

/// Answers connections and closes them.
fn close(handles: Receiver<ConnHandle>) {
    for handle in handles {
        // The connection may be gone, or the server.
        let _ = handle.send("by a handle");
        let _ = handle.close();
    }
}

/// Closes detached sockets, some of them after a last word.
fn keep(sockets: Receiver<Detached>, live: &Live) {
    for (number, socket) in sockets.into_iter().enumerate() {
        if number % 2 == 0 {
            let (stream, unread) = socket.into_parts();
            let _ = stream.send(&unread);
        } else {
            drop(socket);
        }
        // Not before its descriptor is closed.
        live.change(|counts| counts.over += 1);
    }
}

/// Checks that each connection was opened once, ended once, and was not called after that.
#[track_caller]
fn check(calls: &Calls) {
    let mut open = HashSet::new();
    let (mut opened, mut closed, mut detached) = (0, 0, 0);
    for (id, call) in calls.rest() {
        match call {
            Call::Opened => {
                opened += 1;
                assert!(open.insert(id), "{id} was opened twice");
            }
            Call::Closed(_) | Call::Detached => {
                assert!(open.remove(&id), "{id} ended twice");
                if call == Call::Detached { detached += 1 } else { closed += 1 }
            }
            _ => assert!(open.contains(&id), "{id} was called after its end: {call:?}"),
        }
    }
    assert_eq!(opened, ALL);
    assert_eq!(opened, closed + detached);
    assert!(detached > 100, "{detached} were detached, {closed} closed");
}

#[test]
fn every_connection_ends_once_and_leaves_nothing() {
    let seed = seed();
    let before_all = descriptors();
    let live = Live::default();
    let (recorder, calls) = recorder();
    let (sender, sockets) = std::sync::mpsc::channel::<Detached>();
    let (handles, handle) = std::sync::mpsc::channel::<ConnHandle>();
    let server = bind_all([TCP, &unix_address()]).load_balance(LoadBalance::RoundRobin);
    let server = start_each(server, LOOPS, {
        let live = live.clone();
        move |_| {
            let (live, detached, handles) = (live.clone(), sender.clone(), handles.clone());
            recorder.wrap(Servant { live, detached, handles })
        }
    });
    let helper = thread::spawn(move || close(handle));
    let keeper = thread::spawn({
        let live = live.clone();
        move || keep(sockets, &live)
    });

    // One connection to each loop, to know that the loop has done what it was doing.
    let fences: Vec<Client> = (0..LOOPS).map(|_| server.connect()).collect();
    let fence = || fences.iter().for_each(|client| client.echo(b"fence"));
    fence();
    let running = descriptors();

    thread::scope(|scope| {
        for number in 0..THREADS {
            let addrs = server.addrs();
            scope.spawn(move || {
                let mut random = Random::new(seed, number);
                for _ in 0..CONNECTIONS {
                    let address = addrs[random.up_to(2) - 1].addr();
                    come_and_go(address, random.up_to(WAYS) - 1);
                }
            });
        }
    });
    live.wait_until(ALL, LOOPS);
    fence();
    assert_eq!(descriptors(), running, "descriptors while the server runs");

    drop(fences);
    server.stop();
    keeper.join().expect("the thread does not panic");
    // A handle keeps what wakes its loop.
    helper.join().expect("the thread does not panic");
    assert_eq!(descriptors(), before_all, "descriptors after all");
    check(&calls);
}

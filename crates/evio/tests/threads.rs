//! A loop and all that belongs to it stay on one thread.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::mpsc::Sender;
use std::thread::{self, ThreadId};
use std::time::Duration;

use evio::{
    Action, CloseReason, Conn, ConnId, Detached, Events, Handler, LoadBalance, Loop, Serving, Udp,
};

use util::{Client, DEADLINE, TCP, bind_all, reports, start_each};

/// Reports each callback with its thread.
struct Watched {
    loop_id: usize,
    calls: Sender<(usize, &'static str, ThreadId)>,
}

impl Watched {
    fn new(loop_id: usize, calls: Sender<(usize, &'static str, ThreadId)>) -> Self {
        let watched = Self { loop_id, calls };
        watched.note("make");
        watched
    }

    fn note(&self, call: &'static str) {
        self.calls.send((self.loop_id, call, thread::current().id())).unwrap();
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.note("drop");
    }
}

impl Handler for Watched {
    type Context = ();

    fn context(&mut self, conn: &Conn<'_>) {
        assert_eq!(conn.id().loop_id(), self.loop_id);
        self.note("context");
    }

    fn serving(&mut self, _: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
        self.note("serving");
        ControlFlow::Continue(())
    }

    fn tick(&mut self, _: &mut Loop<'_>) -> ControlFlow<(), Duration> {
        self.note("tick");
        ControlFlow::Continue(Duration::from_millis(5))
    }

    fn opened(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.note("opened");
        conn.handle().wake().unwrap();
        conn.set_timer(Some(Duration::from_millis(1)));
        Action::None
    }

    fn data(&mut self, conn: &mut Conn<'_>, _: &mut (), input: &[u8]) -> Action {
        self.note("data");
        conn.write(&vec![b'x'; 300 << 10]);
        if input == b"detach" { Action::Detach } else { Action::None }
    }

    fn woken(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
        self.note("woken");
        Action::None
    }

    fn drained(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
        self.note("drained");
        Action::None
    }

    fn timer(&mut self, conn: &mut Conn<'_>, _: &mut ()) -> Action {
        self.note("timer");
        conn.write(b"t");
        Action::None
    }

    fn peer_closed(&mut self, _: &mut Conn<'_>, _: &mut ()) -> Action {
        self.note("peer closed");
        Action::Close
    }

    fn closed(&mut self, _: &mut Conn<'_>, _: (), _: CloseReason) -> ControlFlow<()> {
        self.note("closed");
        ControlFlow::Continue(())
    }

    fn detached(&mut self, _: &mut Loop<'_>, _: ConnId, _: (), _: Detached) -> ControlFlow<()> {
        self.note("detached");
        ControlFlow::Continue(())
    }

    fn datagram(
        &mut self,
        socket: &mut Udp<'_>,
        peer: SocketAddr,
        input: &[u8],
    ) -> ControlFlow<()> {
        self.note("datagram");
        socket.send_to(input, peer);
        ControlFlow::Continue(())
    }

    fn pre_write(&mut self, _: &mut Loop<'_>) -> std::io::Result<()> {
        self.note("pre_write");
        Ok(())
    }
}

#[test]
fn each_loop_stays_on_a_thread_of_its_own() {
    const LOOPS: usize = 3;
    let (calls, seen) = reports();
    let server = bind_all([TCP, "udp://127.0.0.1:0"]);
    let server = server.load_balance(LoadBalance::RoundRobin);
    let server = start_each(server, LOOPS, move |loop_id| Watched::new(loop_id, calls.clone()));
    let clients: Vec<Client> = (0..4 * LOOPS).map(|_| server.connect()).collect();
    for (number, client) in clients.into_iter().enumerate() {
        assert_eq!(client.receive(1), b"t");
        client.send(if number < LOOPS { b"detach" } else { b"go on " });
        client.receive(300 << 10);
        client.finish_sending();
        assert!(client.receive_to_end().is_empty());
    }
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(DEADLINE)).unwrap();
    udp.connect(server.addrs()[1].addr().as_inet().unwrap()).unwrap();
    udp.send(b"!").unwrap();
    udp.recv(&mut [0; 8]).unwrap();
    server.stop();

    let mut threads = HashMap::new();
    let mut callbacks: HashMap<usize, Vec<&str>> = HashMap::new();
    for (loop_id, call, thread) in seen.rest() {
        let first = *threads.entry(loop_id).or_insert(thread);
        assert_eq!(first, thread, "{call} of loop {loop_id} was on another thread");
        callbacks.entry(loop_id).or_default().push(call);
    }
    let distinct: std::collections::HashSet<&ThreadId> = threads.values().collect();
    assert_eq!(distinct.len(), LOOPS, "two loops share a thread");
    for (loop_id, callbacks) in callbacks {
        assert_eq!(callbacks.first(), Some(&"make"));
        assert_eq!(callbacks.last(), Some(&"drop"));
        for call in [
            "context",
            "opened",
            "data",
            "woken",
            "drained",
            "timer",
            "peer closed",
            "closed",
            "detached",
            "pre_write",
        ] {
            assert!(callbacks.contains(&call), "loop {loop_id} was never called for {call}");
        }
        for call in ["serving", "tick"] {
            assert_eq!(callbacks.contains(&call), loop_id == 0, "{call} is for loop 0");
        }
    }
}

/// Loop 0 needs no thread; the others say in their names what they are.
#[test]
fn loop_0_runs_on_the_callers_thread() {
    struct Named;
    impl Handler for Named {
        type Context = ();
        fn context(&mut self, _: &Conn<'_>) {}
        fn data(&mut self, _: &mut Conn<'_>, _: &mut (), _: &[u8]) -> Action {
            Action::None
        }
        fn serving(&mut self, _: &mut Loop<'_>, _: &Serving) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    let (names, name) = reports();
    util::bind(TCP)
        .run_each(3, |loop_id| {
            let thread = thread::current();
            names.send((loop_id, thread.id(), thread.name().map(str::to_owned))).unwrap();
            Named
        })
        .unwrap();
    let mut made = name.rest();
    made.sort_by_key(|(loop_id, ..)| *loop_id);
    assert_eq!(made.len(), 3);
    assert_eq!(made[0].1, thread::current().id());
    for (loop_id, _, name) in &made[1..] {
        assert_eq!(name.as_deref(), Some(&*format!("evio-loop-{loop_id}")));
    }
}

/// A single loop asks for nothing: its handler may borrow, and need not be sent anywhere.
#[test]
fn a_single_loop_needs_neither_send_nor_static() {
    let greeting = String::from("hello");
    let count = std::rc::Rc::new(std::cell::Cell::new(0));
    let server = util::bind(TCP);
    let address = server.local_addrs()[0].addr().clone();
    let client = thread::spawn(move || Client::connect(&address).receive_to_end());
    server
        .run(Events::new().opened(|conn, _| {
            count.set(count.get() + 1);
            conn.write(greeting.as_bytes());
            Action::Shutdown
        }))
        .unwrap();
    assert_eq!(client.join().unwrap(), greeting.as_bytes());
    assert_eq!(count.get(), 1);
}

/// A loop that is held up by its handler does not hold up the others, nor those who connect: unless
/// it is the one that accepts.
#[test]
fn a_slow_callback_holds_up_its_own_loop_only() {
    let (hold, held) = util::hold();
    let hold = std::sync::Mutex::new(Some(hold));
    let server = util::bind(TCP).load_balance(LoadBalance::RoundRobin);
    let server = start_each(server, 2, move |loop_id| {
        let hold = if loop_id == 1 { hold.lock().unwrap().take() } else { None };
        Events::new().data(move |conn, _, input| {
            match &hold {
                Some(hold) => hold.wait(),
                None => conn.write(input),
            }
            Action::None
        })
    });
    let (free, slow) = (server.connect(), server.connect());
    slow.send(b"hold");
    held.wait();
    for _ in 0..20 {
        free.echo(b"round trip");
    }
    let _waiting_for_loop_0 = server.connect();
    let waiting_for_loop_1 = server.connect();
    waiting_for_loop_1.send(b"hold");
    held.release();
    held.wait();
    held.release();
    server.stop();
}

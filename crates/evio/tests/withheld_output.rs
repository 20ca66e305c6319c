//! `pre_write` fails, as where what the replies of a turn depend on could not be stored: nothing of
//! that turn leaves, those whom it was for are told by the end of their connections, and all others
//! go on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod util;

use std::io;
use std::net::UdpSocket;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use evio::{Action, CloseReason, Conn, ConnHandle, Events};

use util::{
    Client, DEADLINE, Held, Hold, Reports, Running, bind_all, hold, reports, start, unix_address,
};

/// More than a Unix socket takes at once.
const LONG: usize = 4 << 20;

/// A server whose `pre_write` fails as often as it is told to.
struct Fixture {
    server: Running,
    failures: Arc<AtomicUsize>,
    held: Held,
    handles: Reports<ConnHandle>,
    /// How connections have ended: as the reason says, or "detached".
    ends: Reports<String>,
}

impl Fixture {
    fn new() -> Self {
        let (hold, held) = hold();
        let (gives, handles) = reports();
        let (tells, ends) = reports::<String>();
        let failures = Arc::new(AtomicUsize::new(0));
        let left = Arc::clone(&failures);
        let server = start(bind_all([&*unix_address(), "udp://127.0.0.1:0"]), move || {
            let detached = tells.clone();
            Events::new()
                .opened(move |conn, ()| {
                    conn.write(b"hello");
                    gives.send(conn.handle()).unwrap();
                    Action::None
                })
                .data(move |conn, (), input| answer(conn, input[0], &hold))
                .datagram(|socket, peer, input| {
                    socket.send_to(input, peer);
                    ControlFlow::Continue(())
                })
                .closed(move |_, (), reason| {
                    let is_withheld = matches!(reason, CloseReason::Withheld);
                    let name = if is_withheld { "withheld".into() } else { reason.to_string() };
                    tells.send(name).unwrap();
                    ControlFlow::Continue(())
                })
                .detached(move |_, _, (), _| {
                    detached.send("detached".into()).unwrap();
                    ControlFlow::Continue(())
                })
                .pre_write(move |_| {
                    let one_less = |count: usize| count.checked_sub(1);
                    match left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less) {
                        Ok(_) => Err(io::Error::other("the disk is full")),
                        Err(_) => Ok(()),
                    }
                })
        });
        Self { server, failures, held, handles, ends }
    }

    fn connect(&self) -> Client {
        let client = self.server.connect();
        assert_eq!(client.receive(5), b"hello");
        client
    }

    /// Makes everything that `prepare` sends fall into one turn, whose `pre_write` fails.
    fn fail(&self, control: &Client, prepare: impl FnOnce()) {
        control.send(b"h");
        self.held.wait();
        self.failures.store(1, Ordering::SeqCst);
        prepare();
        self.held.release();
    }
}

fn answer(conn: &mut Conn<'_>, command: u8, hold: &Hold) -> Action {
    match command {
        b'h' => hold.wait(),
        b'n' => {}
        b'l' => conn.write_owned(vec![b'.'; LONG]),
        _ => conn.write(b"answer"),
    }
    match command {
        b'c' => return Action::Close,
        b'd' => return Action::Detach,
        b's' => return Action::Shutdown,
        b'f' => conn.shutdown_write(),
        _ => {}
    }
    Action::None
}

#[test]
fn nothing_of_the_turn_leaves_and_others_go_on() {
    let fixture = Fixture::new();
    let control = fixture.connect();
    let [answered, closing, half_closing, detaching] = [(); 4].map(|()| fixture.connect());
    let [silent, waiting] = [(); 2].map(|()| fixture.connect());
    let both = fixture.connect();
    for client in [&waiting, &both] {
        client.send(b"l");
        assert_eq!(client.receive(1), b".");
    }
    let handles: Vec<ConnHandle> = (0..8).map(|_| fixture.handles.next()).collect();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(DEADLINE)).unwrap();
    let udp_address = fixture.server.addrs()[1].addr().as_inet().unwrap();

    fixture.fail(&control, || {
        for (client, command) in
            [(&answered, "a"), (&closing, "c"), (&half_closing, "f"), (&detaching, "d")]
        {
            client.send(command.as_bytes());
        }
        silent.send(b"n");
        handles[7].send("more").unwrap();
        udp.send_to(b"1", udp_address).unwrap();
    });

    for client in [answered, closing, half_closing, detaching] {
        assert_eq!(client.receive_to_any_end().unwrap_or(0), 0, "bytes of the turn");
        assert_eq!(fixture.ends.next(), "withheld");
    }
    // What had been let go before may have left, or may not.
    let mut rest = Vec::new();
    let _ = io::Read::read_to_end(&mut &both, &mut rest);
    assert!(rest.iter().all(|&byte| byte == b'.'), "bytes of the turn");
    assert_eq!(fixture.ends.next(), "withheld");

    assert_eq!(waiting.receive(LONG - 1).len(), LONG - 1);
    for client in [&silent, &waiting, &control] {
        client.send(b"?");
        assert_eq!(client.receive(6), b"answer");
    }
    udp.send_to(b"2", udp_address).unwrap();
    let mut reply = [0];
    udp.recv(&mut reply).unwrap();
    assert_eq!(&reply, b"2", "the first datagram has no reply");
    assert!(fixture.ends.rest().is_empty(), "nobody else has ended");
    fixture.server.stop();
}

/// An answer that waits in a full socket was let go by the `pre_write` of its own turn.
#[test]
fn an_answer_that_waits_for_the_peer_is_not_withheld_later() {
    let fixture = Fixture::new();
    let [control, waiting, answered] = [(); 3].map(|()| fixture.connect());
    let handles = [(); 3].map(|()| fixture.handles.next());
    waiting.send(b"l");
    assert_eq!(waiting.receive(1), b".");
    handles[1].send("answer").unwrap();
    for _ in 0..2 {
        control.send(b"?");
        assert_eq!(control.receive(6), b"answer");
    }

    fixture.fail(&control, || {
        answered.send(b"a");
        // So that the turn looks at it.
        handles[1].resume_reading().unwrap();
    });

    assert_eq!(answered.receive_to_any_end().unwrap_or(0), 0, "bytes of the turn");
    assert_eq!(fixture.ends.next(), "withheld");
    assert_eq!(waiting.receive(LONG - 1).len(), LONG - 1);
    assert_eq!(waiting.receive(6), b"answer");
    assert!(fixture.ends.rest().is_empty(), "nobody else has ended");
    fixture.server.stop();
}

/// As long as it fails, nobody gets an answer; then everybody does.
#[test]
fn it_may_fail_time_and_again() {
    const TIMES: usize = 20;
    let fixture = Fixture::new();
    let clients: Vec<Client> = (0..TIMES).map(|_| fixture.connect()).collect();
    fixture.failures.store(usize::MAX, Ordering::SeqCst);
    for client in clients {
        client.send(b"?");
        assert_eq!(client.receive_to_any_end().unwrap_or(0), 0);
        assert_eq!(fixture.ends.next(), "withheld");
    }
    for _ in 0..TIMES {
        let client = fixture.server.connect();
        assert_eq!(client.receive_to_any_end().unwrap_or(0), 0, "what `opened` writes");
        assert_eq!(fixture.ends.next(), "withheld");
    }
    fixture.failures.store(0, Ordering::SeqCst);
    let client = fixture.connect();
    client.send(b"?");
    assert_eq!(client.receive(6), b"answer");
    fixture.server.stop();
}

#[test]
fn an_answer_that_ends_the_server_is_withheld_as_well() {
    let fixture = Fixture::new();
    let (client, other) = (fixture.connect(), fixture.connect());
    fixture.failures.store(1, Ordering::SeqCst);
    client.send(b"s");
    assert_eq!(client.receive_to_any_end().unwrap_or(0), 0);
    assert_eq!(other.receive_to_end(), b"");
    drop((client, other));
    fixture.server.wait();
    let mut ends = fixture.ends.rest();
    ends.sort();
    assert_eq!(ends, ["server shutdown", "withheld"]);
}
